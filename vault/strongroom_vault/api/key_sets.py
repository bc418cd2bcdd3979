"""The keys of the trusted issuer: a JWK set (RFC 7517) in a file or behind an https URL."""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import ssl
import time
import urllib.request
from typing import TYPE_CHECKING, Final, Protocol

import jwt
import structlog

from strongroom_vault.errors import OperatorError, Overloaded
from strongroom_vault.platform.loopback import is_loopback
from strongroom_vault.settings.named_files import JWKS_FILE
from strongroom_vault.settings.refusals import named

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from _typeshed import WriteableBuffer

log = structlog.get_logger()

ALGORITHMS: Final = frozenset({"ES256", "EdDSA"})
"""The signatures that an access token may have."""
_CURVES: Final = (("EC", "P-256"), ("OKP", "Ed25519"), ("OKP", "Ed448"))
REFRESH_S: Final = 60
"""A set behind a URL is fetched again at most this often."""
MAX_AGE_S: Final = 5 * 60
"""It is fetched again at least this often, if it is used: so that a key that was removed goes."""
FETCH_TIMEOUT_S: Final = 10
RETRY_S: Final = 5
"""After a failure it is fetched again this soon; callers are asked to retry after as long."""
WAIT_S: Final = 1.0
"""How long a call waits for a set that it does not need, or that could not be fetched last time."""
MAX_SET_SIZE: Final = 256 * 1024
_WANTED: Final = (
    'It must be the JWK set that your identity provider publishes, {"keys": [...]}, with a key on'
    " P-256, Ed25519 or Ed448."
)


class KeySet(Protocol):
    """Where the issuers' public keys are."""

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """Return the key with this id; without an id, the only key there is.

        Raises:
            Overloaded: the set cannot be read, so nobody knows whether it has such a key.
        """


class KeySetFile:
    """A JWK set (RFC 7517) in a file, read again when the file changes."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            OperatorError: it cannot be read, others can write it, or it is not a JWK set.
        """
        JWKS_FILE.require_trusted(path)
        self._path = path
        self._stamp = self._stat()
        self._keys = self._read()

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """Return the key with this id; without an id, the only key there is."""
        is_read = True
        try:
            # The stamp before the content, and kept only if that could be read: a file that changes
            # in between is read again at the next call, not taken for the one that is known.
            stamp = self._stat()
            if stamp != self._stamp:
                self._keys = self._read()
                self._stamp = stamp
        except (OSError, OperatorError) as error:
            # It may be half written at this moment: the keys known so far stay valid.
            log.warning("JWK set not read", problem=str(error), keys_known=len(self._keys))
            is_read = False
        key = _find(self._keys, key_id)
        if key is None and not is_read:
            raise _unreadable()
        return key

    def _read(self) -> list[jwt.PyJWK]:
        data = JWKS_FILE.read(self._path, MAX_SET_SIZE)
        return _parse(data, f"{named('access_tokens', 'jwks_file')}: {self._path}")

    def _stat(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise JWKS_FILE.refused(f"cannot read {self._path}: {error.strerror}") from error
        return status.st_mtime_ns, status.st_size, status.st_ino


class KeySetUrl:
    """A JWK set behind an https URL, fetched again when it is old or lacks the key of a token."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: list[jwt.PyJWK] = []
        self._tried_at: float | None = None
        self._has_failed = False
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """Return the key with this id; without an id, the only key there is.

        While a fetch is slow or fails, the keys known so far stay valid, and nobody who has one of
        them waits long.

        Raises:
            Overloaded: there is no such key, but the last fetch failed or goes on: an access token
                signed by a newer key must not be called invalid.
        """
        key = _find(self._keys, key_id)
        is_due = self._is_due(is_known=key is not None)
        # One fetch for all callers, and the time is noted before it: anybody can send tokens that
        # name keys which do not exist, and must not make the vault flood the issuer with them.
        if is_due and self._fetching is None:
            self._tried_at = self._clock()
            self._fetching = asyncio.create_task(self._refresh())
        # Waited for a while, not awaited: a caller that leaves must not cancel the fetch of all
        # others, and whoever has a known key goes on while the issuer is slow.
        if self._fetching is not None and (is_due or key is None):
            is_hopeful = key is None and not self._has_failed
            patience = FETCH_TIMEOUT_S if is_hopeful else WAIT_S
            await asyncio.wait([self._fetching], timeout=patience)
            key = _find(self._keys, key_id)
        if key is None and (self._has_failed or self._fetching is not None):
            raise _unreadable()
        return key

    def _is_due(self, *, is_known: bool) -> bool:
        """Whether to fetch the set for an access token whose key is known, or is not."""
        if self._has_failed:
            return self._age() >= (REFRESH_S if is_known else RETRY_S)
        return self._age() >= (MAX_AGE_S if is_known else REFRESH_S)

    def _age(self) -> float:
        """Seconds since the last try to fetch."""
        return math.inf if self._tried_at is None else self._clock() - self._tried_at

    async def _refresh(self) -> None:
        """Fetch the set; while that fails, the keys known so far stay valid."""
        has_failed = True  # stays so after an error that nobody expected
        try:
            self._keys = _parse(await asyncio.to_thread(_fetch, self._url), self._url)
            has_failed = False
        except (OSError, http.client.HTTPException, OperatorError) as error:
            log.warning("JWK set not fetched", problem=str(error), keys_known=len(self._keys))
        finally:
            self._has_failed = has_failed
            self._fetching = None


def _parse(data: bytes, source: str) -> list[jwt.PyJWK]:
    """Return the keys of a JWK set that may sign access tokens.

    Raises:
        OperatorError: it is not a JWK set, or has no such key.
    """
    try:
        key_set = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise OperatorError(f"{source} is not a JWK set: it is not JSON", _WANTED) from error
    members = key_set.get("keys") if isinstance(key_set, dict) else None
    if not isinstance(members, list):
        raise OperatorError(f'{source} is not a JWK set: it has no list "keys"', _WANTED)
    usable = [key for key in map(_key, members) if key is not None]
    if not usable:
        raise OperatorError(f"{source} is not a JWK set with a key for ES256 or EdDSA", _WANTED)
    return usable


def _key(member: object) -> jwt.PyJWK | None:
    """Return a key of a JWK set, None for one that cannot be used (RFC 7517 section 5)."""
    # Other kinds are not parsed at all: some of them take long, at each fetch.
    if not isinstance(member, dict) or (member.get("kty"), member.get("crv")) not in _CURVES:
        return None
    try:
        key = jwt.PyJWK(member)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError):
        return None
    return key if key.algorithm_name in ALGORITHMS else None


def _find(keys: list[jwt.PyJWK], key_id: str | None) -> jwt.PyJWK | None:
    # Two keys with one id, or several where the token names none: choosing would be guessing.
    matching = [key for key in keys if key.key_id == key_id] if key_id is not None else keys
    return matching[0] if len(matching) == 1 else None


def _unreadable() -> Overloaded:
    return Overloaded("the issuer's keys cannot be read at the moment", RETRY_S)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Only the host of the URL says what the keys are, not one that it redirects to."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing: a redirection is an error, as is any other status but 200."""


def _fetch(url: str) -> bytes:
    """Return what an https URL serves itself, not what it redirects to.

    Raises:
        OSError, http.client.HTTPException: it cannot be fetched, or is too slow.
        OperatorError: it is not an https URL, or too large.
    """
    if not url.startswith("https://"):
        raise OperatorError(f"{url} is not an https URL")
    # Made for each fetch: what the system trusts may have changed since the vault started.
    context = ssl.create_default_context()
    context.sslsocket_class = _until(time.monotonic() + FETCH_TIMEOUT_S)
    proxies = urllib.request.ProxyHandler({} if is_loopback(url) else None)
    secure = urllib.request.HTTPSHandler(context=context)
    opener = urllib.request.build_opener(proxies, _NoRedirect, secure)
    with opener.open(url, timeout=FETCH_TIMEOUT_S) as response:
        data: bytes = response.read(MAX_SET_SIZE + 1)
    if len(data) > MAX_SET_SIZE:
        raise OperatorError(f"{url} has more than {MAX_SET_SIZE} bytes")
    return data


def _until(end: float) -> type[ssl.SSLSocket]:
    """Return sockets that cannot be read after `end` (monotonic seconds).

    A socket's own timeout starts anew with each byte, so a slow sender could hold it for hours.
    """

    class Socket(ssl.SSLSocket):
        def recv_into(
            self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0
        ) -> int:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"it took more than {FETCH_TIMEOUT_S} seconds")
            self.settimeout(left)
            return super().recv_into(buffer, nbytes, flags)

    return Socket
