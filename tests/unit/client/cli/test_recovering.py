"""Getting the key from the vault: what is kept of it here, and what costs no attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lying_vault import KEY, KEY_ID, NOW, PASSWORD

from strongroom import BackupKey
from strongroom.cli import recovering
from strongroom.cli.descriptors import NotOneLine
from strongroom.cli.prompts import NotAsChosen
from strongroom.errors import KeyDestroyed, NoKey, WrongPassword
from strongroom.requests import ActiveKey, DestroyedKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from served_vault import ServedVault

    from strongroom.cli.device import Device

DIGITS = BackupKey(KEY).digits


def kept_in(home: Path) -> list[str]:
    return sorted(path.name for path in home.rglob("*")) if home.exists() else []


def test_it_is_said_before_the_password_that_the_key_stays(
    protected: ServedVault, run: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    run("show-key", "--password-fd", "FD", typed=PASSWORD)
    shown = capfd.readouterr()
    assert shown.out.strip() == DIGITS
    first, second = shown.err.splitlines()[-2:]
    assert first.startswith("This device will keep the key")
    assert "--no-keep" in first
    assert second == "Attempts left: 10 of 10."
    calls = len(protected.calls)
    run("show-key")  # the vault is not needed any more
    assert capfd.readouterr() == (f"{DIGITS}\n", "")
    assert len(protected.calls) == calls


def test_nothing_stays_on_a_borrowed_device(
    protected: ServedVault,
    run: Callable[..., None],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for _ in range(2):
        run("show-key", "--no-keep", "--password-fd", "FD", typed=PASSWORD)
        shown = capfd.readouterr()
        assert shown.out.strip() == DIGITS
        assert "will keep" not in shown.err
        assert shown.err.endswith("The key is not kept on this device.\n")
        assert kept_in(tmp_path / "home") == []
    assert protected.names().count("StartRecovery") == 2


def test_a_password_that_was_not_needed_is_said_to_be_so(
    protected: ServedVault, run: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    run("show-key", "--password-fd", "FD", typed=PASSWORD)
    capfd.readouterr()
    run("show-key", "--no-keep", "--password-fd", "FD", typed="not the password at all")
    told = capfd.readouterr().err
    assert "the password was not needed. No attempt was used." in told
    assert "--no-keep removes nothing" in told
    assert protected.names().count("StartRecovery") == 1


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        (f"{PASSWORD}\nsecond line\n", NotOneLine),
        (f"\n{PASSWORD}\n", NotOneLine),
        ("", NotAsChosen),
        ("a\x07b", NotAsChosen),
    ],
)
@pytest.mark.parametrize("command", ["show-key", "rehearse"])
def test_what_cannot_be_the_password_is_not_sent(
    protected: ServedVault,
    run: Callable[..., None],
    command: str,
    typed: str,
    kind: type[Exception],
) -> None:
    with pytest.raises(kind) as refused:
        run(command, "--password-fd", "FD", typed=typed)
    assert "o attempt was used" in refused.value.hint  # type: ignore[attr-defined]
    assert "StartRecovery" not in protected.names()


def test_a_wrong_password_of_a_script_is_not_tried_again(
    protected: ServedVault, run: Callable[..., None], tmp_path: Path
) -> None:
    with pytest.raises(WrongPassword):
        run("show-key", "--password-fd", "FD", typed="not the password at all\n")
    assert protected.names().count("StartRecovery") == 1
    assert "backup.key" not in kept_in(tmp_path / "home")


def test_what_the_vault_does_not_have_is_a_typed_error(
    protected: ServedVault, at_served: Callable[..., Device]
) -> None:
    active = ActiveKey(KEY_ID, 10, 10, NOW, None, None)
    with at_served().open() as session:
        assert recovering.require_key(session) == session.status
        session.status = active
        assert recovering.require_key(session) is active
        session.status = None
        with pytest.raises(NoKey):
            recovering.require_key(session)
        session.status = DestroyedKey(NOW, "attempt_limit")
        with pytest.raises(KeyDestroyed) as destroyed:
            recovering.require_key(session)
        assert not isinstance(destroyed.value, recovering.DestroyedButKept)
    assert "StartRecovery" not in protected.names()


def test_a_registration_is_named_by_its_key_id() -> None:
    one = ActiveKey(KEY_ID, 10, 10, NOW, None, None)
    same = ActiveKey(KEY_ID, 10, 3, NOW, None, None)
    other = ActiveKey(b"o" * 16, 10, 10, NOW, None, None)
    named = recovering.registration_of
    assert named(one) == named(same)
    assert named(one) != named(other)
    assert named(None) != named(DestroyedKey(NOW, "attempt_limit")) != named(one)


def test_a_reason_names_the_file() -> None:
    assert recovering.reason_of(OSError(28, "No space left", "/x")) == "/x: No space left"
    assert recovering.reason_of(OSError("odd")) == "odd"
    assert recovering.reason_of(NoKey()) == str(NoKey())
