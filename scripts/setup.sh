#!/bin/sh
# Prepares this clone:
#
#     setup.sh vault    what `make demo` needs: SoftHSM, and a .venv with what a vault runs with
#     setup.sh dev      what `make test` needs: besides that a second token, a C compiler, the tools
#
# PYTHON=python3.13 takes that Python instead of the first one found. Does nothing that is done already,
# waits for another setup of this clone, and makes a .venv anew that was moved, cut off or broken.
set -eu
cd "$(dirname "$0")/.."
level=${1:-dev}
unset PYTHONHOME PYTHONPATH
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1
stamp=.venv/made-by-setup

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# The system's own first: it is built with the optimisations that one made by hand often lacks, which
# save a recovery a tenth of its CPU time.
find_python() {
    for name in ${PYTHON:-/usr/bin/python3 python3.11 python3.12 python3.13 python3.14 python3}; do
        if has "$name" &&
            "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'; then
            command -v "$name"
            return
        fi
    done
    fail "Python 3.11 to 3.14 is needed, and ${PYTHON:-none that was found} is not"
}

# Prints the names of the system's packages (Debian's) that are missing.
missing_packages() {
    has softhsm2-util || echo softhsm2
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        "$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
    [ "$level" = dev ] || return 0
    has certutil || echo libnss3-tools
    [ -n "$(find /usr/lib /usr/lib64 -name libsoftokn3.so 2>/dev/null)" ] || echo libnss3
    [ -n "$(find /usr/lib /usr/lib64 -name p11-kit-proxy.so 2>/dev/null)" ] || echo p11-kit-modules
    has cc || echo gcc
    has promtool || echo prometheus
    has systemd-analyze || echo systemd
    [ -e /usr/include/stdio.h ] || echo libc6-dev
}

# Installs packages with one call, or says in one message what is missing.
install_packages() {
    has apt-get || fail "these are missing (Debian's names; install what your system calls them): $*"
    apt="apt-get -q -o DPkg::Lock::Timeout=300"
    commands="$apt update && DEBIAN_FRONTEND=noninteractive $apt install -y --no-install-recommends $*"
    # The tests start a Prometheus of their own: the service that comes with the package is not wanted.
    case "$*" in *prometheus*)
        commands="$commands && { [ ! -d /run/systemd/system ] || systemctl disable -q --now prometheus; }" ;;
    esac
    if [ "$(id -u)" -eq 0 ]; then
        say "installing with apt-get: $*"
        sh -c "$commands" >/dev/null || fail "apt-get could not install: $*"
        return
    elif has sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        say "installing with sudo and apt-get: $*"
        sudo sh -c "$commands" >/dev/null && return
    fi
    fail "packages are missing, and this user cannot install them. Have an administrator run:

    apt-get update && apt-get install --no-install-recommends $*

and then run this again."
}

# What a Python is: the .venv's place, its version, and what it was made from.
describe='import sys; print(sys.prefix, "%d.%d" % sys.version_info[:2], sys.base_prefix)'
version='import sys; print("%d.%d" % sys.version_info[:2])'

# Python does not start in the locale C where a .pth file names a folder beyond ASCII; ours need not.
relative='
import glob, os
here = os.getcwdb()
for name in glob.glob(b".venv/lib/python*/site-packages/_*.pth"):
    with open(name, "rb+") as file:
        folders = file.read().splitlines()
        if all(folder.startswith(here) for folder in folders):
            paths = [os.path.relpath(folder, os.path.dirname(name)) for folder in folders]
            file.seek(0)
            file.truncate()
            file.write(b"".join(path + b"\n" for path in paths))
'

# Whether .venv is one that a setup has finished, and still where and what it was.
is_sound() {
    [ -e "$stamp" ] &&
        [ "$(sed -n 1p "$stamp")" = "$(.venv/bin/python -c "$describe" 2>/dev/null)" ] &&
        { [ -z "${PYTHON:-}" ] || [ "$(.venv/bin/python -c "$version")" = "$("$python" -c "$version")" ]; } &&
        .venv/bin/python -c 'import cryptography, grpc, pip, pkcs11' 2>/dev/null
}

has_packages() {
    case "$(sed -n 2p "$stamp")" in
        "$packages" | "dev $pins") return 0 ;;
        *) return 1 ;;
    esac
}

install_into_venv() {
    say "installing packages into .venv"
    rm -f "$stamp" # it comes back with the last step: what was cut off before is made anew
    set -- --requirement pins/vault.txt
    [ "$level" = vault ] || set -- "$@" --requirement pins/dev.txt
    .venv/bin/python -m pip install --quiet --no-deps --require-hashes "$@"
    .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
    "$python" -c "$relative"
    { .venv/bin/python -c "$describe" && echo "$packages"; } >"$stamp.new"
    mv "$stamp.new" "$stamp"
}

case "$level" in vault | dev) ;; *) fail "usage: setup.sh vault|dev" ;; esac
python=$(find_python)

# A lock on this script itself: it ends with the last process that holds it, however that ends.
exec 9<scripts/setup.sh
lock='import fcntl, sys; fcntl.flock(9, fcntl.LOCK_EX | (fcntl.LOCK_NB if sys.argv[1:] else 0))'
"$python" -c "$lock" at-once 2>/dev/null || {
    say "another setup of this clone is under way; waiting for it"
    "$python" -c "$lock"
}

missing=$(missing_packages | tr '\n' ' ')
# shellcheck disable=SC2086 # words on purpose
[ -z "$missing" ] || install_packages $missing

pins=$(cat pyproject.toml pins/vault.txt pins/dev.txt | cksum)
packages="$level $pins"
if ! is_sound; then
    say "making .venv with $python"
    rm -rf .venv
    "$python" -m venv .venv
    install_into_venv
elif ! has_packages; then
    install_into_venv
fi
say "ready"
