"""Tries every operation that the vault needs on a token, and says what each answer means.

Runs as a process of its own, `python -m strongroom_vault.hsm.token.diagnostics`: a module that
crashes or hangs ends it, and everything found until then is known. It takes TokenSettings as JSON
on stdin and prints one Finding a line. It works with keys of its own, made and used by the code
that serves, and destroys them again, as well as those that a run which died has left.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
from pkcs11 import Attribute, ObjectClass
from pkcs11.exceptions import PKCS11Error

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token import checks, vault_keys
from strongroom_vault.hsm.token.checks import LABELS, CheckFailed, CheckNote
from strongroom_vault.hsm.token.errors import TokenError
from strongroom_vault.hsm.token.hot_operations import wrap_mechanism
from strongroom_vault.hsm.token.objects import find_objects
from strongroom_vault.hsm.token.open_token import OpenToken, open_token
from strongroom_vault.platform.hardening import harden
from strongroom_vault.settings.token_settings import TokenSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pkcs11

    from strongroom_vault.hsm.token.token_keys import TokenKeys

Residency: TypeAlias = Literal["wrapped", "token"]
BOTH: Final[tuple[Residency, ...]] = ("wrapped", "token")


class Finding(msgspec.Struct, frozen=True):
    """One thing that was tried.

    Attributes:
        check: its name.
        state: "ok"; "failed"; or "note" for what an operator should know.
        detail: the token's own answer, or what was seen.
        meaning: what follows from a failure.
        hint: what an operator can do about it.
        needed_for: the residencies that cannot be used if this failed.
    """

    check: str
    state: Literal["ok", "failed", "note"]
    detail: str
    meaning: str = ""
    needed_for: tuple[Residency, ...] = ()
    hint: str = ""


def diagnose(settings: TokenSettings) -> Iterator[Finding]:
    """Try everything; stop early where nothing more can be tried."""
    try:
        with open_token(settings, LABELS) as token:
            yield Finding("open", "ok", checks.identity(token.session))
            yield from diagnose_open(token)
    except (OperatorError, TokenError) as error:
        meaning = "Nothing can be tried without it."
        yield Finding("open", "failed", str(error), meaning, BOTH, _hint(error))


def diagnose_open(token: OpenToken) -> Iterator[Finding]:
    """Try everything on a token that was opened with `checks.LABELS`."""
    session = token.session
    yield _try("mechanisms", checks.mechanisms, session, meaning="The vault needs all of them.")
    yield _try(
        "wrapping mechanism",
        lambda tried: wrap_mechanism(tried).name,
        session,
        meaning="Records cannot hold keys.",
    )
    yield _try(
        "fast path", lambda tried: checks.fast_path(tried, token.module), session, needed_for=()
    )
    _clean(session)
    try:
        with _keys_to_try(token) as keys:
            yield Finding("make keys", "ok", "AES-256, P-256, HMAC secret: all inside")
            yield from _diagnose_keys(token, keys)
    except (OperatorError, TokenError, PKCS11Error) as error:
        meaning = "The vault's own keys could not be made here."
        yield Finding("make keys", "failed", checks.describe(error), meaning, BOTH)
    yield from _vault_keys(session)


def _diagnose_keys(token: OpenToken, keys: TokenKeys) -> Iterator[Finding]:
    session = token.session
    yield _try(
        "identity key",
        lambda tried: checks.sound(tried.identity),
        keys,
        meaning="Points are multiplied incorrectly, or the key can leave the token.",
    )
    yield _try("RFC 9497 vectors", lambda tried: checks.known_answers(tried, token.module), session)
    yield _try("HMAC-SHA-256", checks.secrets, keys, meaning="No key of the vault can be derived.")
    yield _try(
        "wrapped keys",
        checks.wrapped_keys,
        keys,
        meaning="Records cannot hold keys, and each worker tries it before it serves.",
    )
    yield _try(
        "resident keys",
        checks.resident_keys,
        keys,
        needed_for=("token",),
        meaning='residency = "token" cannot be used; "wrapped" may still work.',
    )
    yield _try(
        "anchor",
        checks.anchor,
        session,
        meaning="The token cannot remember the newest commit: nothing would stop an old database.",
    )
    yield _try("session copies", checks.copies, session, needed_for=())


def _try(
    check: str,
    work: Callable[[Any], str],
    argument: object,
    *,
    needed_for: tuple[Residency, ...] = BOTH,
    meaning: str = "",
) -> Finding:
    """Run one check; whatever the token answers is a finding."""
    try:
        return Finding(check, "ok", work(argument))
    except CheckNote as note:
        return Finding(check, "note", str(note))
    except (CheckFailed, OperatorError, TokenError, PKCS11Error) as error:
        return Finding(check, "failed", checks.describe(error), meaning, needed_for)


@contextmanager
def _keys_to_try(token: OpenToken) -> Iterator[TokenKeys]:
    try:
        vault_keys.create_missing_keys(token.session, LABELS)
        yield token.keys
    finally:
        _clean(token.session)


def _clean(session: pkcs11.Session) -> None:
    for label in (*dict(LABELS.keys), LABELS.oprf, *LABELS.anchor):
        for left in find_objects(session, {Attribute.LABEL: label, Attribute.TOKEN: True}):
            left.destroy()


def _vault_keys(session: pkcs11.Session) -> Iterator[Finding]:
    """Check the keys of the vault whose token this is, if it is one."""
    labels = vault_keys.VAULT
    existing = vault_keys.existing_labels(session)
    if not existing:
        yield Finding("vault's keys", "note", "none yet: strongroom-vault init makes them")
        return
    yield _try("wrap keys", checks.wrap_keys, session, meaning="The vault will not start.")
    for label, kind in labels.keys:
        if kind is not ObjectClass.PUBLIC_KEY and label != labels.wrap:
            yield _try(
                label,
                partial(checks.attributes, label=label, kind=kind),
                session,
                meaning="init did not make this key, or it was changed since.",
            )
    yield _try("anchor's value", checks.anchor_value, session, meaning="The vault will not serve.")


def _hint(error: Exception) -> str:
    return error.hint if isinstance(error, OperatorError) else ""


if __name__ == "__main__":
    harden()  # it reads the PIN, and is where a module is most likely to crash
    for finding in diagnose(msgspec.json.decode(sys.stdin.buffer.read(), type=TokenSettings)):
        sys.stdout.buffer.write(msgspec.json.encode(finding) + b"\n")
        sys.stdout.buffer.flush()
