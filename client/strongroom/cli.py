"""The command `strongroom`, for a person. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from strongroom import __version__, asking, home, streams
from strongroom.backup_key import BackupKey
from strongroom.calls import ActiveKey, DestroyedKey
from strongroom.errors import (
    KeyDestroyed,
    NoKey,
    RehearsalFailed,
    StrongroomError,
    VaultUnreachable,
    WrongPassword,
)
from strongroom.home import Profile
from strongroom.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from strongroom.backup_key import Progress
    from strongroom.home import KeyStore

Command = TypeVar("Command", bound="Callable[..., Any]")

EXIT_CODES: Final = {WrongPassword: 3, KeyDestroyed: 4, VaultUnreachable: 5}
BACKUP_SUFFIX: Final = ".age"


class NotEnabled(StrongroomError):
    """This device knows no vault."""

    sentence = "This device knows no vault yet."
    hint = "Run `strongroom enable`, or name the vault with --vault."


class AlreadyEnabled(StrongroomError):
    """The vault has a key for this account which this device does not have."""

    sentence = "The vault already has a backup key for this account, and this device has another."
    hint = "Run `strongroom restore` to use that key here, or replace it for good with --replace."


class NoAccessToken(StrongroomError):
    """There is no access token."""

    sentence = "There is no access token."
    hint = "Name its file with --access-token-file, or in STRONGROOM_ACCESS_TOKEN_FILE."


class NoKeyHere(StrongroomError):
    """This device keeps no backup key."""

    sentence = "This device keeps no backup key."
    hint = "Run `strongroom enable` first, or `strongroom show-key` to get the key from the vault."


@dataclass(frozen=True, slots=True)
class Device:
    """What the options, the environment and the profile say together."""

    folder: Path
    profile: Profile | None
    vault: str
    identity: str | None
    ca_file: str
    access_token_file: str
    key_store: str

    @classmethod
    def of(cls, options: dict[str, Any]) -> Device:
        """Put the options over the profile."""
        folder = home.home_folder(os.environ)
        profile = home.load_profile(folder)
        vault = options["vault"] or (profile.vault if profile else "")
        if not vault:
            raise NotEnabled
        if profile is not None and vault != profile.vault:
            profile = None  # another vault: nothing of the profile is about it
        known = profile or Profile(vault, "", "", key_store="auto")
        return cls(
            folder=folder,
            profile=profile,
            vault=vault,
            identity=options["identity"] or known.identity or None,
            ca_file=options["ca_file"] or known.ca_file,
            access_token_file=options["access_token_file"] or known.access_token_file,
            key_store=options["key_store"] or known.key_store,
        )

    def access_token(self) -> str:
        """Return the access token as it is in its file now."""
        if not self.access_token_file:
            raise NoAccessToken
        return Path(self.access_token_file).read_text(encoding="utf-8").strip()

    def connect(self) -> Vault:
        """Return the vault."""
        return Vault.connect(
            self.vault,
            access_token=self.access_token,
            identity=self.identity,
            ca_certificates=Path(self.ca_file) if self.ca_file else None,
        )

    def keys(self, account: str) -> KeyStore:
        """Return where this device keeps the account's key."""
        return home.key_store(self.key_store, self.folder, self.vault, account)

    def kept_key(self) -> BackupKey | None:
        """Return the key that this device keeps, None where it keeps none."""
        return self.keys(self.profile.account).load() if self.profile else None

    def keep(self, vault: Vault, key: BackupKey) -> None:
        """Keep the key, and the vault as the one to go to."""
        keys = self.keys(vault.account)
        keys.save(key)
        home.save_profile(
            self.folder,
            Profile(
                vault=self.vault,
                identity=vault.identity,
                account=vault.account,
                ca_file=_absolute(self.ca_file),
                access_token_file=_absolute(self.access_token_file),
                key_store=keys.name,
            ),
        )


_VAULT_OPTIONS: Final = (
    click.option("--vault", envvar="STRONGROOM_VAULT", help="The vault, host:port."),
    click.option(
        "--identity", envvar="STRONGROOM_IDENTITY", help="The vault's identity, 44 characters."
    ),
    click.option(
        "--ca-file",
        envvar="STRONGROOM_CA_FILE",
        type=click.Path(exists=True, dir_okay=False),
        help="Trust the TLS certificates of this PEM file alone.",
    ),
    click.option(
        "--access-token-file",
        envvar="STRONGROOM_ACCESS_TOKEN_FILE",
        type=click.Path(dir_okay=False),
        help="The file with the access token.",
    ),
    click.option(
        "--key-store",
        envvar="STRONGROOM_KEY_STORE",
        type=click.Choice(["auto", "keyring", "file"]),
        help="Where this device keeps the backup key.  [default: auto]",
    ),
)
_password_option = click.option(
    "--password-fd", type=int, help="Read the password from this file descriptor."
)
_weak_option = click.option(
    "--accept-weak-password", is_flag=True, help="Take a new password that is easy to guess."
)
_file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
_output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write."
)


def vault_options(command: Command) -> Command:
    """Give a command the options that name the vault."""
    for option in reversed(_VAULT_OPTIONS):
        command = option(command)
    return command


def main() -> None:
    """Run the command; every error is a sentence and a hint, never a traceback."""
    streams.prepare()
    try:
        cli(prog_name="strongroom")
    except StrongroomError as error:
        click.echo(f"strongroom: {error}", err=True)
        if error.hint:
            click.echo(f"            {error.hint}", err=True)
        sys.exit(EXIT_CODES.get(type(error), 1))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"strongroom: {where}{error.strerror or error}", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Protect your backups with a password that nobody else can test.

    \b
    strongroom enable --vault vault.example:7443 --access-token-file token
    strongroom backup chats.db          makes chats.db.age
    strongroom restore chats.db.age     on any device, with the password

    \b
    Exit codes: 0 done, 1 something else, 2 wrong usage, 3 wrong password,
    4 key destroyed, 5 the vault does not answer.
    """  # noqa: D301 -- click reads the backspaces


@cli.command()
@vault_options
@_password_option
@_weak_option
@click.option("--attempt-limit", type=click.IntRange(1, 1000), help="Fewer attempts than usual.")
@click.option("--replace", "is_replacing", is_flag=True, help="Replace the key in the vault.")
def enable(
    *,
    password_fd: int | None,
    accept_weak_password: bool,
    attempt_limit: int | None,
    is_replacing: bool,
    **options: Any,  # noqa: ANN401 -- the vault options
) -> None:
    """Make a backup key and protect it with a password."""
    device = Device.of(options)
    with device.connect() as vault:
        kept = device.keys(vault.account).load()
        if isinstance(vault.status(), ActiveKey) and not is_replacing and kept is None:
            raise AlreadyEnabled
        if device.identity is None:
            click.echo(f"First contact. The vault's identity is {vault.identity}", err=True)
        password = asking.ask_new_password(password_fd, accept_weak=accept_weak_password)
        key = kept or BackupKey.generate()
        _say("Protecting the key, then getting it back to be sure ...")
        try:
            registered = vault.protect(key, password, attempt_limit=attempt_limit)
        except RehearsalFailed:
            device.keep(vault, key)  # the vault has it; `rehearse` may still succeed
            raise
        device.keep(vault, key)
    _say(
        f"Done. After {registered.attempt_limit} wrong passwords in a row the vault destroys the"
        " key.\nWrite down the 64-digit key as well (strongroom show-key): it opens your backups"
        " without a vault."
    )


@cli.command()
@_file_argument
@_output_option
@vault_options
def backup(file: Path, output: Path | None, **options: Any) -> None:  # noqa: ANN401
    """Encrypt FILE under the backup key, as FILE.age. Needs no vault."""
    key = Device.of(options).kept_key()
    if key is None:
        raise NoKeyHere
    target = output or file.with_name(file.name + BACKUP_SUFFIX)
    with _progress("Encrypting", file) as progress:
        key.encrypt_file(file, target, progress)
    _say(f"{target} is the backup of {file}.")


@cli.command()
@_file_argument
@_output_option
@click.option("--digits", is_flag=True, help="Use the 64-digit key instead of the password.")
@click.option("--digits-fd", type=int, help="Read the 64-digit key from this file descriptor.")
@_password_option
@vault_options
def restore(
    file: Path,
    *,
    output: Path | None,
    digits: bool,
    digits_fd: int | None,
    password_fd: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Decrypt the backup FILE: with the key of this device, the password, or 64 digits."""
    target = output or file.with_suffix("")
    if output is None and file.suffix != BACKUP_SUFFIX:
        raise click.UsageError("FILE does not end in .age; say where to write with --output")
    if digits or digits_fd is not None:
        key = asking.ask_digits(digits_fd)
    else:
        device = Device.of(options)
        key = device.kept_key() or _recover(device, password_fd)
    with _progress("Decrypting", file) as progress:
        key.decrypt_file(file, target, progress)
    _say(f"{target} is restored.")


@cli.command()
@vault_options
def status(**options: Any) -> None:  # noqa: ANN401
    """Say what the vault holds for you."""
    device = Device.of(options)
    with device.connect() as vault:
        found = vault.status()
        click.echo(f"vault     {device.vault} ({vault.info.vault_id})")
        click.echo(f"identity  {vault.identity}")
        click.echo(f"account   {vault.account}")
    click.echo(f"key       {_describe(found)}")
    click.echo(f"here      {'this device has the key' if device.kept_key() else 'no key'}")


@cli.command("show-key")
@click.option("--age", is_flag=True, help="Print an identity for the age program instead.")
@_password_option
@vault_options
def show_key(*, age: bool, password_fd: int | None, **options: Any) -> None:  # noqa: ANN401
    """Print the 64-digit key. Whoever has it can open your backups."""
    device = Device.of(options)
    key = device.kept_key() or _recover(device, password_fd)
    click.echo(key.age_identity if age else key.digits)


@cli.command("change-password")
@_password_option
@click.option("--new-password-fd", type=int, help="Read the new password from this descriptor.")
@_weak_option
@vault_options
def change_password(
    *,
    password_fd: int | None,
    new_password_fd: int | None,
    accept_weak_password: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Protect the same key with another password. The old one works until the new one does."""
    device = Device.of(options)
    key = device.kept_key() or _recover(device, password_fd)
    password = asking.ask_new_password(new_password_fd, accept_weak=accept_weak_password)
    with device.connect() as vault:
        vault.protect(key, password)
    _say("Done. The vault gave the key back for the new password.")


@cli.command()
@_password_option
@vault_options
def rehearse(*, password_fd: int | None, **options: Any) -> None:  # noqa: ANN401
    """Check that you still know the password, while you have the key."""
    device = Device.of(options)
    with device.connect() as vault:
        _say_attempts(vault)
        vault.rehearse(asking.ask_password(password_fd), device.kept_key())
    _say("Good: the vault gave the key back for this password.")


@cli.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@vault_options
def disable(*, yes: bool, **options: Any) -> None:  # noqa: ANN401
    """Delete your key in the vault. Backups then open with this device or the 64 digits alone."""
    device = Device.of(options)
    if not yes:
        click.confirm("Delete the key in the vault?", abort=True, err=True)
    with device.connect() as vault:
        vault.delete()
    _say("Deleted. Your backups open only with the 64-digit key now, or with this device's key.")


def _recover(device: Device, password_fd: int | None) -> BackupKey:
    """Get the key from the vault and keep it; on a terminal a wrong password may be mended."""
    with device.connect() as vault:
        _say_attempts(vault)
        while True:
            try:
                key = vault.recover(asking.ask_password(password_fd))
            except WrongPassword as error:
                if password_fd is not None or error.attempts_left == 0:
                    raise
                click.echo(f"{error} {error.hint}", err=True)
            else:
                device.keep(vault, key)
                return key


def _say_attempts(vault: Vault) -> None:
    """Before a person types: how many attempts there are."""
    match vault.status():
        case None:
            raise NoKey
        case DestroyedKey(destroyed_at, cause):
            raise KeyDestroyed(destroyed_at, cause)
        case ActiveKey(attempts_left=attempts_left, attempt_limit=attempt_limit):
            _say(f"Attempts left: {attempts_left} of {attempt_limit}.")


def _describe(found: ActiveKey | DestroyedKey | None) -> str:
    match found:
        case None:
            return "none"
        case DestroyedKey(destroyed_at):
            return (
                f"destroyed on {destroyed_at:%Y-%m-%d at %H:%M} UTC after too many wrong passwords"
            )
        case ActiveKey():
            text = (
                f"protected since {found.created_at:%Y-%m-%d at %H:%M} UTC,"
                f" {found.attempts_left} of {found.attempt_limit} attempts left"
            )
            if found.wait_until is not None:
                text += f", the next one from {found.wait_until:%H:%M:%S} UTC"
            return text


@contextmanager
def _progress(label: str, file: Path) -> Iterator[Progress | None]:
    """A progress bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=file.stat().st_size, label=label, file=sys.stderr) as bar:

        def progress(done: int, _total: int) -> None:
            bar.update(done - bar.pos)

        yield progress


def _say(text: str) -> None:
    click.echo(text, err=True)


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path else ""
