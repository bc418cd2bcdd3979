"""What `init` shows of its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault_process import prepare_vault

from strongroom_vault.cli import init
from strongroom_vault.ledger.head import Anchored
from strongroom_vault.operator.init import Plan
from strongroom_vault.settings import loading

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import SoftHsm


def test_a_plan_says_what_exists_and_what_will_be_made(tmp_path: Path, softhsm: SoftHsm) -> None:
    settings = loading.load(prepare_vault(tmp_path, softhsm).settings_file, {})
    new = Plan((), ("strongroom.root",), None, has_store=False)
    states = [line.split() for line in init._plan_lines(settings, new)]
    assert states[0] == ["vault", "vault.test,", "token", softhsm.label]
    assert [line[-3:] for line in states[1:]] == [["will", "be", "made"]] * 3
    made = init._json_fields(settings, new, bytes(33))
    assert made == {
        "vault_id": "vault.test",
        "identity": "A" * 44,
        "made": ["key strongroom.root", "store", "anchor"],
    }
    old = Plan(("strongroom.root",), (), Anchored(7, bytes(32)), has_store=True)
    assert [line.split()[-1] for line in init._plan_lines(settings, old)][1:] == [
        "exists",
        "exists",
        "7",
    ]
    assert init._json_fields(settings, old, bytes(33))["made"] == []


def test_a_vault_that_lacks_a_file_is_not_called_ready(tmp_path: Path, softhsm: SoftHsm) -> None:
    settings = loading.load(prepare_vault(tmp_path, softhsm).settings_file, {})
    made = Plan((), ("strongroom.root",), None, has_store=False)
    assert init._done(settings, made) == "The vault is ready."
    settings.listen.certificate_file.unlink()
    assert init._done(settings, made) == "The keys and the store are made."
    done = Plan(("strongroom.root",), (), Anchored(0, bytes(32)), has_store=True)
    assert init._done(settings, done) == "There is nothing to do."
