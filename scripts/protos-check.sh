#!/bin/sh
# Fails when the committed modules are not what protos/ gives.
set -eu
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
scripts/protos.sh "$fresh"
find "$fresh" -name '*_pb2*' | while read -r file; do
    diff -u "${file#"$fresh"/}" "$file" >&2 ||
        { echo "protos: run make protos and commit the result" >&2; exit 1; }
done
