"""Which vaults and accounts a device knows: a profile for each, in a folder of its own.

A vault is known by its identity, wherever it is reached. A profile is a pin: it is written when the
vault has proved its identity (clause 4.3 of the protocol). Until then the same file is called
unproven.toml and pins nothing.

The first account's folder is the home itself, as in versions that knew only one; others have
folders under accounts/.
"""

from __future__ import annotations

import tomllib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from strongroom import drafts
from strongroom.cli.profile import device_folder
from strongroom.cli.profile.device_folder import HomeUnusable
from strongroom_protocol.addresses import BadAddress, normalised, pinned_as
from strongroom_protocol.opaque.errors import OpaqueError
from strongroom_protocol.opaque.group import Element

if TYPE_CHECKING:
    from pathlib import Path

PROFILE_FILE: Final = "profile.toml"
UNPROVEN_FILE: Final = "unproven.toml"
ACCOUNTS: Final = "accounts"
KEY_FILE: Final = "backup.key"
PENDING_FILE: Final = "pending.key"
OLD_FILE: Final = "old.keys"
KEY_STORES: Final = ("auto", "keyring", "file")

NOTHING_NEW: Final = ""
NONE: Final = "none"
DESTROYED: Final = "destroyed"


@dataclass(frozen=True, slots=True)
class Profile:
    """One account in one vault.

    Attributes:
        vault: host:port, as first given.
        identity: 44 characters, the vault's identity.
        account: as the access token names it.
        ca_file: PEM with the roots to trust; empty for gRPC's own.
        ca_certificate: the PEM with an invite's fingerprint; empty without an invite.
        access_token_file: read again each time.
        access_token_command: run if no file is named.
        key_store: where the backup key is: `keyring` or `file`.
        vault_id: what the vault calls itself; empty in profiles of earlier versions.
        also_at: other addresses where the vault was reached.
        vault_has: what the vault had when last asked, if not this device's key: another key's id
            in hexadecimal, "none" or "destroyed"; else empty.
    """

    vault: str
    identity: str
    account: str
    ca_file: str = ""
    access_token_file: str = ""
    key_store: str = "file"
    vault_id: str = ""
    also_at: tuple[str, ...] = ()
    vault_has: str = NOTHING_NEW
    ca_certificate: str = ""
    access_token_command: str = ""

    def is_at(self, address: str) -> bool:
        """Whether the vault was reached at this address, in whatever notation."""
        known = (pinned_as(normalised(one)) for one in (self.vault, *self.also_at))
        return pinned_as(normalised(address)) in known

    def at(self, address: str) -> Profile:
        """Return the profile with one more address of the vault."""
        if self.is_at(address):
            return self
        return replace(self, also_at=(*self.also_at, normalised(address)))


@dataclass(frozen=True, slots=True)
class Place:
    """Where one account's profile and keys are.

    Attributes:
        folder: the home or a folder under accounts/.
        profile: what is, or will be, in it.
        is_proven: whether the profile is a pin.
    """

    folder: Path
    profile: Profile
    is_proven: bool

    def is_of(self, identity: str, account: str) -> bool:
        """Whether this is the place of an account in a vault."""
        return (self.profile.identity, self.profile.account) == (identity, account)


def load_places(folder: Path) -> tuple[Place, ...]:
    """Return all places of a home.

    Raises:
        HomeUnusable: a folder or file in it cannot be trusted; none is used then.
    """
    device_folder.check_folder(folder)
    accounts = folder / ACCOUNTS
    device_folder.check_folder(accounts)
    try:
        others = sorted(other for other in accounts.iterdir() if other.is_dir())
    except FileNotFoundError:
        others = []
    except OSError as error:
        raise HomeUnusable(f"The folder {accounts} cannot be read: {error.strerror}.") from error
    found = (_load_place(place) for place in (folder, *others))
    return tuple(place for place in found if place is not None)


def place_of(folder: Path, profile: Profile) -> Place:
    """Return the place of the profile's account, or a free one. Writes nothing."""
    for place in load_places(folder):
        if place.is_of(profile.identity, profile.account):
            return place
    ours = (PROFILE_FILE, UNPROVEN_FILE, KEY_FILE, PENDING_FILE, OLD_FILE)
    if not any((folder / name).exists() for name in ours):
        return Place(folder, profile, is_proven=False)
    name = sha256(f"{profile.identity} {profile.account}".encode()).hexdigest()[:32]
    return Place(folder / ACCOUNTS / name, profile, is_proven=False)


def save_place(place: Place) -> None:
    """Write a place's profile, as a pin if it is proven."""
    name = PROFILE_FILE if place.is_proven else UNPROVEN_FILE
    device_folder.write_private(place.folder / name, tomlkit.dumps(asdict(place.profile)))
    if place.is_proven:
        drafts.remove(place.folder / UNPROVEN_FILE)


def _load_place(folder: Path) -> Place | None:
    device_folder.check_folder(folder)
    for name, is_proven in ((PROFILE_FILE, True), (UNPROVEN_FILE, False)):
        text = device_folder.read_private(folder / name, is_secret=False)
        if text is not None:
            return Place(folder, _parse(folder / name, text), is_proven)
    return None


def _parse(path: Path, text: str) -> Profile:
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers too long, brackets too deep
        raise HomeUnusable(f"The profile {path} cannot be read: {error}.") from error
    strange = _strange(table)
    if strange:
        raise HomeUnusable(f"The profile {path} cannot be used: {strange}.")
    if "also_at" in table:
        table["also_at"] = tuple(table["also_at"])
    return Profile(**table)


def _strange(table: dict[str, Any]) -> str:
    """Return what is wrong with a profile, empty if nothing is."""
    names = {field.name for field in fields(Profile)}
    if unknown := table.keys() - names:
        return f"it has {min(unknown)!r}, which this version does not know"
    if missing := {"vault", "identity", "account"} - table.keys():
        return f"it has no {min(missing)!r}"
    for name, value in table.items():
        is_good = _is_list(value) if name == "also_at" else isinstance(value, str)
        if not is_good:
            return f"its {name!r} has the wrong type"
    return _strange_text(table)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _strange_text(table: dict[str, Any]) -> str:
    try:
        for address in (table["vault"], *table.get("also_at", ())):
            normalised(address)
    except BadAddress as error:
        return str(error).rstrip(".")
    if not is_identity(table["identity"]):
        return "its 'identity' is not the identity of a vault"
    if not table["account"]:
        return "its 'account' is empty"
    if table.get("key_store", "file") not in KEY_STORES:
        return f"its 'key_store' is {table['key_store']!r}"
    return ""


def is_identity(text: str) -> bool:
    """Whether this is 44 characters that encode a point of P-256 (clause 1.6)."""
    try:
        encoded = urlsafe_b64decode(text)
        Element.decode(encoded)
    except (Base64Error, ValueError, OpaqueError):
        return False
    return urlsafe_b64encode(encoded).decode() == text
