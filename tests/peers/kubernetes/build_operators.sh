#!/usr/bin/env bash
# Build the operators that launching knows into .peers/kubernetes/operators with Go: the
# training operator, the controller of Argo Workflows, JobSet and Kubeflow Trainer, with
# what they define. Twenty minutes on two cores the first time. Usage: build_operators.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
out="$PWD/.peers/kubernetes/operators"
export CGO_ENABLED=0 GOFLAGS=-buildvcs=false

# Each is built where its module lies, by the sums that it came with.
build() {
    local name="$1" module="$2" package="$3" crds="$4" hooks="${5:-}" folder
    folder="$(go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')"
    mkdir -p "$out/$name/crds"
    go build -C "$folder" -o "$out/$name/$name" -ldflags "-s -w" "$package"
    install -m 644 "$folder/$crds"/*_*.yaml "$out/$name/crds/"
    [ -z "$hooks" ] || install -m 644 "$folder/$hooks" "$out/$name/webhooks.yaml"
}

build training-operator github.com/kubeflow/training-operator@v1.9.3 \
    ./cmd/training-operator.v1 manifests/base/crds manifests/base/webhook/manifests.yaml
build workflow-controller github.com/argoproj/argo-workflows/v3@v3.7.4 \
    ./cmd/workflow-controller "manifests/base/crds/${ARGO_CRDS:-minimal}"
build jobset sigs.k8s.io/jobset@v0.10.1 \
    . config/components/crd/bases config/components/webhook/manifests.yaml
build trainer github.com/kubeflow/trainer/v2@v2.1.0 \
    ./cmd/trainer-controller-manager manifests/base/crds manifests/base/webhook/manifests.yaml
echo "$out"
