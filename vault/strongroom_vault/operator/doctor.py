"""What `strongroom-vault doctor` does: checks the files that the settings name, and the token.

The token is tried in another process (`hsm/token/diagnostics.py`), which may crash or hang.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography import x509

from strongroom_vault.api.key_sets import KeySetFile
from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.diagnostics import BOTH, Finding, Residency
from strongroom_vault.platform.files import refuse_readable_by_others
from strongroom_vault.settings.refusals import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from strongroom_vault.settings.config import Settings

TIMEOUT_S: Final = 120
_PIN: Final = f"{named('token', 'pin_file')} names the file with the token's user PIN."
_TLS: Final = (
    "[listen] {0}_file names it. For development, strongroom-vault self-signed FOLDER makes one."
)
_JWKS: Final = (
    f"{named('access_tokens', 'jwks_file')} names it. For development, strongroom-vault token"
    " create-issuer FOLDER makes one."
)
SOON: Final = timedelta(days=14)


def examine(settings: Settings) -> Iterator[Finding]:
    """Check files and token; a failure is a finding, never an error."""
    yield _file("PIN file", _secret_file, settings.token.pin_file, _PIN)
    yield _file("TLS key", _secret_file, settings.listen.key_file, _TLS.format("key"))
    yield _certificate(settings)
    tokens = settings.access_tokens
    if tokens.jwks_file is None:
        yield Finding("JWK set", "ok", f"{tokens.jwks_url}, fetched when the vault serves")
    else:
        yield _file("JWK set", _key_set, tokens.jwks_file, _JWKS)
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


def _file(check: str, look: Callable[[Path], str], path: Path, hint: str) -> Finding:
    """Check a file; `hint` says what helps where it is missing."""
    try:
        return Finding(check, "ok", look(path))
    except OperatorError as error:
        helps = error.hint if path.exists() else hint
        return Finding(check, "failed", str(error), "The vault refuses to start.", BOTH, helps)


def _secret_file(path: Path) -> str:
    refuse_readable_by_others(path)
    return f"{path}, its owner's alone"


def _key_set(path: Path) -> str:
    KeySetFile(path)
    return str(path)


def _certificate(settings: Settings) -> Finding:
    path = settings.listen.certificate_file
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else "not a certificate"
        meaning, hint = "The vault cannot serve.", _TLS.format("certificate")
        detail = f"{path}: {problem}"
        return Finding("TLS certificate", "failed", detail, meaning, BOTH, hint)
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    detail = f"good until {certificate.not_valid_after_utc:%Y-%m-%d}"
    if left < timedelta(0):
        return Finding("TLS certificate", "failed", detail, "Clients refuse the vault.", BOTH)
    return Finding("TLS certificate", "ok" if left > SOON else "note", detail)
