#!/bin/sh
# Installs SoftHSM 2 with the system's package manager. Does nothing where it is present.
set -eu

say() { printf 'softhsm-setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

if has softhsm2-util; then
    say "SoftHSM is here already"
    exit 0
elif has apt-get; then
    command="apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends softhsm2"
elif has dnf; then
    command="dnf install -q -y softhsm"
elif has apk; then
    command="apk add --quiet softhsm"
elif has brew; then
    command="brew install --quiet softhsm"
else
    fail "none of apt-get, dnf, apk and brew is here; install SoftHSM 2 by hand"
fi

say "installing SoftHSM: $command"
if [ "$(id -u)" -eq 0 ] || has brew; then
    sh -c "$command" >&2 || fail "that did not work"
elif has sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    sudo sh -c "$command" >&2 || fail "that did not work; have an administrator run it"
else
    fail "this user cannot do that; have an administrator run it"
fi
has softhsm2-util || fail "the package brought no softhsm2-util"
say "SoftHSM is installed"
