"""What options, environment and profiles say together, and the vault when it is met.

Everything local is looked at first. Who the vault is comes next: by its identity it is found among
the vaults that this device knows, whatever address it was called by.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from strongroom.account import account_of
from strongroom.cli.connecting import (
    SeveralAccounts,
    TwoTokenSources,
    UnknownAddress,
    check_identity,
    connect,
    kept_roots,
    kept_tokens,
    listed,
    target_of,
)
from strongroom.cli.profile import device_folder, profiles, slots
from strongroom.cli.profile.attempt_file import attempt_file
from strongroom.cli.profile.profiles import Place, Profile
from strongroom.cli.profile.slots import FileSlots, KeyringSlots, slots_of
from strongroom.cli.profile.stored_keys import StoredKeys
from strongroom.cli.progress import while_retrying
from strongroom.cli.screen import say
from strongroom.cli.sync_state import status_note, sync_state_of
from strongroom.cli.target import BadFile, NoAccessToken, Roots, Target, TokenSource
from strongroom.cli.token_command import TokenCommandFailed, token_command
from strongroom.cli.vault_session import VaultSession
from strongroom.errors import AccountMismatch, AccountUnknown, VaultUnreachable
from strongroom.identity import encode_identity
from strongroom_protocol.addresses import parse_address
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.invite import BadInvite, Invite, is_invite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from strongroom.backup_key import BackupKey
    from strongroom.cli.options import VaultOptions
    from strongroom.requests import KeyStatus
    from strongroom.vault import Vault

NO_TOKEN: Final = (AccountUnknown, NoAccessToken, BadFile, TokenCommandFailed, OSError)
"""Whoever has signed out has no access token."""
QUICK_TIMEOUT_S: Final = 2.0
"""Seconds that a command may wait for a vault that it does not need."""


@dataclass(frozen=True, slots=True)
class Device:
    """What is known before any vault is asked.

    Attributes:
        folder: the home.
        places: the accounts that this device knows.
        vault, identity, roots, tokens, key_store, account, invite: as the options name them, None
            or empty where they do not. An invite names the first two.
    """

    folder: Path
    places: tuple[Place, ...]
    vault: str | None
    identity: str | None
    roots: Roots
    tokens: TokenSource
    key_store: str | None
    account: str | None
    invite: Invite | None

    @classmethod
    def of(cls, options: VaultOptions) -> Device:
        """Read the home.

        Raises:
            HomeUnusable: a file or folder in it cannot be believed.
            BadAddress: --vault is none.
            BadInvite: --invite is none, or contradicts another option.
            BadTokenCommand: --access-token-command is none.
            TwoTokenSources: both a file and a command give access tokens.
        """
        folder = device_folder.home_folder(os.environ)
        invite = Invite.decode(options["invite"]) if options["invite"] else None
        if is_invite(options["vault"] or ""):
            raise BadInvite("--vault takes an address, and this is an invite: use --invite.")
        return cls(
            folder=folder,
            places=profiles.load_places(folder),
            vault=_agreed(
                "--vault",
                parse_address(options["vault"]) if options["vault"] else None,
                invite.address if invite else None,
            ),
            identity=_agreed(
                "--identity",
                options["identity"] or None,
                encode_identity(invite.identity) if invite else None,
            ),
            roots=Roots(file=options["ca_file"] or ""),
            tokens=_tokens(options),
            key_store=options["key_store"],
            account=options["account"] or None,
            invite=invite,
        )

    def place_with_key(self) -> Place | None:
        """Return the account whose kept key is meant, None where this device keeps none.

        The vault is asked who it is only if --vault names an address that is new to this device.

        Raises:
            SeveralAccounts: there are several, and nothing says which.
            UnknownAddress: --vault is new to this device, and does not answer.
            AccountMismatch: somebody else has signed in since.
        """
        meant, unanswered = self._matching()
        if unanswered is not None:
            known = listed(place.profile.vault for place in self.places)
            raise UnknownAddress(unanswered, f"This device knows vaults at {known} only.")
        place = _only(place for place in meant if self.keys(place).current() is not None)
        if place is not None and self._named_account() is None:
            _require_own_token(place.profile)
        return place

    def stored_keys(self) -> list[BackupKey]:
        """Return every key that this device keeps, of the named account if one is named.

        A file shows by itself which of them opens it, so the vault does not matter.
        """
        account = self._named_account()
        places = [place for place in self.places if account in (None, place.profile.account)]
        found = [kept.key for place in places for kept in self.keys(place).all_keys()]
        if not any(place.folder == self.folder for place in self.places):
            stray = StoredKeys(FileSlots(self.folder))  # a key whose profile was lost
            found += [kept.key for kept in stray.all_keys()]
        return found

    def keys(self, place: Place) -> StoredKeys:
        """Return where an account's keys are kept."""
        recorded = place.profile.key_store
        named = recorded if self.key_store in (None, "auto") else self.key_store
        if named == "auto":
            elsewhere = KeyringSlots(place.profile) if slots.has_keyring() else None
            return StoredKeys(FileSlots(place.folder), elsewhere)
        earlier = None if recorded in (named, "auto") else slots_of(recorded, place)
        return StoredKeys(slots_of(named, place), earlier)

    def check_vault(self, place: Place) -> Place:
        """Ask what the vault has, if that is possible at once; return the place as it is then."""
        try:
            with connect(self, target_of(self, place), timeout=QUICK_TIMEOUT_S) as vault:
                is_ours = place.is_of(vault.identity, vault.account)
                return self.record_status(place, vault.status()) if is_ours else place
        except (StrongroomError, OSError):
            return place  # a backup needs no vault

    def record_status(self, place: Place, found: KeyStatus) -> Place:
        """Keep in the profile what the vault has, where that is new."""
        keys = self.keys(place)
        news = status_note(found, sync_state_of(found, keys.current(), keys.pending()))
        profile = replace(place.profile, vault_has=news)
        try:
            return self.save(place, profile)
        except OSError as error:
            say(f"Note: what the vault said could not be kept here: {error.strerror}.")
            return replace(place, profile=profile)

    def save(self, place: Place, profile: Profile, *, is_proven: bool | None = None) -> Place:
        """Write a profile if it is not there as it is, or becomes a pin; return its place."""
        proven = place.is_proven if is_proven is None else is_proven
        changed = Place(place.folder, profile, proven)
        if changed != place or changed not in self.places:
            with device_folder.locked(self.folder):
                profiles.save_place(changed)
        return changed

    def _matching(self) -> tuple[list[Place], VaultUnreachable | None]:
        """Return the places that the options point to, and what came between, if that is unsure."""
        account = self._named_account()
        found = [place for place in self.places if account in (None, place.profile.account)]
        if self.vault is None or not found:
            return found, None
        if self.invite is not None:
            return [place for place in found if place.profile.identity == self.identity], None
        here = [place for place in found if place.profile.is_at(self.vault)]
        return (here, None) if here else self._at_new_address(found)

    def _at_new_address(self, places: list[Place]) -> tuple[list[Place], VaultUnreachable | None]:
        """Ask who is there: a vault of these places may be reached in a new way.

        Each of their ways to trust certificates is tried; it is good for its own vault alone.
        """
        ways = [self.roots] if self.roots else [Roots(), *map(kept_roots, places)]
        unanswered: VaultUnreachable | None = None
        answered = False
        for roots in dict.fromkeys(ways):
            target = replace(target_of(self, None), roots=roots)
            try:
                with connect(self, target, timeout=QUICK_TIMEOUT_S) as vault:
                    identity = vault.identity
            except VaultUnreachable as error:
                unanswered = unanswered or error
                continue
            answered = True
            found = [place for place in places if place.profile.identity == identity]
            if found:
                return found, None
        return [], None if answered else unanswered

    def _named_account(self) -> str | None:
        """The account of --account, or else of the access token that is named and can be read."""
        if self.account is not None:
            return self.account
        try:
            return account_of(self.tokens.read()) if self.tokens else None
        except NO_TOKEN:
            return None  # signed out: what is kept here needs no token

    @contextmanager
    def open(self) -> Iterator[VaultSession]:
        """Meet the vault, make sure who it is, and ask what it has for the account.

        Raises:
            WrongVault: it is not the one that it should be.
            StrongroomError: something local is not in order, or the vault refuses.
        """
        place = _only(self._matching()[0])
        target = target_of(self, place)
        account = target.account()
        if self.account not in (None, account):
            raise AccountMismatch(
                f"The access token is for the account {account!r}, not for {self.account!r}."
            )
        pending = attempt_file(self.folder, os.environ, lambda: vault.identity, account)
        with connect(self, target, pending=pending, retrying=while_retrying(say)) as vault:
            check_identity(self, vault, target)
            yield VaultSession(self, vault, target, self._place_in(vault, account, target))

    def _place_in(self, vault: Vault, account: str, target: Target) -> Place:
        profile = Profile(
            vault=target.address,
            identity=vault.identity,
            account=account,
            key_store=self.key_store or "auto",
        )
        place = profiles.place_of(self.folder, profile)
        known = replace(place.profile.at(target.address), vault_id=vault.info.vault_id)
        return replace(place, profile=known)


def _agreed(option: str, named: str | None, invited: str | None) -> str | None:
    """Return what an option says, or else the invite; they must not contradict each other."""
    if named is not None and invited is not None and named.strip() != invited:
        error = BadInvite(f"The invite says {invited}, and {option} says {named}.")
        error.hint = f"Leave out {option}, or the invite (--invite, STRONGROOM_INVITE)."
        raise error
    return named or invited


def _tokens(options: VaultOptions) -> TokenSource:
    found = TokenSource(options["access_token_file"] or "", options["access_token_command"] or "")
    if found.file and found.command:
        raise TwoTokenSources
    if found.command:
        token_command(found.command)  # says at once if it cannot be read
    return found


def _only(meant: Iterable[Place]) -> Place | None:
    """Return the one that is meant: of one account's, those count whose vault is proven."""
    places = list(meant)
    proven = {place.profile.account for place in places if place.is_proven}
    found = [place for place in places if place.is_proven or place.profile.account not in proven]
    if len(found) > 1:
        names = listed(f"{place.profile.account} at {place.profile.vault}" for place in found)
        raise SeveralAccounts(f"This device knows several accounts: {names}.")
    return found[0] if found else None


def _require_own_token(profile: Profile) -> None:
    """Where somebody else signed in meanwhile, the key of the one before is not theirs to use."""
    tokens = kept_tokens(profile)
    try:
        account = account_of(tokens.read())
    except NO_TOKEN:
        return  # signed out: the key is still this device's
    if account != profile.account:
        raise AccountMismatch(
            f"The access token of {tokens} is for the account {account}, and"
            f" this device keeps the key of {profile.account}; name one with --account."
        )
