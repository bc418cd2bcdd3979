"""Judges mutmut's results: at least 95 % of the mutants killed, and every survivor explained.

    python scripts/survivors.py RESULTS EXPLANATIONS

EXPLANATIONS has a line for each survivor: its name, a colon, why no test can or needs to notice it.
A mutant that ran out of time needs a line too: if its loop has no end, it counts as killed; without
a line it may only have been slow.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Final

FLOOR: Final = 0.95


def main(results: Path, explanations: Path) -> int:
    """Print the figures; return 1 if they are not good enough."""
    lines = [
        line.strip() for line in results.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    outcome = dict(line.rsplit(": ", 1) for line in lines)
    counts = Counter(outcome.values())
    explained = {
        line.split(": ", 1)[0]
        for line in explanations.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    modules = {name.partition("__mutmut_")[0].rpartition(".")[0] for name in outcome}
    survivors = {name for name, how in outcome.items() if how not in {"killed", "segfault"}}
    loops = {name for name in survivors & explained if outcome[name] == "timeout"}
    killed = len(outcome) - len(survivors) + len(loops)
    share = killed / len(outcome)
    print(f"mutants: {killed} of {len(outcome)} killed ({share:.1%}); {dict(counts)}")
    unexplained = sorted(survivors - explained)
    outdated = sorted(
        name
        for name in explained - survivors
        if name.partition("__mutmut_")[0].rpartition(".")[0] in modules
    )
    for name in unexplained:
        print(f"mutants: {name} is {outcome[name]}, and tests/mutants.txt does not say why")
    for name in outdated:
        print(f"mutants: {name} is explained, and does not survive")
    return 1 if share < FLOOR or unexplained or outdated else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
