#!/bin/sh
# Builds wheel and source package in dist/, and checks them: the version is that of the changelog's newest
# release, the wheel has the three packages and nothing of tests, and both commands start from it.
set -eu
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python
fail() { printf 'dist: %s\n' "$*" >&2; exit 1; }

version=$("$python" -c 'import strongroom_protocol; print(strongroom_protocol.__version__)')
released=$(sed -n 's/^## \([0-9][^ ]*\).*/\1/p' CHANGELOG.md | head -n 1)
[ "$version" = "$released" ] || fail "the version is $version, the changelog's newest release ${released:-none}"

rm -rf dist
"$python" -m hatchling build -d dist >/dev/null
wheel=dist/strongroom-$version-py3-none-any.whl
[ -e "$wheel" ] && [ -e "dist/strongroom-$version.tar.gz" ] || fail "not the two files that were expected"

folders=$("$python" -m zipfile -l "$wheel" | awk 'NR > 1 { split($1, part, "/"); print part[1] }' | sort -u | tr '\n' ' ')
[ "$folders" = "strongroom strongroom-$version.dist-info strongroom_protocol strongroom_vault " ] ||
    fail "the wheel has: $folders"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$python" -m pip install --quiet --no-deps --no-index --target "$scratch/packages" "$wheel"
cd "$scratch"
for package in strongroom strongroom_vault; do
    said=$(PYTHONPATH=packages "$python" -P -c "
import pathlib, sys, $package
assert pathlib.Path($package.__file__).is_relative_to('$scratch'), $package.__file__
from $package.__main__ import main
sys.argv[1:] = ['--version']
main()") || fail "$package does not start from the wheel"
    case "$said" in *"$version"*) ;; *) fail "$package says: $said" ;; esac
done
echo "dist: $wheel and dist/strongroom-$version.tar.gz are ready"
