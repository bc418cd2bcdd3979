"""Where a vault is called and with what: address, certificates, access token, known identities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.access_tokens import decoded
from strongroom.account import account_of
from strongroom.errors import AccountUnknown, NotAnAccessToken, StrongroomError

MAX_TOKEN: Final = 64 * 1024
MAX_CA_FILE: Final = 4 * 1024 * 1024
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"


class NoAccessToken(StrongroomError):
    """There is no access token."""

    sentence = "There is no access token."
    hint = "Name its file with --access-token-file, or in STRONGROOM_ACCESS_TOKEN_FILE."


class BadFile(StrongroomError):
    """A file that an option names cannot be used."""

    hint = "Check the name of the file."


class BadTokenFile(NotAnAccessToken, BadFile):
    """The file that should hold the access token holds something else."""

    hint = "The file holds the access token alone, in one line of plain text."


@dataclass(frozen=True, slots=True)
class Target:
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
        return read_token(self.access_token_file)

    def account(self) -> str:
        """Return whom the access token is for; one that says nothing of it is not sent."""
        try:
            return account_of(self.access_token())
        except AccountUnknown:
            raise AccountUnknown(
                f"A vault does not accept the access token in {self.access_token_file}: it names no"
                " account."
            ) from None


def read_token(path: str) -> str:
    """Return the access token in a file. Raises NoAccessToken, BadTokenFile, BadFile, OSError."""
    if not path:
        raise NoAccessToken
    try:
        return decoded(_read_named(path, MAX_TOKEN))
    except NotAnAccessToken as error:
        sentence = f"{path}: there is no access token in this file"
        raise BadTokenFile(error.reason, sentence) from None


def read_certificates(path: str) -> bytes | None:
    """Return the PEM in a file, None for no file. Raises BadFile, OSError."""
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
