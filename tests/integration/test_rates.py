"""`strongroom-vault bench`: figures of this token and disk, and nothing left behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pkcs11 import Attribute, KeyType, ObjectClass
from token_child import in_child

from strongroom_vault.operator.bench import LABELS

if TYPE_CHECKING:
    from pathlib import Path

    import pkcs11
    from vault_process import VaultFolder


def _objects(session: pkcs11.Session) -> list[tuple[str, bytes]]:
    return sorted(
        (found[Attribute.LABEL], bytes(found[Attribute.ID])) for found in session.get_objects()
    )


def _cut_off(session: pkcs11.Session) -> None:
    """What a bench that was killed leaves."""
    session.generate_key(KeyType.GENERIC_SECRET, 256, label=LABELS.anchor[0], store=True)
    found = session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY})
    assert LABELS.anchor[0] in {one[Attribute.LABEL] for one in found}


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "vault.log")


def test_four_figures_and_nothing_left(vault_folder: VaultFolder) -> None:
    objects, files = in_child(vault_folder.softhsm, _objects), _files(vault_folder.folder)
    in_child(vault_folder.softhsm, _cut_off)
    lines = vault_folder.operator("bench", "--seconds", "0.2", "--json").stdout.splitlines()
    rates = [json.loads(line) for line in lines]
    assert [rate["what"] for rate in rates] == [
        "token: recoveries, 1 worker",
        "token: recoveries, 2 workers",
        "token: anchor moved",
        "disk: commits",
    ]
    assert all(0 < rate["p50_ms"] <= rate["p99_ms"] and rate["per_s"] > 0 for rate in rates)
    assert in_child(vault_folder.softhsm, _objects) == objects
    assert _files(vault_folder.folder) == files


def test_beside_a_vault_that_serves(vault_folder: VaultFolder) -> None:
    with vault_folder.start() as vault:
        table = vault_folder.operator("bench", "--seconds", "0.2").stdout
        assert table.count("/s") == 4
        with vault.connect() as client:
            assert client.status() is None
        vault_folder.operator("anchor", "show")


def test_a_token_that_does_not_open(vault_folder: VaultFolder) -> None:
    vault_folder.softhsm.pin_file.write_text("wrong")
    assert "PIN" in vault_folder.operator("bench", code=3).stderr
