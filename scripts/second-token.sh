#!/bin/sh
# Installs a second, independent PKCS#11 token for the tests: NSS softokn, reached through p11-kit.
set -eu

say() { printf 'second-token: %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

for folder in /usr/lib /usr/lib64; do
    if [ -n "$(find "$folder" -name p11-kit-proxy.so 2>/dev/null)" ] &&
        command -v certutil >/dev/null 2>&1; then
        say "NSS and p11-kit are here already"
        exit 0
    fi
done

if command -v apt-get >/dev/null 2>&1; then
    say "installing the packages libnss3, libnss3-tools, p11-kit and p11-kit-modules with apt-get"
    as_root apt-get update -q >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        libnss3 libnss3-tools p11-kit p11-kit-modules >&2
else
    say "no apt-get here: install NSS (softokn, certutil) and p11-kit (proxy module) by hand"
fi
