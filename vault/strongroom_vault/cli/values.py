"""The values of options: what each may be, and how another one is refused."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

import click
import msgspec

from strongroom_vault.settings.config import VaultId
from strongroom_vault.settings.refusals import allowed

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_FRACTION: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
_DNS_NAME: Final = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_MAX_DNS_NAME: Final = 253


class _Value(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """The text of an option, which `read` takes or refuses with a ValueError."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Return what the text means."""
        try:
            return self.read(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def read(self, text: str) -> object:
        """Return what the text means.

        Raises:
            ValueError: nothing that the option takes; the message says what it takes.
        """
        raise NotImplementedError


class WholeNumber(_Value):
    """A whole number between two others, both included."""

    name = "number"

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def read(self, text: str) -> int:
        """Return the number."""
        if _NUMBER.fullmatch(text) and self._least <= int(text) <= self._most:
            return int(text)
        raise ValueError(f"{text!r} is not a whole number from {self._least} to {self._most}")


class Seconds(_Value):
    """A number of seconds, whole or not."""

    name = "seconds"

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most = least, most

    def read(self, text: str) -> float:
        """Return the number."""
        if _FRACTION.fullmatch(text) and self._least <= float(text) <= self._most:
            return float(text)
        raise ValueError(f"{text!r} is not a number from {self._least} to {self._most}")


class Scopes(_Value):
    """Names of scopes, with spaces between them."""

    name = "scopes"

    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    def read(self, text: str) -> str:
        """Return the names as they are."""
        for name in text.split():
            if name not in self._known:
                raise ValueError(f"there is no scope {name!r}; there are {', '.join(self._known)}")
        return text


class Id(_Value):
    """A vault's id."""

    name = "id"

    def read(self, text: str) -> str:
        """Return the id."""
        try:
            msgspec.convert(text, VaultId)
        except msgspec.ValidationError as error:
            raise ValueError(f"{text!r} is not an id of {allowed(VaultId)}") from error
        return text


class Host(_Value):
    """The name of a host or its IP address, without a port."""

    name = "host"

    def read(self, text: str) -> str:
        """Return the host as it is."""
        if _DNS_NAME.fullmatch(text) is None or len(text) > _MAX_DNS_NAME:
            try:
                ipaddress.ip_address(text)
            except ValueError as error:
                raise ValueError(
                    f"{text!r} is not a host: a name such as vault.example or an IP address,"
                    " without a port"
                ) from error
        return text


class Text(_Value):
    """Text that is not empty."""

    name = "text"

    def read(self, text: str) -> str:
        """Return the text."""
        if not text.strip():
            raise ValueError("it is empty")
        return text
