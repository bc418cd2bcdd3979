"""Where the issuers' keys come from: a file that only its owner can write, a real HTTPS server."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from strongroom_vault.api import key_sets
from strongroom_vault.api.auth import AccessTokens
from strongroom_vault.api.key_sets import (
    MAX_AGE_S,
    REFRESH_S,
    RETRY_S,
    KeySet,
    KeySetFile,
    KeySetUrl,
)
from strongroom_vault.errors import AccessTokenInvalid, OperatorError, Overloaded
from strongroom_vault.operator import development_ca, issuer
from strongroom_vault.platform.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VAULT_ID = "vault.test"


class Publisher:
    """Serves what `body` is, None for an error; redirects /jwks if it is told to."""

    def __init__(self, folder: Path) -> None:
        self.body: bytes | None = b""
        self.asked = 0
        self.redirection: str | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.dribbles = b""
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked += 1
                publisher.may_answer.wait(10)
                with suppress(OSError):  # who asked has left
                    for _ in range(20 if publisher.dribbles else 0):
                        self.wfile.write(publisher.dribbles)
                        time.sleep(0.1)
                if publisher.redirection and self.path == "/jwks":
                    self.send_response(302)
                    self.send_header("Location", publisher.redirection)
                else:
                    self.send_response(500 if publisher.body is None else 200)
                self.end_headers()
                self.wfile.write(publisher.body or b"")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            folder / development_ca.CERTIFICATE_FILE, folder / development_ca.KEY_FILE
        )
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}/jwks"


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    development_ca.create_self_signed(tmp_path, ("localhost",))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / development_ca.CERTIFICATE_FILE))
    found = Publisher(tmp_path)
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.may_answer.set()
    found.server.shutdown()
    found.server.server_close()
    thread.join()


def new_issuer(folder: Path, name: str) -> tuple[str, bytes]:
    """A token of a new issuer, and the issuer's JWK set."""
    place = folder / name
    place.mkdir()
    issuer.create_issuer(place)
    token = issuer.issue(place, VAULT_ID, "alice", "recover", 600)
    return token, (place / issuer.SET_FILE).read_bytes()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def is_believed(keys: KeySet, token: str) -> bool:
    try:
        await AccessTokens(VAULT_ID, keys).verify(token)  # which remembers no token
    except AccessTokenInvalid:
        return False
    return True


async def test_a_new_key_is_found_and_a_removed_one_goes(
    publisher: Publisher, tmp_path: Path
) -> None:
    (old, old_set), (new, new_set) = (new_issuer(tmp_path, name) for name in ("old", "new"))
    both = json.dumps({"keys": json.loads(old_set)["keys"] + json.loads(new_set)["keys"]})
    clock = Clock()
    keys = KeySetUrl(publisher.url, clock)
    publisher.body = old_set
    assert await is_believed(keys, old)
    publisher.body = both.encode()
    assert not await is_believed(keys, new)  # asked a moment ago
    clock.now += REFRESH_S
    assert await is_believed(keys, new)
    assert await is_believed(keys, old)
    asked = publisher.asked
    clock.now += MAX_AGE_S - 1
    assert await is_believed(keys, old)
    assert publisher.asked == asked
    publisher.body = new_set
    clock.now += 1
    assert not await is_believed(keys, old)
    assert await is_believed(keys, new)


async def test_keys_stand_while_the_publisher_is_away(
    publisher: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token, key_set = new_issuer(tmp_path, "issuer")
    clock = Clock()
    keys = KeySetUrl(publisher.url, clock)
    publisher.body = key_set
    assert await is_believed(keys, token)
    for body in (None, b"no JWK set"):
        publisher.body = body
        clock.now += MAX_AGE_S
        assert await is_believed(keys, token)
        assert "JWK set not fetched" in capsys.readouterr().out
    asked = publisher.asked
    assert await is_believed(keys, token)
    assert publisher.asked == asked  # not at every call


async def test_nothing_but_https_is_fetched() -> None:
    with pytest.raises(Overloaded):
        await KeySetUrl("http://localhost/jwks").find("key")


@pytest.mark.parametrize("place", ["/elsewhere", "https://localhost:{port}/elsewhere", "http://x/"])
async def test_no_redirection_is_followed(publisher: Publisher, tmp_path: Path, place: str) -> None:
    token, publisher.body = new_issuer(tmp_path, "issuer")
    publisher.redirection = place.format(port=publisher.server.server_port)
    with pytest.raises(Overloaded):
        await is_believed(KeySetUrl(publisher.url), token)
    assert publisher.asked == 1


@pytest.mark.parametrize("body", [None, b"", b"{}", b"no JWK set", b'{"keys": []}', b"x" * 300_000])
async def test_a_token_is_not_called_bad_while_the_publisher_is_away(
    publisher: Publisher, tmp_path: Path, body: bytes | None
) -> None:
    """Neither before the first set, nor when a newer key may stand in the next."""
    (old, old_set), (new, new_set) = (new_issuer(tmp_path, name) for name in ("old", "new"))
    both = json.dumps({"keys": json.loads(old_set)["keys"] + json.loads(new_set)["keys"]})
    clock = Clock()
    keys = KeySetUrl(publisher.url, clock)
    publisher.body = body
    for _ in range(3):
        with pytest.raises(Overloaded) as refused:
            await is_believed(keys, old)
        assert refused.value.retry_after == RETRY_S
    assert publisher.asked == 1
    clock.now += RETRY_S
    publisher.body = old_set
    assert await is_believed(keys, old)
    assert not await is_believed(keys, new)  # asked a moment ago
    clock.now += REFRESH_S
    publisher.body = body
    for _ in range(3):
        with pytest.raises(Overloaded):
            await is_believed(keys, new)
        assert await is_believed(keys, old)
    clock.now += RETRY_S
    publisher.body = both.encode()
    assert await is_believed(keys, new)


async def test_a_slow_publisher_delays_nobody_whose_key_is_known(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_sets, "WAIT_S", 0.01)
    monkeypatch.setattr(key_sets, "FETCH_TIMEOUT_S", 5)
    (old, publisher.body), (new, _) = (new_issuer(tmp_path, name) for name in ("old", "new"))
    clock = Clock()
    keys = KeySetUrl(publisher.url, clock)
    assert await is_believed(keys, old)
    publisher.may_answer.clear()
    clock.now += MAX_AGE_S
    async with asyncio.timeout(4):
        for _ in range(20):
            assert await is_believed(keys, old)
    async with asyncio.timeout(20):
        while publisher.asked < 2:  # the fetch runs in a thread, and may be slow to arrive
            await asyncio.sleep(0.01)
    monkeypatch.setattr(key_sets, "FETCH_TIMEOUT_S", 0.01)
    for _ in range(2):
        with pytest.raises(Overloaded):
            await is_believed(keys, new)
    assert publisher.asked == 2
    monkeypatch.setattr(key_sets, "FETCH_TIMEOUT_S", 5)
    publisher.may_answer.set()
    assert not await is_believed(keys, new)  # it is fetched, and the key is not there
    assert publisher.asked == 2


@pytest.mark.parametrize("dribbles", [b"HTTP/1.0 200 OK\r\n", b"H", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_a_publisher_that_dribbles_is_given_up(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, dribbles: bytes
) -> None:
    """Each byte is in time: of a status line, of header fields, of a body."""
    monkeypatch.setattr(key_sets, "FETCH_TIMEOUT_S", 0.5)
    publisher.dribbles = dribbles
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        key_sets._fetch(publisher.url)
    assert time.monotonic() - began < 3


ODD_KEYS = (
    "5",
    "null",
    '"x"',
    "[]",
    "{}",
    '{"kty": "EC"}',
    '{"kty": "EC", "crv": "P-256"}',
    '{"kty": ["EC"], "crv": {"P-256": 1}}',
    '{"kty": "EC", "crv": "P-256", "x": 5, "y": []}',
    '{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "alg": ["ES256"]}',
    '{"kty": "EC", "crv": "P-256", "x": "\\ud800", "y": "AA", "alg": "EdDSA"}',
    '{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}',
    '{"kty": "oct"}',
    '{"kty": "RSA", "e": "AQAB"}',
    f'{{"kty": "RSA", "e": "AQAB", "d": "{"_" * 9999}", "n": "{"_" * 9999}"}}',
)
"""Members of a set that cannot be used: of other kinds, incomplete, broken, slow to look at."""


async def test_a_good_key_is_found_among_those_that_cannot_be_used(tmp_path: Path) -> None:
    others = ",".join(ODD_KEYS)
    token, keys = new_issuer(tmp_path, "issuer")
    good = json.dumps(json.loads(keys)["keys"][0])
    path = tmp_path / "jwks.json"
    path.write_text(f'{{"keys": [{others}, {good}, {others}]}}')
    path.chmod(0o600)
    began = time.process_time()
    assert await is_believed(KeySetFile(path), token)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "odd",
    [
        *(f'{{"keys": [{member}]}}' for member in ODD_KEYS),
        '{"keys": [{"kty": "EC", "alg": ["ES256"]}]}',
        "[" * 100_000,
        "",
        "5",
        "null",
        "[]",
        '"keys"',
        '{"keys": {"kty": "EC"}}',
        '{"keys": "EC"}',
        f'{{"keys": [{"9" * 5000}]}}',
        f'{{"keys": [], "n": {"9" * 5000}}}',
        '{"keys": [' + "{}," * 80_000 + "{}]}",
        '{"keys": []}' + " " * 300_000,
    ],
    ids=range(len(ODD_KEYS) + 13),
)
async def test_keys_stand_while_the_file_is_odd(tmp_path: Path, odd: str) -> None:
    token, keys = new_issuer(tmp_path, "issuer")
    path = tmp_path / "jwks.json"
    path.write_bytes(keys)
    path.chmod(0o600)
    known = KeySetFile(path)
    path.write_text(odd)
    assert await is_believed(known, token)
    began = time.process_time()
    with pytest.raises(OperatorError, match=r"not a JWK set|more than|is empty"):
        KeySetFile(path)
    assert time.process_time() - began < 2


async def test_certificates_that_came_to_be_trusted_meanwhile(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, publisher.body = new_issuer(tmp_path, "issuer")
    clock = Clock()
    keys = KeySetUrl(publisher.url, clock)
    trusted = os.environ["SSL_CERT_FILE"]
    (tmp_path / "other").mkdir()
    development_ca.create_self_signed(tmp_path / "other", ("localhost",))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other" / development_ca.CERTIFICATE_FILE))
    with pytest.raises(Overloaded):
        await is_believed(keys, token)
    monkeypatch.setenv("SSL_CERT_FILE", trusted)
    clock.now += RETRY_S
    assert await is_believed(keys, token)


async def test_a_file_that_cannot_be_read_calls_no_token_bad(tmp_path: Path) -> None:
    (old, _), (new, new_set) = (new_issuer(tmp_path, name) for name in ("old", "new"))
    path = tmp_path / "old" / issuer.SET_FILE
    keys = KeySetFile(path)
    path.write_bytes(new_set[: len(new_set) // 2])
    assert await is_believed(keys, old)
    with pytest.raises(Overloaded):
        await is_believed(keys, new)
    path.write_bytes(new_set)
    assert await is_believed(keys, new)
    assert not await is_believed(keys, old)


def test_a_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    new_issuer(tmp_path, "issuer")
    path = tmp_path / "issuer" / issuer.SET_FILE
    KeySetFile(path)
    for mode in (0o620, 0o602):
        path.chmod(mode)
        with pytest.raises(OperatorError, match="others can write"):
            KeySetFile(path)


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY"])
async def test_no_proxy_leads_to_a_publisher_on_this_machine(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    token, publisher.body = new_issuer(tmp_path, "issuer")
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    assert await is_believed(KeySetUrl(publisher.url), token)


def test_which_hosts_are_this_machine() -> None:
    for here in (
        "https://localhost:1/x",
        "https://LOCALHOST.",
        "http://127.9.9.9",
        "http://[::1]:4",
    ):
        assert is_loopback(here)
    for elsewhere in (
        "https://localhost.example",
        "https://192.0.2.1",
        "https://[::2]",
        "",
        "https://[x",
    ):
        assert not is_loopback(elsewhere)
