"""The words in which a setting is refused: its name, what it may be, what was given.

What it may be is read from the types in `config.py`, so that the words say what is checked. What
was given is shown, cut short, unless it might be a secret in the wrong place.
"""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import inspect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ENVIRONMENT_PREFIX: Final = "STRONGROOM_VAULT_"
SHOWN_MAX: Final = 60
"""How many characters of a value are shown."""
_NEAR: Final = 0.6
"""How similar a name must be to be suggested: difflib's default."""
_SECRET_FILES: Final = ("pin_file", "key_file")
"""A value here that is not a path may well be the secret itself, and is not shown."""
_KINDS: Final = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a table"),
)


def named(section: str, name: str) -> str:
    """Return the name of a setting: `[token] label (STRONGROOM_VAULT_TOKEN_LABEL)`."""
    return f"[{section}] {name} ({variable(section, name)})"


def variable(section: str, name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{ENVIRONMENT_PREFIX}{section}_{name}".upper()


def wrong_value(section: str, name: str, kind: object, value: object) -> str:
    """Say that a setting may not have this value."""
    shown = _kind_of(value) if name in _SECRET_FILES else given(value)
    said = f"{named(section, name)} must be {allowed(kind)}, not {shown}"
    return f"{said}: write it without quotes" if _is_quoted(kind, value) else said


def missing(section: str, name: str, kind: object) -> str:
    """Say that a setting must be given."""
    return f"{named(section, name)} is missing: {allowed(kind)}"


def unknown(section: str, name: str, known: Mapping[str, Iterable[str]]) -> str:
    """Say that a table has no such setting, and which one was probably meant.

    Args:
        section: a table that exists.
        name: as in the file.
        known: the names of all settings by table.
    """
    if near := get_close_matches(name, known[section], 1, _NEAR):
        return f"[{section}] has no setting {_shown(name)}; did you mean {near[0]}?"
    elsewhere = [table for table, names in known.items() if name in names]
    if elsewhere:
        return f"[{section}] has no setting {_shown(name)}; it belongs to [{elsewhere[0]}]"
    return f"[{section}] has no setting {_shown(name)}; it has {', '.join(known[section])}"


def unknown_table(name: str, value: object, known: Mapping[str, Iterable[str]]) -> str:
    """Say that there is no such table, or that a setting stands outside of its table."""
    if not isinstance(value, dict):
        tables = [table for table, names in known.items() if name in names]
        where = f"; it belongs to [{tables[0]}]" if tables else ""
        return f"{_shown(name)} stands in no table{where}"
    near = get_close_matches(name, known, 1, _NEAR)
    meant = f"did you mean [{near[0]}]?" if near else f"there are {_tables(known)}"
    return f"there is no table [{_shown(name)}]; {meant}"


def unknown_variable(name: str, known: Mapping[str, Iterable[str]]) -> str:
    """Say that an environment variable names no setting, and which one was probably meant."""
    rest = name.removeprefix(ENVIRONMENT_PREFIX)
    section = next((one for one in known if rest.startswith(f"{one}_".upper())), None)
    of_it = known if section is None else {section: known[section]}
    variables = {
        variable(table, one).removeprefix(ENVIRONMENT_PREFIX): variable(table, one)
        for table, names in of_it.items()
        for one in names
    }
    start = "" if section is None else f"{section}_".upper()
    ends = {one.removeprefix(start): whole for one, whole in variables.items()}
    near = get_close_matches(rest.removeprefix(start), ends, 1, _NEAR)
    if near:
        meant = f"did you mean {ends[near[0]]}?"
    elif section is not None:
        meant = f"[{section}] has {', '.join(known[section])}"
    else:
        meant = (
            f"they begin with {', '.join(f'{ENVIRONMENT_PREFIX}{one}_'.upper() for one in known)}"
        )
    return f"the environment variable {_shown(name)} names no setting; {meant}"


def no_table(section: str, value: object) -> str:
    """Say that a section is not a table."""
    return f"[{section}] must be a table, not {_kind_of(value)}"


def allowed(kind: object) -> str:
    """Return what a setting of this type may be, in words."""
    return _allowed(inspect.type_info(kind))


def _allowed(info: inspect.Type) -> str:  # noqa: C901, PLR0911 -- one case for each kind of type
    match info:
        case inspect.Metadata(extra_json_schema={"description": words}):
            return str(words)
        case inspect.Metadata(type=inner):
            return _allowed(inner)
        case inspect.UnionType(types=types):
            kinds = (one for one in types if not isinstance(one, inspect.NoneType))
            return " or ".join(map(_allowed, kinds))
        case inspect.LiteralType(values=values):
            return " or ".join(map(json.dumps, values))
        case inspect.IntType(ge=least, le=most):
            return f"a whole number from {least} to {most}"
        case inspect.FloatType(ge=least, le=most):
            return f"a number from {least} to {most}"
        case inspect.VarTupleType(item_type=inner):
            return f"a list, each item {_allowed(inner)}"
        case inspect.StrType(max_length=most):
            return "text" if most is None else f"text of 1 to {most} characters"
        case inspect.BoolType():
            return "true or false"
        case inspect.CustomType():
            return "a path"
        case inspect.DictType():
            return 'a table of text, such as { SOFTHSM2_CONF = "/path" }'
        case _:
            return "a table"


def given(value: object) -> str:
    """Return a value as it can be shown, in one line, without a password in a URL."""
    if isinstance(value, str):
        return _shown(re.sub(r"//[^/@]*@", "//...@", value), quote=True) if value else "empty"
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) and abs(value) >= 10**SHOWN_MAX:
        return "a number of more than 60 digits"
    return _shown(str(value)) if isinstance(value, int | float | list) else _kind_of(value)


def _shown(text: str, *, quote: bool = False) -> str:
    """Text without anything that a terminal would act upon."""
    cut = text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."
    quoted = json.dumps(cut, ensure_ascii=not cut.isprintable())
    return quoted if quote or not cut.isprintable() else cut


def _is_quoted(kind: object, value: object) -> bool:
    """Whether a value would be right if it were not a string."""
    if not isinstance(value, str):
        return False
    try:
        msgspec.convert(value, kind, strict=False)
    except (msgspec.ValidationError, TypeError):
        return False
    return True


def _kind_of(value: object) -> str:
    return next((words for kind, words in _KINDS if isinstance(value, kind)), "a date or time")


def _tables(known: Iterable[str]) -> str:
    return ", ".join(f"[{name}]" for name in known)
