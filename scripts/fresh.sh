#!/bin/sh
# Runs `make demo` and `make test` on bare Debian systems, built in folders with debootstrap (minbase,
# python3, git, make, ca-certificates): as root, as a user with sudo, and as one without, who must be told
# what is missing. Needs root. Of the host they get the network, its certificate authorities, and how
# apt and pip reach their packages; no variable of its environment, no file of its own.
#
#     ONLY=bookworm|trixie    one system
#     AS=root|user|nosudo     one kind of user
#     RUN=demo|test           one command
#     FRESH=/folder           where systems and logs are kept (/var/tmp/strongroom-fresh)
set -eu
unset CDPATH
cd "$(dirname "$0")/.."
fresh=${FRESH:-/var/tmp/strongroom-fresh}
failed=0

say() { printf 'fresh: %s\n' "$*"; }
fail() { printf 'fresh: %s\n' "$*" >&2; exit 1; }

# Makes $fresh/RELEASE.tar, a bare system. It is kept: remove it to have a newer one.
make_system() {
    [ ! -e "$fresh/$1.tar" ] || return 0
    if ! command -v debootstrap >/dev/null 2>&1; then
        apt-get update -q >/dev/null
        apt-get install -q -y --no-install-recommends debootstrap debian-archive-keyring >/dev/null
    fi
    say "building a bare $1"
    remove "$fresh/$1.new"
    debootstrap --variant=minbase --include=python3,git,make,ca-certificates "$1" "$fresh/$1.new" \
        >"$fresh/log/$1-debootstrap.log" 2>&1 || fail "that failed: $fresh/log/$1-debootstrap.log"
    tar -C "$fresh/$1.new" -cf "$fresh/$1.tar.new" .
    remove "$fresh/$1.new"
    mv "$fresh/$1.tar.new" "$fresh/$1.tar"
}

# Removes a system's folder, and never goes through a mount.
remove() {
    ! grep -qF " $1/" /proc/self/mounts || fail "something is mounted below $1"
    rm -rf --one-file-system "$1"
}

# Unpacks a system into $root, with a clone of this repository in it.
unpack() {
    remove "$root"
    mkdir -p "$root"
    tar -C "$root" -xf "$fresh/$1.tar"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    printf '127.0.0.1 localhost %s\n::1 localhost\n' "$(hostname)" >"$root/etc/hosts"
    apt-config dump | grep -E '^Acquire::(http|https|Check|Retries)' \
        >"$root/etc/apt/apt.conf.d/90host" || true
    [ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/pip.conf"
    mkdir -p "$root/usr/local/share/ca-certificates"
    find /usr/local/share/ca-certificates -name '*.crt' \
        -exec cp {} "$root/usr/local/share/ca-certificates/" \;
    git clone --quiet --no-local . "$root/srv/strongroom"
}

# Runs a command inside $root, in namespaces of its own: what is mounted or started there ends with it.
inside() {
    unshare --mount --pid --ipc --uts --fork --kill-child sh -eu -c '
        root=$1
        shift
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount -t tmpfs -o mode=755 tmpfs "$root/dev"
        for name in null zero full random urandom tty; do
            touch "$root/dev/$name"
            mount --bind "/dev/$name" "$root/dev/$name"
        done
        mkdir "$root/dev/pts" "$root/dev/shm"
        mount -t devpts -o newinstance,mode=620,ptmxmode=666 devpts "$root/dev/pts"
        mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
        ln -s pts/ptmx "$root/dev/ptmx"
        ln -s /proc/self/fd "$root/dev/fd"
        for name in stdin:0 stdout:1 stderr:2; do
            ln -s "/proc/self/fd/${name#*:}" "$root/dev/${name%:*}"
        done
        mkdir "$root/host"
        cd "$root"
        pivot_root . host
        cd /
        exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -eu -c "
            umount -l /host
            rmdir /host
            $*"
    ' sh "$root" "$@" </dev/null
}

# Prints the command that runs `make $2` as the user of kind $1.
as_user() {
    case "$1" in
        root) echo "cd /srv/strongroom; export HOME=/root; exec make $2" ;;
        *) echo "cd /srv/strongroom; export HOME=/home/dev; exec setpriv --reuid dev --regid dev --init-groups make $2" ;;
    esac
}

prepare() {
    inside 'update-ca-certificates >/dev/null 2>&1'
    [ "$1" = root ] || inside 'useradd --create-home --shell /bin/bash dev; chown -R dev: /srv/strongroom'
    [ "$1" != user ] || inside 'export DEBIAN_FRONTEND=noninteractive
        apt-get update -q; apt-get install -q -y --no-install-recommends sudo
        echo "dev ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/dev' >"$fresh/log/sudo.log" 2>&1
}

# Runs `make COMMAND` once, says how it went, and keeps its output.
try() {
    release=$1 who=$2 command=$3
    log="$fresh/log/$release-$who-$command.log"
    began=$(date +%s)
    result=ok
    inside "$(as_user "$who" "$command")" >"$log" 2>&1 || result="failed with $?"
    if [ "$who" = nosudo ]; then # as it should: one message that names everything
        case "$result $(grep -c 'apt-get install' "$log")" in
            "failed with 2 1") result="told what is missing" ;;
            *) result="not told what is missing: $result" failed=1 ;;
        esac
    elif [ "$result" != ok ]; then
        failed=1
        tail -n 40 "$log"
    fi
    say "$(printf '%-9s %-7s make %-5s %5s s  %s' \
        "$release" "$who" "$command" "$(($(date +%s) - began))" "$result")" | tee -a "$fresh/log/results"
}

[ "$(id -u)" -eq 0 ] || fail "this needs root: it makes whole systems"
mkdir -p "$fresh/log"
: >"$fresh/log/results"
[ -z "$(git status --porcelain)" ] || say "what is not committed is not tried"
for release in ${ONLY:-bookworm trixie}; do
    make_system "$release"
    for who in ${AS:-root user nosudo}; do
        root="$fresh/run.$$"
        trap 'remove "$root"' EXIT
        unpack "$release"
        prepare "$who"
        for command in ${RUN:-demo test}; do
            try "$release" "$who" "$command"
        done
        remove "$root"
    done
done
say "all together:"
cat "$fresh/log/results"
exit "$failed"
