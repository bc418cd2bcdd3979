"""What `strongroom-vault doctor` does: checks the files that the settings name, and the token.

The token is tried in another process (`hsm/token/diagnostics.py`), which may crash or hang.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from strongroom_vault.api import tls_files
from strongroom_vault.api.key_sets import KeySetFile
from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.diagnostics import BOTH, Finding, Residency
from strongroom_vault.settings.named_files import PIN_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from strongroom_vault.settings.config import Settings

TIMEOUT_S: Final = 120
SOON: Final = timedelta(days=14)


def examine(settings: Settings) -> Iterator[Finding]:
    """Check files and token; a failure is a finding, never an error."""
    yield _file("PIN file", _pin_file, settings.token.pin_file)
    key = _file("TLS key", _key_file, settings.listen.key_file)
    yield key
    yield _certificate(settings, with_key=key.state == "ok")
    tokens = settings.access_tokens
    if tokens.jwks_file is None:
        yield Finding("JWK set", "ok", f"{tokens.jwks_url}, fetched when the vault serves")
    else:
        yield _file("JWK set", _key_set, tokens.jwks_file)
    yield from _token(settings)


def usable(findings: Sequence[Finding]) -> tuple[Residency, ...]:
    """Return the residencies with which the vault can run."""
    lost = {
        name for finding in findings if finding.state == "failed" for name in finding.needed_for
    }
    return tuple(name for name in BOTH if name not in lost)


def _token(settings: Settings) -> Iterator[Finding]:
    """Try the token in another process; a crash or a hang of that one is a finding too."""
    program = [sys.executable, "-P", "-m", "strongroom_vault.hsm.token.diagnostics"]
    question = msgspec.json.encode(settings.token.for_workers())
    process = subprocess.Popen(  # noqa: S603 -- our own program
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        output, _ = process.communicate(question, TIMEOUT_S)
        ending = "" if process.returncode == 0 else f"the process ended with {process.returncode}"
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        ending = f"no answer for {TIMEOUT_S} s"
    yield from (msgspec.json.decode(line, type=Finding) for line in output.splitlines())
    if ending:
        meaning = "The module crashed or hung in the check after the last one above."
        yield Finding("diagnostics", "failed", ending, meaning, BOTH)


def _file(check: str, look: Callable[[Path], str], path: Path) -> Finding:
    try:
        return Finding(check, "ok", look(path))
    except OperatorError as error:
        return _refused(check, error)


def _refused(check: str, error: OperatorError) -> Finding:
    return Finding(check, "failed", str(error), "The vault refuses to start.", BOTH, error.hint)


def _pin_file(path: Path) -> str:
    PIN_FILE.require_secret(path)  # only token workers read it
    return f"{path}, its owner's alone"


def _key_file(path: Path) -> str:
    tls_files.read_key(path)
    return f"{path}, its owner's alone"


def _key_set(path: Path) -> str:
    KeySetFile(path)
    return str(path)


def _certificate(settings: Settings, *, with_key: bool) -> Finding:
    """Check the certificate, and `with_key` that the key is its own."""
    listen = settings.listen
    try:
        if with_key:
            certificate = tls_files.read_both(listen).certificate
        else:
            _, (certificate, *_) = tls_files.read_chain(listen.certificate_file)
    except OperatorError as error:
        return _refused("TLS certificate", error)
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    detail = f"valid until {certificate.not_valid_after_utc:%Y-%m-%d}"
    if left < timedelta(0):
        return Finding("TLS certificate", "failed", detail, "Clients refuse the vault.", BOTH)
    return Finding("TLS certificate", "ok" if left > SOON else "note", detail)
