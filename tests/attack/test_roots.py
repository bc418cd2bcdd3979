"""The certificate of an invite, from whoever answers: the true one, a liar, something that hangs.

Attacks covered: another chain than the invited one; the invited certificate shown by somebody who
has no key for anything under it; a handshake that never begins, never ends, or has no end of data;
no TLS at all. Whoever answers in the vault's place sees two handshakes and nothing else.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from strongroom import AsyncVault, StrongroomError, Vault, VaultUnreachable, WrongVault
from strongroom.identity import decode_identity
from strongroom.roots import RootSearch
from strongroom_protocol.invite import Invite
from strongroom_vault.operator import development_ca

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

IDENTITY = decode_identity("Aytld0ZOuqnrXJIXYOEUbz7TqralPQF7X8IcwG_kqDqe")


def root_with(fingerprint: bytes, address: str, seconds: float) -> bytes:
    search = RootSearch(fingerprint, address, None, seconds)
    return search.root(search.result())


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on this machine that treats each connection so, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):  # closed at the end
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"localhost:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


class TlsServer:
    """Shakes hands with a chain and its key; keeps whatever it is told after that."""

    def __init__(self, folder: Path, presented: bytes = b"") -> None:
        chain = folder / "presented.pem"
        chain.write_bytes((folder / development_ca.CERTIFICATE_FILE).read_bytes() + presented)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(chain, folder / development_ca.KEY_FILE)
        self._context.set_alpn_protocols(["h2"])
        self.handshakes = 0
        self.heard = b""

    def __call__(self, connection: socket.socket) -> None:
        self.handshakes += 1
        with self._context.wrap_socket(connection, server_side=True) as secured:
            self.heard += secured.recv(1)


def authority(folder: Path) -> tuple[bytes, bytes]:
    """A development authority's certificate (PEM) and its fingerprint."""
    development_ca.create_self_signed(folder, ("localhost",))
    pem = (folder / development_ca.CA_CERTIFICATE_FILE).read_bytes()
    return pem, sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).digest()


def test_the_vaults_own_root_is_found_and_nothing_else(tmp_path: Path) -> None:
    pem, fingerprint = authority(tmp_path)
    with answering(TlsServer(tmp_path)) as address:
        found = root_with(fingerprint, address, 20)
        assert ssl.PEM_cert_to_DER_cert(found.decode()) == ssl.PEM_cert_to_DER_cert(pem.decode())
        with pytest.raises(WrongVault, match="certificate of the invite"):
            root_with(bytes(32), address, 20)


@pytest.mark.parametrize("kind", [Vault, AsyncVault])
async def test_who_shows_the_certificate_without_its_key_hears_nothing(
    tmp_path: Path, kind: type[Vault | AsyncVault]
) -> None:
    """The true authority's certificate is public: an impostor appends it to a chain of his own."""
    pem, fingerprint = authority(tmp_path / "true")
    authority(tmp_path / "false")
    impostor = TlsServer(tmp_path / "false", presented=pem)
    with answering(impostor) as address:
        invite = Invite(address, "vault.example", IDENTITY, fingerprint).encode()
        vault = kind.connect(invite=invite, access_token="e30.eyJzdWIiOiJhIn0.c2ln", timeout=2)
        with pytest.raises(StrongroomError):
            vault.status() if isinstance(vault, Vault) else await vault.status()
        if isinstance(vault, AsyncVault):
            await vault.close()
    assert impostor.handshakes >= 2
    assert impostor.heard == b""


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a name that has an IPv6 address, where the network carries none."""
    _, fingerprint = authority(tmp_path)
    with answering(TlsServer(tmp_path)) as address, socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.socket() as first, socket.socket() as second:  # its queue is full now
            for waiting in (first, second):
                waiting.settimeout(0)
                waiting.connect_ex(full.getsockname())
            port = int(address.rpartition(":")[2])
            places = [full.getsockname(), ("127.0.0.1", port)]
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            monkeypatch.setattr(
                socket, "getaddrinfo", lambda *_, **__: [(*kind, place) for place in places]
            )
            assert root_with(fingerprint, "vault.example:7443", 4)


def silent(connection: socket.socket) -> None:
    connection.settimeout(3)
    while connection.recv(4096):
        pass


def dripping(connection: socket.socket) -> None:
    """The beginning of a record, a byte at a time: each byte is progress, all of it is none."""
    connection.sendall(b"\x16\x03\x03\x3f\xff")
    for _ in range(100):
        connection.sendall(b"\x00")
        time.sleep(0.03)


def endless(connection: socket.socket) -> None:
    """Records of a handshake message that never ends."""
    header = b"\x16\x03\x03" + (16384).to_bytes(2, "big")
    connection.sendall(header + b"\x02\xff\xff\xff" + bytes(16380))
    while True:
        connection.sendall(header + os.urandom(16384))


def plain(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("answer", [silent, dripping, endless, plain, socket.socket.close])
def test_what_never_shows_a_chain_ends_in_time(answer: Callable[[socket.socket], None]) -> None:
    began = time.monotonic()
    with answering(answer) as address, pytest.raises(VaultUnreachable):
        root_with(bytes(32), address, 0.5)
    assert time.monotonic() - began < 10


def test_nobody_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(VaultUnreachable):
        root_with(bytes(32), f"127.0.0.1:{port}", 5)
