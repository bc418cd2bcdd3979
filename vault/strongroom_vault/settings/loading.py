"""Reads the settings: one TOML file, each value overridable by the environment.

    [token] pin_file = "user.pin"      STRONGROOM_VAULT_TOKEN_PIN_FILE=/run/user.pin

Secrets are named by path only. A value out of range and an unknown name are refused, in the words
of `refusals.py`. Variables that Kubernetes sets for services are ignored.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from strongroom_vault.errors import OperatorError
from strongroom_vault.settings import refusals
from strongroom_vault.settings.config import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ENVIRONMENT_PREFIX: Final = refusals.ENVIRONMENT_PREFIX
SETTINGS_FILE: Final = f"{ENVIRONMENT_PREFIX}CONFIG"
_OF_A_SERVICE: Final = re.compile(
    f"{ENVIRONMENT_PREFIX}([A-Z0-9_]+_)?"
    r"(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
"""What Kubernetes sets in every container for a service named strongroom-vault or
strongroom-vault-*, except the variable that ends in PORT alone."""
_SECTIONS: Final = {field.name: field.type for field in msgspec.structs.fields(Settings)}
_NAMES: Final = {
    section: tuple(field.name for field in msgspec.structs.fields(kind))
    for section, kind in _SECTIONS.items()
}


@dataclass(frozen=True, slots=True)
class _Variable:
    """A value from the environment, where numbers can only be text."""

    value: str | list[str]


def load(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Relative paths are relative to the file's folder.

    Raises:
        OperatorError: there is no such file, or something is wrong in it.
    """
    try:
        tables = tomllib.loads(_read(path))
    except RecursionError as error:
        raise OperatorError(f"cannot read the settings {path}: they are nested too deep") from error
    except tomllib.TOMLDecodeError as error:
        raise OperatorError(f"cannot read the settings {path}: not TOML: {error}") from error
    except ValueError as error:  # Python reads at most 4,300 digits
        raise OperatorError(
            f"cannot read the settings {path}: a number has too many digits"
        ) from error
    try:
        return parse(tables, environment, path.parent.absolute())
    except OperatorError as error:
        problems = str(error).splitlines()
        shown = f" {error}" if len(problems) == 1 else "".join(f"\n  {line}" for line in problems)
        raise OperatorError(f"in the settings {path}:{shown}") from error


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        hint = (
            f"Name the settings with --config FILE or {SETTINGS_FILE}. A new vault:"
            " strongroom-vault init --new FOLDER."
        )
        raise OperatorError(f"there are no settings at {path}", hint) from error
    except PermissionError as error:
        hint = "Run the command as the vault's own user (vault-operator does)."
        raise OperatorError(f"cannot read the settings {path}: this user may not", hint) from error
    except OSError as error:
        raise OperatorError(f"cannot read the settings {path}: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise OperatorError(
            f"cannot read the settings {path}: not UTF-8 (line {line})", "Save the file as UTF-8."
        ) from error


def parse(tables: dict[str, Any], environment: Mapping[str, str], folder: Path) -> Settings:
    """Return the settings of a parsed file, with the environment's values over it.

    Raises:
        OperatorError: something is wrong in them; the message has a line for each.
    """
    problems = list(_override(tables, environment))
    sections: dict[str, Any] = {}
    for section, kind in _SECTIONS.items():
        table = tables.pop(section, {})
        if isinstance(table, dict):
            sections[section] = _converted(section, kind, table, folder, problems)
        else:
            problems.append(refusals.no_table(section, table))
    problems += (refusals.unknown_table(name, tables[name], _NAMES) for name in tables)
    settings = None if problems else Settings(**sections)
    if settings is not None:
        problems += _contradictions(settings)
    if settings is None or problems:
        raise OperatorError("\n".join(problems))
    return settings


def _converted(
    section: str,
    kind: type[msgspec.Struct],
    table: dict[str, Any],
    folder: Path,
    problems: list[str],
) -> msgspec.Struct | None:
    """Return a table as a section; None if it has problems, which are added to `problems`."""
    values: dict[str, Any] = {}
    before = len(problems)
    for field in msgspec.structs.fields(kind):
        if field.name not in table:
            if field.required:
                problems.append(refusals.missing(section, field.name, field.type))
            continue
        given = table.pop(field.name)
        is_variable = isinstance(given, _Variable)
        value = given.value if isinstance(given, _Variable) else given
        try:
            values[field.name] = _convert(value, field.type, folder, strict=not is_variable)
        except msgspec.ValidationError:
            problems.append(refusals.wrong_value(section, field.name, field.type, value))
    problems += (refusals.unknown(section, name, _NAMES) for name in table)
    return kind(**values) if len(problems) == before else None


def _convert(value: object, kind: object, folder: Path, *, strict: bool) -> object:
    """Return a value as its setting's type; `strict` unless it could only be given as text.

    Raises:
        msgspec.ValidationError: it is not of that type.
    """

    def path(_: type, text: object) -> Path:
        if not isinstance(text, str) or not text.strip() or any(one < " " for one in text):
            raise TypeError
        return folder / text

    converted = msgspec.convert(value, kind, strict=strict, dec_hook=path)
    if isinstance(converted, str) and not _is_text(value):
        raise msgspec.ValidationError
    return converted


def _is_text(value: object) -> bool:
    """Whether a value can be written as UTF-8: a variable of the environment may have any bytes."""
    return isinstance(value, str) and value.isprintable()


def _override(tables: dict[str, Any], environment: Mapping[str, str]) -> Iterator[str]:
    """Put `STRONGROOM_VAULT_<TABLE>_<NAME>` into its table; yield what is wrong in the names.

    Lists are separated by commas. White space around a value is not part of it: a value read from
    a file has its line end too.
    """
    settings = {
        refusals.variable(section, name): (section, name)
        for section, names in _NAMES.items()
        for name in names
    }
    for variable, value in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == SETTINGS_FILE:
            continue
        if variable not in settings:
            if not _is_of_a_service(variable, value):
                yield refusals.unknown_variable(variable, _NAMES)
            continue
        section, name = settings[variable]
        is_list = name == "back_off_s"
        parts = [part.strip() for part in value.split(",")]
        table = tables.setdefault(section, {})
        if isinstance(table, dict):  # otherwise `parse` refuses it
            table[name] = _Variable([part for part in parts if part] if is_list else value.strip())


def _is_of_a_service(variable: str, value: str) -> bool:
    """Whether a variable is one of those by which Kubernetes tells where a service is."""
    if _OF_A_SERVICE.fullmatch(variable):
        return True
    return variable.endswith("_PORT") and re.match("(tcp|udp|sctp)://", value) is not None


def _contradictions(settings: Settings) -> Iterator[str]:
    """Yield what is wrong in values that would be right by themselves."""
    vault, tokens = settings.vault, settings.access_tokens
    if vault.minimum_attempt_limit > vault.attempt_limit:
        yield (
            f"{refusals.named('vault', 'minimum_attempt_limit')} is"
            f" {vault.minimum_attempt_limit}, which is above attempt_limit, {vault.attempt_limit}"
        )
    if (tokens.jwks_file is None) == (tokens.jwks_url is None):
        names = (refusals.named("access_tokens", f"jwks_{end}") for end in ("file", "url"))
        count = "none" if tokens.jwks_file is None else "both"
        yield f"one of {' and '.join(names)} is needed, and {count} of them is given"
    for section, name, url in (
        ("access_tokens", "jwks_url", tokens.jwks_url),
        ("traces", "endpoint", settings.traces.endpoint),
    ):
        if url is not None and not _has_host(url):
            shown = refusals.given(url)
            yield f"{refusals.named(section, name)} must be a URL with a host, not {shown}"


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket without its other, a port above 65535
        return False
