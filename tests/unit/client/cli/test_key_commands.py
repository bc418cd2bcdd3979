"""The commands for the key and its password: what they show and what they pass on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from lying_vault import KEY, PASSWORD

from strongroom import BackupKey
from strongroom.cli.descriptors import BadDescriptor

if TYPE_CHECKING:
    from collections.abc import Callable

    from served_vault import ServedVault

NEW = "nine white owls over two barns"


def test_the_status_of_a_vault_and_this_device(
    protected: ServedVault, run: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    run("status")
    rows = dict(line.split(maxsplit=1) for line in capfd.readouterr().out.splitlines())
    assert rows == {
        "vault": f"{protected.address} (vault.test)",
        "identity": rows["identity"],
        "account": "alice",
        "key": "protected since 2026-01-01 at 00:00 UTC, 10 of 10 attempts left",
        "here": "no key",
    }
    run("show-key", "--password-fd", "FD", typed=PASSWORD)
    capfd.readouterr()
    run("status")
    assert "this device has the key\n" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("left", "warned"),
    [(2, False), (1, True), (0, True)],
)
def test_the_last_attempt_is_warned_of(
    protected: ServedVault,
    run: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
    left: int,
    warned: bool,  # noqa: FBT001
) -> None:
    protected.vault.lies = {"GetKey": lambda found: replace(found, attempts_left=left)}
    run("status")
    assert ("WARNING" in capfd.readouterr().err) == warned


def test_the_key_is_shown_in_both_ways(
    protected: ServedVault, run: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    run("show-key", "--password-fd", "FD", typed=PASSWORD)
    key = BackupKey(KEY)
    assert capfd.readouterr().out == f"{key.digits}\n"
    run("show-key", "--age")
    assert capfd.readouterr().out == f"{key.age_identity}\n"
    run("show-key", "--old")
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "This device keeps no older keys.\n")
    assert protected.names().count("StartRecovery") == 1


def test_two_passwords_of_one_descriptor_are_the_old_one_and_the_new_one(
    protected: ServedVault, run: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """The new one is the second line on a device that does not need the old one, too."""
    run("show-key", "--password-fd", "FD", typed=PASSWORD)
    run(
        "change-password", "--password-fd", "FD", "--new-password-fd", "FD",
        typed=f"{PASSWORD}\n{NEW}\n",
    )  # fmt: skip
    assert "the password was not needed" in capfd.readouterr().err
    run("rehearse", "--password-fd", "FD", typed=NEW)
    assert "Good" in capfd.readouterr().err
    assert protected.vault.record is not None


@pytest.mark.parametrize(
    "arguments",
    [
        ("enable", "--password-fd", "987"),
        ("show-key", "--password-fd", "987"),
        ("rehearse", "--password-fd", "987"),
        ("change-password", "--password-fd", "987"),
        ("change-password", "--new-password-fd", "987"),
    ],
)
def test_a_descriptor_that_is_not_open_is_said_before_the_vault_is_asked(
    protected: ServedVault, run: Callable[..., None], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(BadDescriptor, match="987 is not open"):
        run(*arguments)
    assert protected.calls == []
