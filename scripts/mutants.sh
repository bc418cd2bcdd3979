#!/bin/sh
# Changes the pure modules of the vault in many small ways, one at a time, and runs their unit tests on each.
# A change that no test notices (a survivor) must be explained in tests/mutants.txt; survivors.py decides. Five
# minutes on 2 cores. To look at one: cd build/mutants && ../../.venv/bin/mutmut show NAME
#
#     scripts/mutants.sh [MODULE ...]    such as records/policy.py; default: all of them
set -eu
cd "$(dirname "$0")/.."
root=$PWD
[ $# -gt 0 ] || set -- records/policy.py records/registration.py records/upkeep.py records/events.py \
    records/codec.py records/sealing.py ledger/merkle.py ledger/head.py ledger/audit.py

# mutmut is no part of pins/: it is needed here alone.
"$root/.venv/bin/python" -c 'import mutmut' 2>/dev/null ||
    "$root/.venv/bin/python" -m pip install --quiet 'mutmut>=3.8,<4'

work=$root/build/mutants
rm -rf "$work"
mkdir -p "$work/src" "$work/tests/unit/vault"
cp -r protocol/strongroom_protocol client/strongroom vault/strongroom_vault "$work/src/"
cp -r tests/support tests/vectors "$work/tests/"
cp -r tests/unit/vault/records tests/unit/vault/ledger "$work/tests/unit/vault/"
cp -r tests/unit/protocol "$work/tests/unit/"
# The same examples in every run, and no time spent on making a failing one small: that takes so long that
# mutmut would count a plain failure as a loop without end.
cat >"$work/tests/conftest.py" <<'END'
from hypothesis import Phase, settings

phases = (Phase.explicit, Phase.generate)
settings.register_profile("mutants", derandomize=True, deadline=None, database=None, phases=phases)
settings.load_profile("mutants")
END
cd "$work"
{
    printf '[mutmut]\nsource_paths=\n    src\nonly_mutate=\n'
    for module in "$@"; do printf '    src/strongroom_vault/%s\n' "$module"; done
    printf 'also_copy=\n    src\n'
    printf 'pytest_add_cli_args=\n    --import-mode=importlib\n    -q\n'
    # It compares times, which mutmut's own code in every function distorts, and takes most of a run.
    printf '    --deselect=tests/unit/vault/ledger/test_merkle.py::test_the_occupied_buckets_are_told_without_a_look_at_each\n'
    printf 'pytest_add_cli_args_test_selection=\n'
    for place in vault/records vault/ledger protocol/test_statements.py; do printf '    tests/unit/%s\n' "$place"; done
} >setup.cfg
printf '[pytest]\npythonpath = tests/support\nasyncio_mode = auto\ntimeout = 60\n' >pytest.ini
"$root/.venv/bin/mutmut" run >run.log 2>&1 || { tail -n 20 run.log >&2; exit 1; }
"$root/.venv/bin/mutmut" results --all true >results.txt
exec "$root/.venv/bin/python" "$root/scripts/survivors.py" results.txt "$root/tests/mutants.txt"
