"""What the command does with a vault: protect a key, get it back, rehearse, delete it.

Whatever is local is proved before a person types a password, and each key is kept before the vault
is changed: no lost answer, full disk or power cut can leave the vault with a key that is nowhere
else. Nothing is registered over a key that someone protected after this device looked.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from strongroom.backup_key import BackupKey
from strongroom.cli import prompts
from strongroom.cli.profile.kept_keys import KeptKey
from strongroom.cli.prompts import say
from strongroom.cli.standing import CHOICES, DESTROYED_ADVICE, LAST_ATTEMPT, Standing
from strongroom.errors import (
    KeyDestroyed,
    KeyReplaced,
    LastAttemptUnderWay,
    NoKey,
    ProtectionUncertain,
    RehearsalFailed,
    RehearsalUnfinished,
    WrongPassword,
)
from strongroom.requests import ActiveKey, DestroyedKey
from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from strongroom.cli.contact import Contact
    from strongroom.requests import KeyStatus, Registered


class AlreadyEnabled(StrongroomError):
    """The vault has a key for this account which this device does not have."""

    sentence = "The vault already has a backup key for this account, and this device has none."
    hint = "Run `strongroom restore` to use that key here, or replace it for good with --replace."


class ChangedElsewhere(StrongroomError):
    """Someone protected a key after this device did."""

    sentence = (
        "The vault has another key than this device, or the same one protected elsewhere since."
        " Nothing was changed."
    )
    hint = f"Your choices:\n{CHOICES}"


class KeyUnnamed(StrongroomError):
    """This device keeps a key and not what the vault calls it."""

    sentence = (
        "The vault has a key, and this device does not know whether it is its own: it was kept"
        " by an earlier version. Nothing was changed."
    )
    hint = "Run `strongroom rehearse` once: it tells. Or put a fresh key there with --replace."


class VaultHasOther(StrongroomError):
    """The password was right, and what came back is not this device's key."""

    sentence = (
        "The password is right, and the vault has another backup key than this device. Backups made"
        " here do not open with it."
    )
    hint = (
        "strongroom rehearse --adopt    takes the vault's key for this device; its own stays\n"
        "                               among its old keys\n"
        "strongroom enable --replace    puts a fresh key in place of the vault's"
    )


class DestroyedButKept(KeyDestroyed):
    """The vault destroyed the key, and this device still has it."""

    hint = DESTROYED_ADVICE[Standing.DEVICE_ONLY]


class ReplacedMeanwhile(KeyReplaced):
    """Somebody protected or deleted a key while this command waited for a person."""

    sentence = "The key in the vault was changed elsewhere meanwhile. Nothing was deleted."
    hint = "Run `strongroom status` to see what the vault has now."


class NotKept(StrongroomError):
    """The vault did what was asked, and this device cannot make its note of it."""

    hint = "Mend that, then run `strongroom enable` again to finish."


def enable(
    contact: Contact,
    password_fd: int | None,
    *,
    accept_weak: bool,
    attempt_limit: int | None,
    is_replacing: bool,
) -> None:
    """Protect this device's key again, or a fresh one where there is none, or another is wanted."""
    if not is_replacing:
        match contact.standing:
            case Standing.VAULT_ONLY:
                raise AlreadyEnabled
            case Standing.CHANGED:
                raise ChangedElsewhere
            case Standing.UNKNOWN:
                raise KeyUnnamed
            case _:
                pass
    if attempt_limit is not None:
        contact.vault.info.require_attempt_limit(attempt_limit)
    contact.require_storage()
    if contact.standing is Standing.UNFINISHED:
        _take_pending(contact)
        if not is_replacing:
            _finish(contact, password_fd)
            return
    key = _key_to_protect(contact, is_replacing=is_replacing)
    password = prompts.ask_new_password(password_fd, accept_weak=accept_weak)
    registered = protect(contact, key, password, attempt_limit)
    limit = registered.attempt_limit
    wrong = "One wrong password" if limit == 1 else f"{limit} wrong passwords in a row"
    say(
        f"Done. {wrong}, and the vault destroys the key.\nWrite down the 64-digit key as well"
        " (strongroom show-key): it opens your backups without a vault."
    )


def change_password(
    contact: Contact,
    password_fd: int | None,
    new_password_fd: int | None,
    *,
    accept_weak: bool,
) -> None:
    """Protect the key that the vault has with another password."""
    _require_key(contact)
    if contact.standing is Standing.CHANGED:
        raise ChangedElsewhere
    contact.require_storage()
    if contact.standing is Standing.UNFINISHED:
        _take_pending(contact)
    if contact.current is None or contact.standing is Standing.UNKNOWN:
        key = recover(contact, password_fd, adopt=contact.current is None)
    else:
        key = contact.current.key
    password = prompts.ask_new_password(new_password_fd, accept_weak=accept_weak)
    protect(contact, key, password, attempt_limit=None)
    say("Done. The vault gave the key back for the new password.")


def rehearse(contact: Contact, password_fd: int | None, *, adopt: bool) -> None:
    """Get the key back and compare it with this device's."""
    _require_key(contact)
    contact.require_storage()
    if contact.standing is Standing.CHANGED:
        say(
            "The key in the vault was protected on another device, after this one. This tells"
            " whether it is the same key."
        )
    had = contact.current
    if contact.standing is Standing.VAULT_ONLY and not adopt:
        _ask_and_recover(contact, password_fd)
        contact.proved()
    else:
        recover(contact, password_fd, adopt=adopt)
        if had is not None and contact.current is not None and contact.current.key != had.key:
            say("This device had another key before. It stays among its old keys, for old backups.")
    say("Good: the vault gave the key back for this password.")


def recover(contact: Contact, password_fd: int | None, *, adopt: bool) -> BackupKey:
    """Get the key from the vault with the password, and make it this device's.

    Args:
        contact: the vault; that a key can be kept is proved already.
        password_fd: where a script has the password.
        adopt: whether to take it if this device keeps another one.

    Raises:
        VaultHasOther: this device keeps another one, and it is not to be adopted.
    """
    asked = contact.found
    key = _ask_and_recover(contact, password_fd)
    key_id = asked.key_id if isinstance(asked, ActiveKey) and _is_still(contact, asked) else None
    mine = contact.pending if contact.standing is Standing.UNFINISHED else contact.current
    if mine is not None and mine.key != key and not adopt:
        raise VaultHasOther
    try:
        contact.keep(KeptKey(key, key_id), is_proven=True)
    except (OSError, StrongroomError) as error:
        say(f"Note: the key is not kept on this device: {_reason(error)}")
    return key


def protect(
    contact: Contact, key: BackupKey, password: str, attempt_limit: int | None
) -> Registered:
    """Register `key`, kept before and after; then get it back to be sure.

    Raises:
        KeyReplaced: somebody protected a key since this device looked. Nothing was changed.
        ProtectionUncertain: the vault may or may not have the key; this device keeps it as pending.
        RehearsalFailed, RehearsalUnfinished: the vault has the key, and so has this device.
        NotKept: the vault has the key; on this device it is still pending.
    """

    def before_commit(key_id: bytes) -> None:
        # The vault takes a registration only if nothing was registered since its start, which
        # was before this look; so nothing can come between this look and the commit.
        if _name(contact.vault.status()) != _name(contact.found):
            raise KeyReplaced
        contact.expect(KeptKey(key, key_id))

    say("Protecting the key, then getting it back to be sure ...")
    try:
        with prompts.unechoed():
            registered = contact.vault.protect(
                key, password, attempt_limit=attempt_limit, before_commit=before_commit
            )
    except (RehearsalFailed, RehearsalUnfinished):
        _keep_pending(contact)
        raise
    except ProtectionUncertain:
        say("This device keeps the new key until it is known which one the vault has.")
        raise
    _keep_pending(contact, is_proven=True)
    return registered


def disable(contact: Contact, *, yes: bool) -> None:
    """Delete the account's key in the vault."""
    if contact.standing is Standing.CHANGED:
        say(
            "The key in the vault was protected on another device, after this one. Backups that"
            " were made with it may then open with that device or its 64 digits alone."
        )
    if not yes:
        prompts.require_yes("Delete the key in the vault?")
    asked, was_ours = contact.found, contact.standing is Standing.IN_STEP
    if _name(contact.look_again()) != _name(asked):
        raise ReplacedMeanwhile  # the yes was to another key
    contact.vault.delete()
    with suppress(StrongroomError):  # it is deleted, whatever the vault says after that
        contact.look_again()
    if was_ours:
        say("Deleted. Your backups open only with the 64-digit key now, or with this device's key.")
    else:
        say("Deleted. Backups made with that key open only with its 64 digits now, or with a")
        say("device that keeps it.")


def _key_to_protect(contact: Contact, *, is_replacing: bool) -> BackupKey:
    """The kept key, if that is what is wanted; else a fresh one, and what becomes of the old."""
    current = contact.current
    if current is None:
        if contact.standing is Standing.VAULT_ONLY:
            say(
                "This puts a fresh key into the vault. What it has now is gone for good then:\n"
                "keep its 64 digits, or a device that has it, for backups made with it."
            )
        return BackupKey.generate()
    is_lost = contact.standing is Standing.DEVICE_ONLY and isinstance(contact.found, DestroyedKey)
    if not is_replacing and (contact.standing is Standing.IN_STEP or is_lost):
        say(
            "This device has the key already. It stays the same; the password that you choose now"
            " takes the place of the one before."
        )
        return current.key
    say(
        "This makes a fresh key. Backups made until now open only with the old key.\n"
        "This device keeps it for them; keep its 64 digits too\n"
        "(strongroom show-key --old, once this is done)."
    )
    return BackupKey.generate()


def _take_pending(contact: Contact) -> None:
    """The vault has the pending key: it is this device's from now on."""
    say("The last change was cut off, and the vault has the new key. This device takes it now.")
    _keep_pending(contact)


def _finish(contact: Contact, password_fd: int | None) -> None:
    """Find out whether the person knows the password of what was cut off."""
    say("Type the password that you chose then.")
    try:
        key = _ask_and_recover(contact, password_fd)
    except WrongPassword:
        say(
            "This device has the key all the same. If you do not know which password it was,"
            " choose a new one: strongroom change-password"
        )
        raise
    if contact.current is None or key != contact.current.key:
        raise RehearsalFailed
    contact.proved()
    say("Done. The vault gave the key back for this password.")


def _keep_pending(contact: Contact, *, is_proven: bool = False) -> None:
    """Make the pending key the current one."""
    try:
        contact.keep_pending(is_proven=is_proven)
    except (OSError, StrongroomError) as error:
        where = contact.keys.slots.where("pending")
        raise NotKept(
            f"The vault has the new key. It is in {where}, not yet in its place: {_reason(error)}"
        ) from error


def _ask_and_recover(contact: Contact, password_fd: int | None) -> BackupKey:
    """Get the key from the vault; on a terminal a wrong password may be mended."""
    found = _require_key(contact)
    say(f"Attempts left: {found.attempts_left} of {found.attempt_limit}.")
    if found.attempts_left == 0:
        if not contact.vault.is_attempt_pending:
            raise LastAttemptUnderWay
        say(
            "The last attempt was cut off. Type the same password again: that still counts as the"
            " same attempt. Any other one destroys the key."
        )
    if found.attempts_left == 1:
        say(LAST_ATTEMPT)
    while True:
        password = prompts.ask_password(password_fd)
        try:
            with prompts.unechoed():
                return contact.vault.recover(password)
        except WrongPassword as error:
            if password_fd is not None or error.attempts_left == 0:
                raise
            say(f"{error}\n{error.hint}")


def _require_key(contact: Contact) -> ActiveKey:
    match contact.found:
        case None:
            raise NoKey
        case DestroyedKey(destroyed_at, cause):
            kind = KeyDestroyed if contact.current is None else DestroyedButKept
            raise kind(destroyed_at, cause)
        case ActiveKey():
            return contact.found


def _is_still(contact: Contact, asked: KeyStatus) -> bool:
    """Whether the vault has what it had; if it does not say, nothing that was gained is lost."""
    try:
        return _name(contact.look_again()) == _name(asked)
    except StrongroomError:
        return False


def _name(found: KeyStatus) -> object:
    """What a vault has, as far as a registration changes it."""
    return found.key_id if isinstance(found, ActiveKey) else type(found)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return str(error)
