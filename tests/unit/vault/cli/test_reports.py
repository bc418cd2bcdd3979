"""What commands report, and to which stream."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from strongroom_vault.cli import reports


def test_what_was_done_is_json_on_stdout_or_a_sentence_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reports.report({"epoch": 7}, "done", as_json=True)
    shown = capsys.readouterr()
    assert (json.loads(shown.out), shown.err) == ({"epoch": 7}, "")
    reports.report({"epoch": 7}, "done", as_json=False)
    assert capsys.readouterr() == ("", "done\n")


def test_a_path_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    reports.report_path("jwks_file", Path("a b"), as_json=False)
    reports.report_path("jwks_file", Path("a b"), as_json=True)
    assert capsys.readouterr().out == 'a b\n{"jwks_file": "a b"}\n'


def test_nothing_is_asked_with_yes_and_a_question_cannot_be_answered_with_json() -> None:
    reports.confirm("Delete?", yes=True, as_json=True)
    with pytest.raises(click.UsageError, match=r"Delete\?"):
        reports.confirm("Delete?", yes=False, as_json=True)


@pytest.mark.parametrize(
    ("arguments", "wants"),
    [
        (["status", "--json"], True),
        (["status"], False),
        (["records", "show", "--", "--json"], False),
    ],
)
def test_json_is_wanted_where_the_option_stands(arguments: list[str], *, wants: bool) -> None:
    assert reports.wants_json(arguments) is wants


def test_an_identity_has_44_characters() -> None:
    assert reports.identity_text(bytes(33)) == "A" * 44
