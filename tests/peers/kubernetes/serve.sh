#!/usr/bin/env bash
# A Kubernetes API server with its controllers and no nodes, until interrupted.
# Writes .peers/kubernetes/run/kubeconfig for COUNTERSIGN_TEST_KUBECONFIG.
set -euo pipefail
cd "$(dirname "$0")/../../../.peers/kubernetes"
rm -rf run
mkdir -p run/pki
# Nothing here is worth an orderly end: it is all made anew the next time.
trap 'kill -KILL $(jobs -p) 2>/dev/null' EXIT
trap exit INT TERM
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
clients="http://127.0.0.1:$(free_port)"
peers="http://127.0.0.1:$(free_port)"
port="$(free_port)"
token="$(openssl rand -hex 16)"
openssl genrsa -out run/pki/accounts.key 2048 2>/dev/null
(umask 077 && echo "$token,admin,admin,\"system:masters\"" >run/tokens.csv)

./etcd-server --data-dir run/etcd --listen-client-urls "$clients" \
    --advertise-client-urls "$clients" --listen-peer-urls "$peers" \
    --unsafe-no-fsync --log-level error >run/etcd.log 2>&1 &
./kube-apiserver --etcd-servers "$clients" --bind-address 127.0.0.1 \
    --secure-port "$port" --cert-dir run/pki --token-auth-file run/tokens.csv \
    --service-account-key-file run/pki/accounts.key \
    --service-account-signing-key-file run/pki/accounts.key \
    --service-account-issuer https://kubernetes.default.svc \
    --service-cluster-ip-range 10.0.0.0/24 --authorization-mode RBAC \
    --disable-admission-plugins ServiceAccount >run/apiserver.log 2>&1 &
(
    umask 077
    cat >run/kubeconfig <<YAML
apiVersion: v1
kind: Config
clusters:
  - name: test
    cluster:
      server: https://127.0.0.1:$port
      certificate-authority: $PWD/run/pki/apiserver.crt
users: [{name: admin, user: {token: $token}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
YAML
)
until curl --silent --fail --cacert run/pki/apiserver.crt --output /dev/null \
    "https://127.0.0.1:$port/readyz"; do
    kill -0 %2 || { tail -5 run/apiserver.log; exit 1; }
    sleep 0.5
done
./kube-controller-manager --kubeconfig run/kubeconfig --leader-elect=false \
    --service-account-private-key-file run/pki/accounts.key --secure-port 0 \
    --controllers job-controller,cronjob-controller,garbage-collector-controller,namespace-controller,serviceaccount-controller \
    >run/controllers.log 2>&1 &
echo "export COUNTERSIGN_TEST_KUBECONFIG=$PWD/run/kubeconfig"
wait
