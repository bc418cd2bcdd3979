"""What a device knows before it asks a vault: options, profiles, and whose key is meant."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

import pytest
from lying_vault import KEY, KEY_ID, PASSWORD

from strongroom import AccountMismatch, BackupKey
from strongroom.cli.connecting import InviteAsAddress, SeveralAccounts, TwoTokenSources
from strongroom.cli.profile import profiles
from strongroom.cli.profile.profiles import DESTROYED, NONE, Profile
from strongroom.cli.profile.slots import FileSlots
from strongroom.cli.profile.stored_keys import StoredKey, StoredKeys
from strongroom.cli.token_command import BadTokenCommand
from strongroom.identity import decode_identity
from strongroom.requests import DestroyedKey
from strongroom_protocol.addresses import BadAddress
from strongroom_protocol.invite import BadInvite, Invite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from served_vault import ServedVault

    from strongroom.cli.device import Device

IDENTITY = "Aytld0ZOuqnrXJIXYOEUbz7TqralPQF7X8IcwG_kqDqe"
INVITE = Invite("vault.example:7443", "vault.example", decode_identity(IDENTITY)).encode()


def keep(
    home: Path,
    account: str,
    *,
    vault: str = "vault.example:7443",
    file: str = "",
    command: str = "",
) -> StoredKey:
    """Make the home know an account, where its access tokens come from, and keep a key for it."""
    known = Profile(vault, IDENTITY, account, access_token_file=file, access_token_command=command)
    place = profiles.place_of(home, known)
    profiles.save_place(profiles.Place(place.folder, place.profile, is_proven=True))
    kept = StoredKey(BackupKey.generate(), os.urandom(16))
    StoredKeys(FileSlots(place.folder)).save_current(kept)
    return kept


@pytest.mark.parametrize(
    ("options", "kind", "sentence"),
    [
        ({"vault": INVITE}, InviteAsAddress, "this is an invite"),
        ({"vault": "a b"}, BadAddress, "not the address"),
        ({"invite": "strongroom1aaaa"}, BadInvite, "not a whole invite"),
        ({"invite": INVITE, "vault": "other.example:1"}, BadInvite, "--vault says other"),
        ({"invite": INVITE, "identity": "A" * 44}, BadInvite, "--identity says AAAA"),
        ({"access_token_command": "'x"}, BadTokenCommand, "cannot be read"),
        ({"access_token_command": "x", "access_token_file": "y"}, TwoTokenSources, "Both"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_at_once(
    device_of: Callable[..., Device],
    options: dict[str, str],
    kind: type[Exception],
    sentence: str,
) -> None:
    with pytest.raises(kind, match=sentence) as refused:
        device_of(**options)
    assert refused.value.hint  # type: ignore[attr-defined]


def test_an_invite_names_address_and_identity(device_of: Callable[..., Device]) -> None:
    device = device_of(invite=INVITE, vault="VAULT.example:7443")
    assert (device.vault, device.identity) == ("vault.example:7443", IDENTITY)
    assert device_of().vault is None


def test_the_only_key_is_meant_or_that_of_the_named_account(
    device_of: Callable[..., Device], token_of: Callable[[str], str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    assert device_of().place_with_key() is None
    alices = keep(home, "alice")
    place = device_of().place_with_key()
    assert place is not None
    assert device_of().keys(place).current() == alices
    keep(home, "bob", vault="vault.example:7443")
    with pytest.raises(SeveralAccounts, match=r"alice at .*, bob at ") as refused:
        device_of().place_with_key()
    assert "--account" in refused.value.hint
    for options in ({"account": "bob"}, {"access_token_file": token_of("bob")}):
        place = device_of(**options).place_with_key()
        assert place is not None
        assert place.profile.account == "bob"


def test_a_key_is_not_used_by_whoever_signed_in_after_its_owner(
    device_of: Callable[..., Device], token_of: Callable[[str], str], tmp_path: Path
) -> None:
    keep(tmp_path / "home", "alice", file=token_of("bob"))
    with pytest.raises(AccountMismatch, match=r"for the account bob.* the key of alice"):
        device_of().place_with_key()
    (tmp_path / "token-of-bob").unlink()  # nobody is signed in: it is this device's
    assert device_of().place_with_key() is not None


def test_a_command_that_gives_no_token_runs_once(
    device_of: Callable[..., Device], tmp_path: Path
) -> None:
    program = f"open({str(tmp_path / 'runs')!r}, 'a').write('.'); raise SystemExit(3)"
    command = shlex.join([sys.executable, "-S", "-c", program])
    keep(tmp_path / "home", "alice", command=command)
    device = device_of(access_token_command=command)
    assert device.place_with_key() is not None  # stored keys need no token
    assert (tmp_path / "runs").read_text() == "."


def test_every_key_may_open_a_file_also_one_whose_profile_was_lost(
    device_of: Callable[..., Device], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    alices, bobs = keep(home, "alice"), keep(home, "bob")
    assert {key.digits for key in device_of().stored_keys()} == {
        alices.key.digits,
        bobs.key.digits,
    }
    assert device_of(account="bob").stored_keys() == [bobs.key]
    (home / profiles.PROFILE_FILE).unlink()
    assert alices.key in device_of().stored_keys()


def test_a_session_needs_the_token_of_the_named_account(
    protected: ServedVault, at_served: Callable[..., Device]
) -> None:
    with (
        pytest.raises(AccountMismatch, match="'alice', not for 'bob'"),
        at_served(account="bob").open(),
    ):
        pass
    assert protected.calls == []


def test_what_the_vault_has_is_noted_for_the_next_backup(
    protected: ServedVault, at_served: Callable[..., Device]
) -> None:
    with at_served().open() as session:
        session.require_storage()
        key = BackupKey(session.vault.recover(PASSWORD).to_bytes())
        session.save_current(StoredKey(key, KEY_ID), is_proven=True)
    (place,) = at_served().places
    assert (key, place.is_proven, place.profile.vault_has) == (BackupKey(KEY), True, "")
    device = at_served()
    assert device.check_vault(place) == place
    noted = device.record_status(place, None)
    assert noted.profile.vault_has == NONE
    assert at_served().places == (noted,)
    destroyed = DestroyedKey(protected.vault.GetKey(None).created_at, "x")  # type: ignore[arg-type, union-attr]
    assert device.record_status(place, destroyed).profile.vault_has == DESTROYED
    assert at_served().check_vault(at_served().places[0]).profile.vault_has == ""


def test_a_backup_does_not_wait_for_a_vault(
    protected: ServedVault, at_served: Callable[..., Device], tmp_path: Path
) -> None:
    keep(tmp_path / "home", "alice", vault=protected.address)
    device = at_served()
    (place,) = device.places
    assert device.check_vault(place) == place  # it is another one than the profile's
    assert at_served(ca_file=None).check_vault(place) == place  # it is not trusted
