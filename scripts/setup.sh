#!/bin/sh
# Prepares this clone for `make demo` and `make test`: SoftHSM, and .venv with all packages.
# Says what it does; does nothing that is done already.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        fail "this needs root, and there is no sudo; run as root: $*"
    fi
}

# The system's own first: it is built with the optimisations that one made by hand often lacks, which
# save a recovery a tenth of its CPU time.
find_python() {
    for name in /usr/bin/python3 python3.11 python3.12 python3.13 python3.14 python3; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'; then
            command -v "$name"
            return
        fi
    done
    fail "Python 3.11 to 3.14 is needed, and none was found"
}

make_venv() {
    if "$python" -m venv .venv >/dev/null 2>&1; then
        return
    fi
    rm -rf .venv
    command -v apt-get >/dev/null 2>&1 || fail "$python cannot make a .venv; install its venv module"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    say "installing the package python$version-venv"
    as_root apt-get update -q >/dev/null
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "python$version-venv" >/dev/null
    "$python" -m venv .venv
}

softhsm-setup/install.sh
scripts/second-token.sh

python=$(find_python)
[ -x .venv/bin/python ] || { say "making .venv with $python"; make_venv; }

stamp=.venv/installed-from
wanted=$(cat pyproject.toml constraints.txt | cksum)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]; then
    say "installing packages into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --constraint constraints.txt --editable '.[dev]'
    printf '%s\n' "$wanted" >"$stamp"
fi
say "ready"
