#!/bin/sh
# Generates the Python modules of protos/ below OUT (default: this clone), each where its messages are used.
set -eu
cd "$(dirname "$0")/.."
out=${1:-.}
PATH="$PWD/.venv/bin:$PATH"

# generate WING MODULE PROTO [GRPC]: MODULE is the path, below WING, of the proto file as Python imports it.
generate() {
    mkdir -p "$out/$1"
    if [ -n "${4:-}" ]; then
        set -- "$1" "$2" "$3" --grpc_python_out="$out/$1" --mypy_grpc_out="quiet:$out/$1"
    fi
    wing=$1 module=$2 proto=$3
    shift 3
    .venv/bin/python -m grpc_tools.protoc --proto_path="$module=$proto" --proto_path="$include" \
        --python_out="$out/$wing" --mypy_out="quiet:$out/$wing" "$@" "$module"
}

include=$(.venv/bin/python -c 'import grpc_tools, os; print(os.path.join(os.path.dirname(grpc_tools.__file__), "_proto"))')
generate protocol strongroom_protocol/v1/vault.proto protos/strongroom/v1/vault.proto grpc
generate vault strongroom_vault/v1/admin.proto protos/strongroom/v1/admin.proto grpc
generate vault strongroom_vault/records/v1/record.proto protos/strongroom_vault/storage/v1/record.proto
