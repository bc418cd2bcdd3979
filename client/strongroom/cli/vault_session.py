"""A session with a vault: what the vault and this device hold of an account's keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.cli.profile import device_folder, profiles
from strongroom.cli.profile.profiles import Place
from strongroom.cli.profile.slots import (
    FileSlots,
    KeyNotKept,
    KeyringSlots,
    KeyringUnusable,
    has_keyring,
)
from strongroom.cli.profile.stored_keys import StoredKey, StoredKeys
from strongroom.cli.screen import say
from strongroom.cli.sync_state import SyncState, sync_state_of
from strongroom.cli.token_command import portable

if TYPE_CHECKING:
    from strongroom.cli.device import Device
    from strongroom.cli.profile.profiles import Profile
    from strongroom.cli.profile.slots import Slots
    from strongroom.cli.progress import Patience
    from strongroom.cli.target import Target
    from strongroom.requests import KeyStatus
    from strongroom.vault import Vault


class VaultSession:
    """A session with a vault: what it and this device hold of the account's keys.

    Attributes:
        status: what the vault said last.
        current, pending: the account's keys on this device.
        state: how these compare.
        patience: the context of whatever waits for the vault.
    """

    def __init__(
        self, device: Device, vault: Vault, target: Target, place: Place, patience: Patience
    ) -> None:
        self.device = device
        self.vault = vault
        self.place = place
        self._target = target
        self.patience = patience
        with patience:
            self.status = vault.status()
        self.keys = device.keys(place)
        self.current = self.keys.current()
        self.pending = self.keys.pending()
        self.state = sync_state_of(self.status, self.current, self.pending)
        self._record_status()

    @property
    def address(self) -> str:
        """Where the vault was reached."""
        return self._target.address

    def require_storage(self) -> None:
        """Prove that a key can be stored here. Called before a person types a password.

        Raises:
            HomeNotWritable, KeyringUnusable, KeyNotKept: it cannot.
        """
        device_folder.prove_writable(self.device.folder)
        device_folder.prove_writable(self.place.folder)
        if self.place.profile.key_store == "auto":
            self._choose_store()
        else:
            self.keys.slots.prove()
        with device_folder.locked(self.device.folder):
            self.keys.migrate()
        self.place = replace(
            self.place, profile=replace(self.place.profile, key_store=self.keys.slots.name)
        )
        if self.current is not None or self.pending is not None:
            self.place = self.device.save(self.place, self.place.profile)

    def save_pending(self, kept: StoredKey) -> None:
        """Store a key that the vault is about to get."""
        with device_folder.locked(self.device.folder):
            self._take_place()
            if not self.place.is_proven:
                profiles.save_place(self.place)
            self.keys.save_pending(kept)
        self.pending = kept

    def promote_pending(self, *, is_proven: bool) -> None:
        """Make the pending key the current one: the vault has it."""
        if self.pending is None:
            raise RuntimeError("nothing is pending")
        self.save_current(self.pending, is_proven=is_proven)

    def save_current(self, kept: StoredKey, *, is_proven: bool) -> None:
        """Make a key the current one; pin the vault's identity if it is proven now."""
        profile = replace(
            self._way_to(self.place.profile),
            vault_has="",
            key_store=self.keys.slots.name,
        )
        with device_folder.locked(self.device.folder):
            self._take_place()
            place = Place(self.place.folder, profile, is_proven=is_proven or self.place.is_proven)
            if not self.place.is_proven:
                # Before the key, so that a cut leaves no key without its account.
                profiles.save_place(replace(place, is_proven=False))
            self.keys.save_current(kept)
            profiles.save_place(place)
        self.place, self.current, self.pending = place, kept, None
        self.state = SyncState.IN_SYNC

    def _take_place(self) -> None:
        """Choose the folder again, under the lock: another command may have taken this one."""
        if self.place.is_proven:
            return
        folder = profiles.place_of(self.device.folder, self.place.profile).folder
        if folder != self.place.folder:
            self.place = replace(self.place, folder=folder)
            if isinstance(self.keys.slots, FileSlots):
                self.keys = StoredKeys(FileSlots(folder))

    def pin_identity(self) -> None:
        """Pin the vault's identity, which it has proved."""
        self.place = self.device.save(self.place, self._way_to(self.place.profile), is_proven=True)

    def _way_to(self, profile: Profile) -> Profile:
        """Return the profile with the certificates and access tokens that worked."""
        target, is_fetched = self._target, bool(self._target.invite)
        pem = (self.vault.ca_certificates or b"").decode() if is_fetched else target.roots.pem
        command = target.tokens.command
        return replace(
            profile,
            ca_file=_absolute(target.roots.file),
            ca_certificate=pem,
            access_token_file=_absolute(target.tokens.file),
            access_token_command=portable(command) if command else "",
        )

    def refresh(self) -> KeyStatus:
        """Ask the vault once more what it has."""
        with self.patience:
            self.status = self.vault.status()
        self.state = sync_state_of(self.status, self.current, self.pending)
        self._record_status()
        return self.status

    def _record_status(self) -> None:
        """Note the vault's answer for later commands, if this device stores a key."""
        if self.current is not None or self.pending is not None:
            self.place = self.device.record_status(self.place, self.status)

    def _choose_store(self) -> None:
        """Choose the keyring if it works, else files."""
        slots: Slots = FileSlots(self.place.folder)
        if has_keyring():
            ring = KeyringSlots(self.place.profile)
            try:
                ring.prove()
            except (KeyringUnusable, KeyNotKept) as error:
                say(f"{error} The key will be kept in a file that only you can read.")
            else:
                self.keys = StoredKeys(ring, earlier=slots)
                return
        slots.prove()
        self.keys = StoredKeys(slots, earlier=self.keys.earlier)


def _absolute(path: str) -> str:
    """Return an absolute path for a profile; empty if it is not text, which TOML must be."""
    absolute = str(Path(path).absolute()) if path else ""
    return absolute if absolute.isprintable() else ""
