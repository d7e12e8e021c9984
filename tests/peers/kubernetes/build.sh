#!/usr/bin/env bash
# Build etcd, kube-apiserver and kube-controller-manager into .peers/kubernetes with Go.
# Twenty-five minutes on two cores the first time. Usage: build.sh [VERSION]
set -euo pipefail
cd "$(dirname "$0")/../../.."
version="${1:-1.37.2}"
etcd=v3.7.3
out="$PWD/.peers/kubernetes"
mkdir -p "$out/source" "$out/etcd"

# k8s.io/kubernetes replaces its parts by folders of its own repository, so it cannot be
# installed by name. A module that replaces them by their releases builds the same.
cd "$out/source"
upstream="$(go mod download -json "k8s.io/kubernetes@v$version" |
    sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')"
{
    echo "module countersign.example/kubernetes"
    grep -E '^(go|godebug) ' "$upstream"
    echo "require k8s.io/kubernetes v$version"
    sed -n '/^require (/,/^)/p' "$upstream" |
        sed -E "s#^(\tk8s.io/[a-z-]+) v0\.0\.0( .*)?\$#\1 v0.${version#1.}\2#"
    echo "replace ("
    sed -n '/^replace (/,/^)/p' "$upstream" |
        sed -nE "s#^\t(k8s.io/[a-z-]+) => \./.*#\t\1 => \1 v0.${version#1.}#p"
    echo ")"
} >go.mod
cat >tools.go <<'GO'
//go:build tools

package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
)
GO
minor="$(echo "$version" | cut -d. -f2)"
place=k8s.io/component-base/version
export GOFLAGS=-mod=mod CGO_ENABLED=0
for program in kube-apiserver kube-controller-manager; do
    go build -o "$out/$program" -ldflags "-s -w -X $place.gitVersion=v$version \
        -X $place.gitMajor=1 -X $place.gitMinor=$minor" \
        "k8s.io/kubernetes/cmd/$program"
done

cd "$out/etcd"
printf 'module countersign.example/etcd\ngo 1.26.0\nrequire go.etcd.io/etcd/server/v3 %s\n' \
    "$etcd" >go.mod
printf '//go:build tools\n\npackage tools\n\nimport _ "go.etcd.io/etcd/server/v3"\n' >tools.go
go build -o "$out/etcd-server" -ldflags "-s -w" go.etcd.io/etcd/server/v3
echo "$out"
