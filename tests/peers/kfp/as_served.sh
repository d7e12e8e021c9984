#!/usr/bin/env bash
# What Kubeflow Pipelines serves of a package that was uploaded, by the libraries that its
# API server reads and writes it with. PYTHON is one that has kfp, whose description of a
# pipeline is used. Usage: as_served.sh PYTHON <pipeline.yaml >as_served.json
set -euo pipefail
cd "$(dirname "$0")"
messages="$(mktemp)"
trap 'rm -f "$messages"' EXIT
"$1" - "$messages" <<'PYTHON'
import sys

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from kfp.pipeline_spec import pipeline_spec_pb2

found, seen = FileDescriptorSet(), set()


def add(file):
    if file.name not in seen:
        seen.add(file.name)
        for one in file.dependencies:
            add(one)
        found.file.add().ParseFromString(file.serialized_pb)


add(pipeline_spec_pb2.DESCRIPTOR)
with open(sys.argv[1], "wb") as file:
    file.write(found.SerializeToString())
PYTHON
go run -mod=readonly . "$messages"
