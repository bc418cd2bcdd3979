"""A computer that is somebody else's: the password opens a backup there, and nothing stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from person import PASSWORD, Device

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultProcess

pytestmark = pytest.mark.parametrize("shared_vault", ["wrapped"], indirect=True)


def test_nothing_stays_there_and_nothing_needless_is_spent(
    tmp_path: Path, shared_vault: VaultProcess, account: str
) -> None:
    phone = Device(tmp_path / "phone", shared_vault, account)
    phone.enable()
    (phone.folder / "chats.db").write_text("all my chats")
    phone.ok("backup", "chats.db", "-o", str(tmp_path / "chats.db.age"))
    borrowed = Device(tmp_path / "borrowed", shared_vault, account)
    borrowed.more["XDG_RUNTIME_DIR"] = ""  # so that the home would have all that stays
    restore = ("restore", "../chats.db.age", "--no-keep", "--password-fd", "0")

    two_lines = borrowed.run(*restore, "-o", "x", typed=f"{PASSWORD}\na note below it\n")
    assert two_lines.returncode == 1
    assert "A password is one line" in two_lines.stderr
    assert borrowed.attempts_left() == 10

    assert borrowed.run(*restore, "-o", "x", typed="wrong").returncode == 3
    assert "not kept on this device" in borrowed.said(*restore, "-o", "x", typed=PASSWORD)
    assert (borrowed.folder / "x").read_text() == "all my chats"
    assert [path for path in borrowed.home.rglob("*") if path.is_file()] == []
    assert borrowed.run("restore", "../chats.db.age", "-o", "y").returncode == 1  # it would ask
