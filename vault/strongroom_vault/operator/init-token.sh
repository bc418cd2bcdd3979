#!/bin/sh
# Makes a SoftHSM token for development and tests, whole in one folder:
#
#     init-token.sh DIR [LABEL]
#
# DIR/softhsm2.conf   the module's settings; point SOFTHSM2_CONF at it
# DIR/tokens/         the token
# DIR/user.pin        the PIN that the vault's workers read, mode 0600
# DIR/so.pin          the security officer's PIN, mode 0600
#
# Touches nothing else. Refuses a folder that has a token. Prints, as settings for a vault, where
# the module is, the token's label and the PIN file.
set -eu
umask 077
unset CDPATH
export LC_ALL=C # names are bytes here, whatever they mean

fail() { printf 'init-token: %s\n' "$*" >&2; exit 1; }

[ $# -ge 1 ] && [ $# -le 2 ] || fail "usage: init-token.sh DIR [LABEL]"
label=${2:-strongroom}
command -v softhsm2-util >/dev/null 2>&1 ||
    fail "SoftHSM is missing; install it (Debian, Ubuntu: apt-get install softhsm2)"

case "$1" in /*) dir=$1 ;; *) dir=$PWD/$1 ;; esac
case "$dir$label" in *[[:cntrl:]]*) fail "a name with a line end or control character cannot be used" ;; esac
case "$dir" in *'#'*) fail "SoftHSM reads no folder with a # in its path: $dir" ;; esac
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
[ ! -e "$dir/softhsm2.conf" ] || fail "$dir has a token already"
[ ! -e "$dir/tokens" ] || fail "$dir/tokens is there already"

find_module() {
    for folder in /usr/lib/softhsm /usr/lib64/softhsm /usr/lib64/pkcs11 /usr/lib/pkcs11 \
        /usr/local/lib/softhsm /opt/homebrew/lib/softhsm "/usr/lib/$(uname -m)-linux-gnu/softhsm"; do
        for name in libsofthsm2.so libsofthsm2.dylib; do
            if [ -e "$folder/$name" ]; then
                printf '%s\n' "$folder/$name"
                return
            fi
        done
    done
    fail "cannot find libsofthsm2; is SoftHSM installed?"
}

# 128 random bits as 32 hexadecimal digits.
random_pin() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# A TOML string.
quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g; s/.*/"&"/'; }

module=$(find_module)
mkdir "$dir/tokens"
random_pin >"$dir/user.pin"
random_pin >"$dir/so.pin"
cat >"$dir/softhsm2.conf" <<CONF
directories.tokendir = $dir/tokens
objectstore.backend = file
log.level = ERROR
CONF

# softhsm2-util takes PINs as arguments only. This token is for development: on a machine with other
# people, make the token with a tool that asks for its PINs.
SOFTHSM2_CONF="$dir/softhsm2.conf" softhsm2-util --init-token --free --label "$label" \
    --so-pin "$(cat "$dir/so.pin")" --pin "$(cat "$dir/user.pin")" >/dev/null

cat <<SETTINGS
# SOFTHSM2_CONF=$dir/softhsm2.conf
[token]
module = $(quoted "$module")
label = $(quoted "$label")
pin_file = $(quoted "$dir/user.pin")
SETTINGS
