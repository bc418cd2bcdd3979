#!/bin/sh
# Writes the exact versions, with their hashes, that setup.sh, the container and CI install:
#
#     pins.sh              keeps the versions that still fit pyproject.toml
#     pins.sh --upgrade    takes the newest ones
#
# pins/vault.txt   what a vault runs with, and what builds it
# pins/dev.txt     what checks and tests need beside that
#
# For Python 3.11 to 3.14 on every platform; a host name has no place in these files.
set -eu
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check uv

compile() {
    "$tools/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 \
        --generate-hashes --no-annotate --no-header "$@"
}

echo 'hatchling>=1.27' >"$tools/build.in"
compile "$@" --extra vault --output-file pins/vault.txt pyproject.toml "$tools/build.in"
there=$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' pins/vault.txt)
# shellcheck disable=SC2086 # words on purpose
compile "$@" --extra dev --constraint pins/vault.txt $there --output-file pins/dev.txt pyproject.toml
