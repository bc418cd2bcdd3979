"""What the command advises on the library's errors: its own command lines."""

from __future__ import annotations

import pytest

from strongroom import (
    AccessTokenExpired,
    KeyDestroyed,
    NoKey,
    NotABackup,
    OutputExists,
    RehearsalUnfinished,
    StrongroomError,
    UnreachableCause,
    VaultBusy,
    VaultUnreachable,
)
from strongroom.cli.backups import BackupExists
from strongroom.cli.connecting import UnknownAddress
from strongroom.cli.hints import hint_of
from strongroom.cli.recovering import DestroyedButKept


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (
            AccessTokenExpired(),
            "Get a new one (sign in again) and repeat the command. No attempt was used.",
        ),
        (
            KeyDestroyed(None, "attempt_limit"),
            (
                "The password opens nothing any more. Backups still open on a device that keeps the"
                " key, and with its 64 digits: strongroom restore --digits."
            ),
        ),
        (
            NoKey(),
            "If a backup was enabled, check the account and the vault; else enable it first.",
        ),
        (NotABackup(), "Give a file that `strongroom backup` made."),
        (OutputExists("chats.db"), "Name another file with --output, or remove this one."),
        (
            RehearsalUnfinished(b"k" * 16, VaultBusy()),
            "Run `strongroom rehearse`; until it succeeds rely on the 64-digit key alone.",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_command_line_takes_the_place_of_a_call(error: StrongroomError, hint: str) -> None:
    assert hint_of(error) == hint != error.hint


def test_an_untrusted_certificate_leads_to_the_option_and_names_the_proxy() -> None:
    error = VaultUnreachable()
    error.cause = UnreachableCause.CERTIFICATE_UNTRUSTED
    assert "--ca-file" in hint_of(error)
    error.proxy = "proxy.example:80 (https_proxy)"
    assert hint_of(error).endswith(f"through the proxy {error.proxy}.")


def test_what_the_error_itself_says_stands_where_there_is_no_command_line() -> None:
    error = VaultUnreachable()
    error.hint = "The hint of this one."
    assert hint_of(error) == "The hint of this one."
    assert hint_of(VaultBusy()) == VaultBusy.hint


@pytest.mark.parametrize(
    "error",
    [
        BackupExists("chats.db.age"),
        DestroyedButKept(None, "attempt_limit"),
        UnknownAddress(VaultUnreachable(), ""),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_the_command_refines_keeps_its_own_hint(error: StrongroomError) -> None:
    assert hint_of(error) == error.hint
