#!/bin/sh
# Generates the Python modules of protos/ under OUT/client and OUT/vault (default: this clone).
set -eu
cd "$(dirname "$0")/.."
out=${1:-.}
PATH="$PWD/.venv/bin:$PATH"
mkdir -p "$out/client" "$out/vault"
.venv/bin/python -m grpc_tools.protoc --proto_path=protos \
    --python_out="$out/client" --mypy_out="quiet:$out/client" \
    --grpc_python_out="$out/client" --mypy_grpc_out="quiet:$out/client" \
    protos/strongroom/v1/vault.proto protos/strongroom/v1/admin.proto
.venv/bin/python -m grpc_tools.protoc --proto_path=protos \
    --python_out="$out/vault" --mypy_out="quiet:$out/vault" \
    protos/strongroom_vault/storage/v1/record.proto
