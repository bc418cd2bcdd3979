"""What options, environment and profiles say together, and the vault when it is met.

Everything local is looked at first. Who the vault is comes next: by its identity it is found among
the vaults that this device knows, whatever address it was called by.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from strongroom import asking, home, kept_keys, profiles
from strongroom.account import account_of
from strongroom.addresses import normalised
from strongroom.asking import say
from strongroom.errors import (
    AccountMismatch,
    AccountUnknown,
    StrongroomError,
    VaultUnreachable,
    WrongVault,
)
from strongroom.kept_keys import (
    FileSlots,
    KeptKey,
    KeptKeys,
    KeyNotKept,
    KeyringSlots,
    KeyringUnusable,
)
from strongroom.pending_file import pending_file
from strongroom.profiles import Place, Profile
from strongroom.standing import Standing, news_of, standing_of
from strongroom.stretching import Stretching, require_address_space
from strongroom.vault import Vault
from strongroom.waiting import while_stretching

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from strongroom.backup_key import BackupKey
    from strongroom.calls import KeyStatus
    from strongroom.kept_keys import Slots
    from strongroom.pending_file import PendingFile

GLANCE_S: Final = 2.0
"""Seconds that a command may wait for a vault that it does not need."""
MAX_TOKEN: Final = 64 * 1024
MAX_CA_FILE: Final = 4 * 1024 * 1024
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"


class NotEnabled(StrongroomError):
    """This device knows no vault."""

    sentence = "This device knows no vault yet."
    hint = "Run `strongroom enable`, or name the vault with --vault."


class SeveralAccounts(StrongroomError):
    """This device knows several, and nothing says which is meant."""

    hint = "Name one: --account NAME, --vault HOST:PORT, or its --access-token-file."


class NoAccessToken(StrongroomError):
    """There is no access token."""

    sentence = "There is no access token."
    hint = "Name its file with --access-token-file, or in STRONGROOM_ACCESS_TOKEN_FILE."


class UnknownAddress(VaultUnreachable):
    """An address is new to this device, and nobody is there to say which vault it is."""

    hint = "Check the address in --vault or STRONGROOM_VAULT."


class BadFile(StrongroomError):
    """A file that an option names cannot be used."""

    hint = "Check the name of the file."


@dataclass(frozen=True, slots=True)
class Device:
    """What is known before any vault is asked.

    Attributes:
        folder: the home.
        places: the accounts that this device knows.
        vault, identity, ca_file, access_token_file, key_store, account: as the options name them,
            None or empty where they do not.
    """

    folder: Path
    places: tuple[Place, ...]
    vault: str | None
    identity: str | None
    ca_file: str
    access_token_file: str
    key_store: str | None
    account: str | None

    @classmethod
    def of(cls, options: dict[str, Any]) -> Device:
        """Read the home.

        Raises:
            HomeUnusable: a file or folder in it cannot be believed.
            BadAddress: --vault is none.
        """
        folder = home.home_folder(os.environ)
        return cls(
            folder=folder,
            places=profiles.load_places(folder),
            vault=normalised(options["vault"]) if options["vault"] else None,
            identity=options["identity"] or None,
            ca_file=options["ca_file"] or "",
            access_token_file=options["access_token_file"] or "",
            key_store=options["key_store"],
            account=options["account"] or None,
        )

    # Without a vault

    def kept_place(self) -> Place | None:
        """Return the account whose kept key is meant, None where this device keeps none.

        The vault is asked who it is only if --vault names an address that is new to this device.

        Raises:
            SeveralAccounts: there are several, and nothing says which.
            UnknownAddress: --vault is new to this device, and does not answer.
            AccountMismatch: somebody else has signed in since.
        """
        meant, is_sure = self._meant()
        if not is_sure:
            known = _listed(place.profile.vault for place in self.places)
            raise UnknownAddress(
                f"{self.vault} does not answer, and this device knows vaults at {known} only."
            )
        place = _only(place for place in meant if self.keys(place).current() is not None)
        if place is not None and self._named_account() is None:
            _require_own_token(place.profile)
        return place

    def kept_keys(self) -> list[BackupKey]:
        """Return every key that this device keeps, of the named account if one is named.

        A file shows by itself which of them opens it, so the vault does not matter.
        """
        account = self._named_account()
        places = [place for place in self.places if account in (None, place.profile.account)]
        found = [kept.key for place in places for kept in self.keys(place).every()]
        if not any(place.folder == self.folder for place in self.places):
            stray = KeptKeys(FileSlots(self.folder))  # a key whose profile was lost
            found += [kept.key for kept in stray.every()]
        return found

    def keys(self, place: Place) -> KeptKeys:
        """Return where an account's keys are kept."""
        recorded = place.profile.key_store
        named = recorded if self.key_store in (None, "auto") else self.key_store
        if named == "auto":
            elsewhere = KeyringSlots(place.profile) if kept_keys.has_keyring() else None
            return KeptKeys(FileSlots(place.folder), elsewhere)
        earlier = None if recorded in (named, "auto") else _slots(recorded, place)
        return KeptKeys(_slots(named, place), earlier)

    def glance(self, place: Place) -> Place:
        """Ask what the vault has, if that is possible at once; return the place as it is then."""
        try:
            with self._connect(self._target(place), timeout=GLANCE_S) as vault:
                is_ours = place.is_of(vault.identity, vault.account)
                return self.remember(place, vault.status()) if is_ours else place
        except (StrongroomError, OSError):
            return place  # a backup needs no vault

    def remember(self, place: Place, found: KeyStatus) -> Place:
        """Keep in the profile what the vault has, where that is new."""
        keys = self.keys(place)
        news = news_of(found, standing_of(found, keys.current(), keys.pending()))
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
            with home.locked(self.folder):
                profiles.save_place(changed)
        return changed

    def _meant(self) -> tuple[list[Place], bool]:
        """Return the places that the options point to, and whether that is known for sure."""
        account = self._named_account()
        found = [place for place in self.places if account in (None, place.profile.account)]
        if self.vault is None or not found:
            return found, True
        here = [place for place in found if place.profile.is_at(self.vault)]
        return (here, True) if here else self._at_new_address(found)

    def _at_new_address(self, places: list[Place]) -> tuple[list[Place], bool]:
        """Ask who is there: a vault of these places may be reached in a new way.

        Each of their ways to trust certificates is tried; it is good for its own vault alone.
        """
        ways = [self.ca_file] if self.ca_file else ["", *(p.profile.ca_file for p in places)]
        answered = False
        for ca_file in dict.fromkeys(ways):
            target = replace(self._target(None), ca_file=ca_file)
            try:
                with self._connect(target, timeout=GLANCE_S) as vault:
                    identity = vault.identity
            except VaultUnreachable:
                continue
            answered = True
            found = [place for place in places if place.profile.identity == identity]
            if found:
                return found, True
        return [], answered

    def _named_account(self) -> str | None:
        """The account of --account, or else of the access token that is named and can be read."""
        if self.account is not None:
            return self.account
        try:
            return account_of(_token(self.access_token_file)) if self.access_token_file else None
        except (AccountUnknown, NoAccessToken, BadFile, OSError):
            return None  # signed out: what is kept here needs no token

    # With a vault

    @contextmanager
    def meet(self) -> Iterator[Contact]:
        """Meet the vault, make sure who it is, and ask what it has for the account.

        Raises:
            WrongVault: it is not the one that it should be.
            StrongroomError: something local is not in order, or the vault refuses.
        """
        place = _only(self._meant()[0])
        target = self._target(place)
        account = target.account()
        if self.account not in (None, account):
            raise AccountMismatch(
                f"The access token is for the account {account!r}, not for {self.account!r}."
            )
        pending = pending_file(self.folder, os.environ, target.address, account)
        with self._connect(target, pending=pending) as vault:
            self._recognise(vault, target)
            yield Contact(self, vault, target, self._place_in(vault, account, target))

    def _target(self, place: Place | None) -> _Target:
        address = self.vault or (place.profile.vault if place else None)
        if address is None:
            known = {normalised(other.profile.vault) for other in self.places}
            if len(known) > 1:
                raise SeveralAccounts(f"This device knows several vaults: {_listed(known)}.")
            address = next(iter(known), None)
        if address is None:
            raise NotEnabled
        address = normalised(address)
        there = [other for other in self.places if other.profile.is_at(address)]
        ca_files = (other.profile.ca_file for other in (*([place] if place else ()), *there))
        token_file = self.access_token_file or (place.profile.access_token_file if place else "")
        return _Target(
            address=address,
            ca_file=self.ca_file or next(filter(None, ca_files), ""),
            access_token_file=token_file,
            pins=frozenset(other.profile.identity for other in there if other.is_proven),
        )

    def _connect(
        self, target: _Target, timeout: float = 30.0, pending: PendingFile | None = None
    ) -> Vault:
        require_address_space()
        pin = self.identity or (next(iter(target.pins)) if len(target.pins) == 1 else None)
        return Vault.connect(
            target.address,
            access_token=target.access_token,
            identity=pin,
            ca_certificates=_ca_certificates(target.ca_file),
            timeout=timeout,
            pending=pending,
            stretching=Stretching(watch=while_stretching),
        )

    def _recognise(self, vault: Vault, target: _Target) -> None:
        """Compare the vault with those that this device knows; say so if it is a new one."""
        identity, vault_id = vault.identity, vault.info.vault_id
        known = {place.profile.identity: place.profile for place in self.places if place.is_proven}
        if self.identity is None and target.pins and identity not in target.pins:
            raise WrongVault
        if identity in known:
            if known[identity].vault_id not in ("", vault_id):
                raise WrongVault(
                    f"This vault calls itself {vault_id}; this device knows it as"
                    f" {known[identity].vault_id}."
                )
            return
        if self.identity is not None:
            return
        say(f"First contact. The vault's identity is {identity}")
        if known:
            others = _listed({profile.vault for profile in known.values()})
            say(f"It is none of the vaults that this device knows: {others}.")
        same_name = [p.vault for p in known.values() if p.vault_id == vault_id]
        if same_name:
            say(
                f"WARNING: It calls itself {vault_id}, as the one at {_listed(same_name)} does, and"
                " is another one.\nIf you did not expect another vault, stop here and ask its"
                " operator. To be sure, name its identity: --identity."
            )
            asking.confirm("Go on with this vault?")

    def _place_in(self, vault: Vault, account: str, target: _Target) -> Place:
        profile = Profile(
            vault=target.address,
            identity=vault.identity,
            account=account,
            key_store=self.key_store or "auto",
        )
        place = profiles.place_of(self.folder, profile)
        known = replace(place.profile.at(target.address), vault_id=vault.info.vault_id)
        return replace(place, profile=known)


@dataclass(frozen=True, slots=True)
class _Target:
    """Which address to call, and how.

    Attributes:
        pins: the identities that this device knows there.
    """

    address: str
    ca_file: str
    access_token_file: str
    pins: frozenset[str]

    def access_token(self) -> str:
        """Return the access token as it is in its file now."""
        return _token(self.access_token_file)

    def account(self) -> str:
        """Return whom the access token is for; one that says nothing of it is not sent."""
        try:
            return account_of(self.access_token())
        except AccountUnknown:
            raise AccountUnknown(
                f"A vault does not accept the access token in {self.access_token_file}: it names no"
                " account."
            ) from None


class Contact:
    """A vault that was met, and what this device and it have of the account's keys."""

    def __init__(self, device: Device, vault: Vault, target: _Target, place: Place) -> None:
        self.device = device
        self.vault = vault
        self.place = place
        self._target = target
        self.found = vault.status()
        self.keys = device.keys(place)
        self.current = self.keys.current()
        self.pending = self.keys.pending()
        self.standing = standing_of(self.found, self.current, self.pending)
        self._remember()

    @property
    def address(self) -> str:
        """Where the vault was met."""
        return self._target.address

    def require_storage(self) -> None:
        """Prove that a key can be kept here. Called before a person types a password.

        Raises:
            HomeNotWritable, KeyringUnusable, KeyNotKept: it cannot.
        """
        home.prove_writable(self.device.folder)
        home.prove_writable(self.place.folder)
        if self.place.profile.key_store == "auto":
            self._choose_store()
        else:
            self.keys.slots.prove()
        with home.locked(self.device.folder):
            self.keys.move()
        self.place = replace(
            self.place, profile=replace(self.place.profile, key_store=self.keys.slots.name)
        )
        if self.current is not None or self.pending is not None:
            self.place = self.device.save(self.place, self.place.profile)

    def expect(self, kept: KeptKey) -> None:
        """Keep a key that the vault is about to get."""
        with home.locked(self.device.folder):
            self._take_place()
            if not self.place.is_proven:
                profiles.save_place(self.place)
            self.keys.expect(kept)
        self.pending = kept

    def keep_pending(self, *, is_proven: bool) -> None:
        """The vault has the pending key: make it the current one."""
        if self.pending is None:
            raise RuntimeError("nothing is pending")
        self.keep(self.pending, is_proven=is_proven)

    def keep(self, kept: KeptKey, *, is_proven: bool) -> None:
        """Make a key the current one, and the vault's identity a pin if it is proven now."""
        profile = replace(
            self.place.profile,
            vault_has="",
            key_store=self.keys.slots.name,
            ca_file=_absolute(self._target.ca_file),
            access_token_file=_absolute(self._target.access_token_file),
        )
        with home.locked(self.device.folder):
            self._take_place()
            place = Place(self.place.folder, profile, is_proven=is_proven or self.place.is_proven)
            if not self.place.is_proven:
                profiles.save_place(replace(place, is_proven=False))  # whose key it is
            self.keys.keep(kept)
            profiles.save_place(place)
        self.place, self.current, self.pending = place, kept, None
        self.standing = Standing.IN_STEP

    def _take_place(self) -> None:
        """Under the lock: another command may have taken the place that was free for this one."""
        if self.place.is_proven:
            return
        folder = profiles.place_of(self.device.folder, self.place.profile).folder
        if folder != self.place.folder:
            self.place = replace(self.place, folder=folder)
            if isinstance(self.keys.slots, FileSlots):
                self.keys = KeptKeys(FileSlots(folder))

    def proved(self) -> None:
        """The vault has proved its identity: pin it."""
        self.place = self.device.save(self.place, self.place.profile, is_proven=True)

    def look_again(self) -> KeyStatus:
        """Ask the vault once more what it has."""
        self.found = self.vault.status()
        self.standing = standing_of(self.found, self.current, self.pending)
        self._remember()
        return self.found

    def _remember(self) -> None:
        """What is learnt outlives this command, where something is kept that it concerns."""
        if self.current is not None or self.pending is not None:
            self.place = self.device.remember(self.place, self.found)

    def _choose_store(self) -> None:
        """The keyring if it keeps what it is given, else a file."""
        slots: Slots = FileSlots(self.place.folder)
        if kept_keys.has_keyring():
            ring = KeyringSlots(self.place.profile)
            try:
                ring.prove()
            except (KeyringUnusable, KeyNotKept) as error:
                say(f"{error} The key will be kept in a file that only you can read.")
            else:
                self.keys = KeptKeys(ring, earlier=slots)
                return
        slots.prove()
        self.keys = KeptKeys(slots, earlier=self.keys.earlier)


def _slots(kind: str, place: Place) -> Slots:
    if kind == "keyring":
        return KeyringSlots(place.profile)
    return FileSlots(place.folder)


def _only(meant: Iterable[Place]) -> Place | None:
    """Return the one that is meant: of one account's, those count whose vault is proven."""
    places = list(meant)
    proven = {place.profile.account for place in places if place.is_proven}
    found = [place for place in places if place.is_proven or place.profile.account not in proven]
    if len(found) > 1:
        listed = _listed(f"{place.profile.account} at {place.profile.vault}" for place in found)
        raise SeveralAccounts(f"This device knows several accounts: {listed}.")
    return found[0] if found else None


def _require_own_token(profile: Profile) -> None:
    """Where somebody else signed in meanwhile, the key of the one before is not theirs to use."""
    try:
        account = account_of(_token(profile.access_token_file))
    except (AccountUnknown, NoAccessToken, BadFile, OSError):
        return  # signed out: the key is still this device's
    if account != profile.account:
        raise AccountMismatch(
            f"The access token in {profile.access_token_file} is for the account {account}, and"
            f" this device keeps the key of {profile.account}; name one with --account."
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _token(path: str) -> str:
    if not path:
        raise NoAccessToken
    text = _read_named(path, MAX_TOKEN).strip()
    if not text:
        raise BadFile(f"{path}: there is no access token in this file.")
    if not text.isascii() or not text.decode("ascii").isprintable() or b" " in text:
        raise BadFile(f"{path}: this is no access token.")
    return text.decode("ascii")


def _ca_certificates(path: str) -> bytes | None:
    if not path:
        return None
    text = _read_named(path, MAX_CA_FILE)
    if _CERTIFICATE not in text:
        raise BadFile(f"{path}: there is no PEM certificate in this file.")
    return text


def _read_named(path: str, limit: int) -> bytes:
    """Read a file that an option names, with an end to what it may hold."""
    with Path(path).open("rb") as file:
        text = file.read(limit + 1)
    if len(text) > limit:
        raise BadFile(f"{path}: this file is too large to be what it should be.")
    return text


def _absolute(path: str) -> str:
    """Return a path as a profile keeps it: not at all if it is no text, for TOML is."""
    absolute = str(Path(path).absolute()) if path else ""
    return absolute if absolute.isprintable() else ""
