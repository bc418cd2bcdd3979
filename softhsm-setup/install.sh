#!/bin/sh
# Installs SoftHSM 2 with the system's package manager. Does nothing where it is present.
set -eu

say() { printf 'softhsm-setup: %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        say "this needs root, and there is no sudo; run as root: $*"
        exit 1
    fi
}

if command -v softhsm2-util >/dev/null 2>&1; then
    say "SoftHSM is here already"
    exit 0
fi

if command -v apt-get >/dev/null 2>&1; then
    say "installing the package softhsm2 with apt-get"
    as_root apt-get update -q >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends softhsm2 >&2
elif command -v dnf >/dev/null 2>&1; then
    say "installing the package softhsm with dnf"
    as_root dnf install -q -y softhsm >&2
elif command -v apk >/dev/null 2>&1; then
    say "installing the package softhsm with apk"
    as_root apk add --quiet softhsm >&2
elif command -v brew >/dev/null 2>&1; then
    say "installing the package softhsm with brew"
    brew install --quiet softhsm >&2
else
    say "none of apt-get, dnf, apk and brew is here; install SoftHSM 2 by hand"
    exit 1
fi

command -v softhsm2-util >/dev/null 2>&1 || { say "the package brought no softhsm2-util"; exit 1; }
say "SoftHSM is installed"
