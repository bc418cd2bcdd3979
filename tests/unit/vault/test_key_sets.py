"""Where the issuers' keys come from: a file that only its owner can write, a real HTTPS server."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from strongroom_vault import issuer, tls
from strongroom_vault.auth import (
    MAX_AGE_S,
    REFRESH_S,
    AccessTokens,
    KeySetFile,
    KeySetUrl,
)
from strongroom_vault.errors import AccessTokenInvalid, OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VAULT_ID = "vault.test"


class Publisher:
    """Serves what `body` is; None for an error."""

    def __init__(self, folder: Path) -> None:
        self.body: bytes | None = b""
        self.asked = 0
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked += 1
                self.send_response(500 if publisher.body is None else 200)
                self.end_headers()
                self.wfile.write(publisher.body or b"")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / tls.CERTIFICATE_FILE, folder / tls.KEY_FILE)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}/jwks"


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    tls.create_self_signed(tmp_path, ("localhost",))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / tls.CERTIFICATE_FILE))
    found = Publisher(tmp_path)
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
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


async def is_believed(keys: KeySetUrl, token: str) -> bool:
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
    assert await KeySetUrl("http://localhost/jwks").find("key") is None


def test_a_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    new_issuer(tmp_path, "issuer")
    path = tmp_path / "issuer" / issuer.SET_FILE
    KeySetFile(path)
    for mode in (0o620, 0o602):
        path.chmod(mode)
        with pytest.raises(OperatorError, match="others can write"):
            KeySetFile(path)
