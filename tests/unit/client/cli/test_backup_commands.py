"""The commands backup and restore: what they refuse, use and say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from lying_vault import KEY, PASSWORD

from strongroom import BackupKey, OutputExists
from strongroom.cli.backup_commands import NoKeyHere
from strongroom.errors import WrongKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from served_vault import ServedVault

WRONG = "not the password at all"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chats.db").write_text("all my chats")
    BackupKey(KEY).encrypt_file("chats.db", "chats.db.age")


def test_the_file_in_the_way_is_named_with_what_helps(
    protected: ServedVault, run: Callable[..., None]
) -> None:
    with pytest.raises(OutputExists, match=r"^chats\.db already exists\.$") as refused:
        run("restore", "chats.db.age")
    assert refused.value.hint == "Write to another file with -o FILE, or move chats.db away first."
    Path("copy").touch()
    with pytest.raises(OutputExists, match="copy already exists") as refused:
        run("restore", "chats.db.age", "-o", "copy")
    assert "move copy away" in refused.value.hint
    run("show-key", "--password-fd", "FD", typed=PASSWORD)
    with pytest.raises(OutputExists, match=r"^chats\.db\.age already exists\.$") as refused:
        run("backup", "chats.db")
    assert "-o FILE" in refused.value.hint
    assert "replace chats.db.age with --force" in refused.value.hint
    assert protected.names().count("StartRecovery") == 1


def test_a_borrowed_device_restores_and_keeps_nothing(
    protected: ServedVault, run: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    run("restore", "chats.db.age", "-o", "x", "--no-keep", "--password-fd", "FD", typed=PASSWORD)
    assert Path("x").read_text() == "all my chats"
    assert "not kept on this device" in capfd.readouterr().err
    assert not [path for path in Path("home").rglob("*") if path.is_file()]
    with pytest.raises(NoKeyHere):
        run("backup", "chats.db", "-o", "y.age")
    assert "StartRecovery" in protected.names()


def test_a_device_keeps_the_key_and_says_so_before(
    protected: ServedVault, run: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    run("restore", "chats.db.age", "-o", "x", "--password-fd", "FD", typed=PASSWORD)
    told = capfd.readouterr().err
    assert told.index("will keep the key") < told.index("Attempts left") < told.index("is restored")
    run("restore", "chats.db.age", "-o", "y", "--password-fd", "FD", typed=WRONG)
    told = capfd.readouterr().err
    assert "the password was not needed. No attempt was used." in told
    assert "--no-keep" not in told
    assert protected.names().count("StartRecovery") == 1
    run("restore", "chats.db.age", "-o", "z")
    assert capfd.readouterr().err == "z is restored.\n"


def test_a_key_that_cannot_help_costs_no_attempt(
    protected: ServedVault, run: Callable[..., None]
) -> None:
    run("show-key", "--password-fd", "FD", typed=PASSWORD)
    BackupKey.generate().encrypt_file("chats.db", "other.age")
    with pytest.raises(WrongKey):
        run("restore", "other.age", "--password-fd", "FD", typed=PASSWORD)
    assert protected.names().count("StartRecovery") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("chats.db",), "does not end in .age"),
        (("chats.db.age", "--digits", "--password-fd", "0"), "not both"),
        (("chats.db.age", "--digits-fd", "3", "--password-fd", "4"), "not both"),
        (("-", "--digits"), "standard input has the backup"),
        (("-", "--password-fd", "0"), "standard input has the backup"),
    ],
)
def test_what_contradicts_itself_is_wrong_usage(
    run: Callable[..., None], arguments: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(click.UsageError, match=sentence):
        run("restore", *arguments)
