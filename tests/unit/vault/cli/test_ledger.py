"""What commands show of database and anchor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from strongroom_vault.cli import ledger
from strongroom_vault.ledger.head import Anchored, Head
from strongroom_vault.operator.anchor import AnchorStatus

if TYPE_CHECKING:
    import pytest

HEAD = Head("vault.example", 7, bytes(32), bytes(32), bytes(32), 0, 0)
OLDER = AnchorStatus(HEAD, Anchored(9, bytes(32)), "2 commits are missing")


def test_a_status_in_lines() -> None:
    assert ledger._status_table(OLDER).splitlines() == [
        "database  commit 7, written 1970-01-01 00:00:00 UTC",
        "anchor    commit 9",
        "loss      none accepted",
    ]
    assert "anchor    nothing" in ledger._status_table(AnchorStatus(HEAD, None, "no anchor"))


def test_a_status_as_json() -> None:
    assert json.loads(ledger._status_json(OLDER, lost_keys=3)) == {
        "database_epoch": 7,
        "anchor_epoch": 9,
        "written_at": 0,
        "loss_epoch": 0,
        "problem": "2 commits are missing",
        "lost_keys": 3,
    }


def test_a_loss_says_what_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    ledger._show_loss(OLDER, 3)
    said = capsys.readouterr().err
    assert "2 commits are missing." in said
    assert "lost permanently" in said
    assert "3 of its keys are lost" in said
    ledger._show_loss(AnchorStatus(HEAD, Anchored(6, bytes(32)), "the anchor is older"), 0)
    assert capsys.readouterr().err == "the anchor is older.\n"
