"""What `make mutants` accepts, and what fails it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

SCRIPT: Final = Path(__file__).parents[3] / "scripts" / "survivors.py"
KILLED: Final = [f"m.x_f__mutmut_{number}: killed" for number in range(1, 20)]
"""19 mutants; one more that survives leaves 95 % killed."""


@pytest.mark.parametrize(
    ("more", "explained", "code", "said"),
    [
        (["m.x_g__mutmut_1: killed"], [], 0, "20 of 20 killed (100.0%)"),
        (["m.x_g__mutmut_1: survived"], ["m.x_g__mutmut_1: a text"], 0, "19 of 20 killed (95.0%)"),
        (["m.x_g__mutmut_1: survived"], [], 1, "m.x_g__mutmut_1 is survived, and tests/"),
        (["m.x_g__mutmut_1: no tests"], [], 1, "m.x_g__mutmut_1 is no tests, and tests/"),
        (["m.x_g__mutmut_1: timeout"], ["m.x_g__mutmut_1: a loop"], 0, "20 of 20 killed (100.0%)"),
        (["m.x_g__mutmut_1: timeout"], [], 1, "m.x_g__mutmut_1 is timeout, and tests/"),
        (["m.x_g__mutmut_1: killed"], ["m.x_g__mutmut_1: a text"], 1, "does not survive"),
        (["m.x_g__mutmut_1: killed"], ["other.x_g__mutmut_1: a text"], 0, "20 of 20 killed"),
        (
            ["m.x_g__mutmut_1: survived", "m.x_g__mutmut_2: survived"],
            ["m.x_g__mutmut_1: a text", "m.x_g__mutmut_2: a text"],
            1,
            "19 of 21 killed (90.5%)",
        ),
    ],
)
def test_the_judge(
    tmp_path: Path, more: list[str], explained: list[str], code: int, said: str
) -> None:
    results, explanations = tmp_path / "results.txt", tmp_path / "mutants.txt"
    results.write_text("\n".join([*KILLED, *more]), encoding="utf-8")
    explanations.write_text("\n".join(["# why", *explained]), encoding="utf-8")
    judged = subprocess.run(
        [sys.executable, SCRIPT, results, explanations], capture_output=True, text=True, check=False
    )
    assert judged.returncode == code
    assert said in judged.stdout
