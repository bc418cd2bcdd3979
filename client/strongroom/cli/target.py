"""What it takes to connect to a vault: address, certificates, access token, known identities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from strongroom.access_tokens import decoded
from strongroom.account import account_of
from strongroom.cli.token_command import MAX_TOKEN, token_command
from strongroom.errors import AccountUnknown, NotAnAccessToken
from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CA_FILE: Final = 4 * 1024 * 1024
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"


class NoAccessToken(StrongroomError):
    """There is no access token."""

    message = "There is no access token."
    hint = (
        "Name its file with --access-token-file, or a command that prints it with"
        " --access-token-command."
    )


class BadFile(StrongroomError):
    """A file that an option names cannot be used."""

    hint = "Check the name of the file."


class BadTokenFile(NotAnAccessToken, BadFile):
    """The file that should hold the access token holds something else."""

    hint = "The file holds the access token alone, in one line of plain text."


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where access tokens come from: a file, or else a command that prints one.

    Attributes:
        file: its path, or empty.
        command: as a person types it, or empty.
    """

    file: str = ""
    command: str = ""

    def __bool__(self) -> bool:
        return bool(self.file or self.command)

    def __str__(self) -> str:
        return self.file or f"`{self.command}`"

    def read(self) -> str:
        """Return the access token as it is now.

        Raises:
            NoAccessToken, BadFile, OSError: there is no token in the file.
            TokenCommandFailed: the command prints no token.
        """
        return token_command(self.command)() if self.command else read_token(self.file)

    def reader(self) -> Callable[[], str]:
        """Return a function that returns the access token, as `Vault.connect` takes it."""
        return token_command(self.command) if self.command else self.read


@dataclass(frozen=True, slots=True)
class Roots:
    """Which certificates to trust instead of those that gRPC trusts.

    Attributes:
        file: path of a PEM file, or empty.
        pem: the certificate with an invite's fingerprint, or empty.
    """

    file: str = ""
    pem: str = ""

    def __bool__(self) -> bool:
        return bool(self.file or self.pem)

    def read(self) -> bytes | None:
        """Return the PEM, None where nothing is named. Raises BadFile, OSError."""
        return read_certificates(self.file) if self.file else self.pem.encode() or None


@dataclass(frozen=True, slots=True)
class Target:
    """Which address to connect to, and how.

    Attributes:
        invite: the invite's text if its certificate must still be fetched; else empty.
        pins: the identities that this device knows at this address.
    """

    address: str
    roots: Roots
    tokens: TokenSource
    pins: frozenset[str]
    invite: str = ""

    def account(self) -> str:
        """Return the account of the access token; a token without one is not sent."""
        try:
            return account_of(self.tokens.read())
        except AccountUnknown:
            raise AccountUnknown(
                f"A vault does not accept the access token of {self.tokens}: it names no account."
            ) from None


def read_token(path: str) -> str:
    """Return the access token in a file. Raises NoAccessToken, BadTokenFile, BadFile, OSError."""
    if not path:
        raise NoAccessToken
    try:
        return decoded(_read_named(path, MAX_TOKEN))
    except NotAnAccessToken as error:
        message = f"{path}: there is no access token in this file"
        raise BadTokenFile(error.reason, message) from None


def read_certificates(path: str) -> bytes | None:
    """Return the PEM in a file, None for no file. Raises BadFile, OSError."""
    if not path:
        return None
    text = _read_named(path, MAX_CA_FILE)
    if _CERTIFICATE not in text:
        raise BadFile(f"{path}: there is no PEM certificate in this file.")
    return text


def _read_named(path: str, limit: int) -> bytes:
    """Read a file that an option names, up to a limit. Raises BadFile, OSError."""
    with Path(path).open("rb") as file:
        text = file.read(limit + 1)
    if len(text) > limit:
        raise BadFile(f"{path}: this file is too large to be what it should be.")
    return text
