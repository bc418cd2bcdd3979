"""Interoperability with Meta's opaque-ke, as npm @serenity-kit/opaque-p256.

Its client runs against a real vault over gRPC, and our OPAQUE client against its server.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from vault_process import REPOSITORY, VaultProcess

from strongroom import ActiveKey, BackupKey, WrongPassword
from strongroom.opaque import client
from strongroom.opaque.envelope import Identities
from strongroom.opaque.errors import EnvelopeRecoveryError
from strongroom.opaque.ksf import RFC9106_SECOND
from strongroom.opaque.messages import KE2, RegistrationResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = Path(__file__).parent
PASSWORD: Final = "correct horse battery staple"
PERMISSION_DENIED: Final = 7
FAILED_PRECONDITION: Final = 9

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None,
    reason="no node or npm on this machine",
)


class PeerError(Exception):
    """The peer's call failed; `code` is the gRPC status, if it was one."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["error"])
        self.code = answer["code"]


class Peer:
    """The process `peer.js`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", "peer.js"],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, name: str, **request: Any) -> Any:
        """Ask, and return the result."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"call": name, **request}) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if "error" in answer:
            raise PeerError(answer)
        return answer["result"]

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=20)


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    install = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(install, cwd=FOLDER, check=True, capture_output=True)
    process = Peer()
    yield process
    process.close()


@pytest.fixture
def connected(peer: Peer, shared_vault: VaultProcess, account: str) -> Peer:
    met = peer.call(
        "connect",
        proto="strongroom/v1/vault.proto",
        include=str(REPOSITORY / "protos"),
        address=shared_vault.address,
        ca=str(shared_vault.folder.certificate),
        token=shared_vault.folder.access_token(account),
        account=account,
    )
    assert met == {"vault_id": "vault.test"}
    return peer


def encoded(message: bytes) -> str:
    return urlsafe_b64encode(message).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_their_client_protects_and_both_recover(
    connected: Peer, shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    registered = connected.call("protect", password=PASSWORD, backup_key=key.to_bytes().hex())
    assert registered == {"attempts_left": 10}
    assert connected.call("recover", password=PASSWORD)["backup_key"] == key.to_bytes().hex()
    with shared_vault.connect(account) as vault:
        assert vault.recover(PASSWORD) == key


def test_our_client_protects_and_theirs_recovers(
    connected: Peer, shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(key, PASSWORD)
        assert connected.call("recover", password=PASSWORD)["backup_key"] == key.to_bytes().hex()
        with pytest.raises(WrongPassword):
            vault.recover("wrong")


def test_their_client_with_wrong_passwords_to_destruction(
    connected: Peer, shared_vault: VaultProcess, account: str
) -> None:
    with shared_vault.connect(account) as vault:
        vault.protect(BackupKey.generate(), PASSWORD, attempt_limit=3)
        for left in (2, 1):
            with pytest.raises(PeerError) as wrong:
                connected.call("recover", password="wrong")
            assert wrong.value.code == PERMISSION_DENIED
            status = vault.status()
            assert isinstance(status, ActiveKey)
            assert status.attempts_left == left
        with pytest.raises(PeerError) as destroyed:
            connected.call("recover", password="wrong")
        assert destroyed.value.code == FAILED_PRECONDITION


class Server:
    """Their server, with keys in memory, as our client meets it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._setup = peer.call("createSetup")
        self.identifiers = {"client": "alice", "server": "strongroom/v1/vault.test"}
        self.identities = Identities(client=b"alice", server=b"strongroom/v1/vault.test")
        self.record = ""

    def register(self, password: bytes) -> bytes:
        """Our client registers; returns the export key."""
        request, session = client.create_registration_request(password)
        answer = self._peer.call(
            "createRegistrationResponse",
            serverSetup=self._setup,
            userIdentifier="alice",
            registrationRequest=encoded(request.encode()),
        )
        response = RegistrationResponse.decode(decoded(answer["registrationResponse"]))
        public_key = self._peer.call("getPublicKey", setup=self._setup)
        assert encoded(response.server_public_key.encode()) == public_key
        record, export_key = client.finalize_registration_request(
            session, response, self.identities, RFC9106_SECOND
        )
        self.record = encoded(record.encode())
        return export_key

    def login(self, password: bytes) -> client.LoginResult:
        """Our client logs in, and their server accepts its proof with the same session key."""
        ke1, session = client.generate_ke1(password)
        started = self._peer.call(
            "startLogin",
            serverSetup=self._setup,
            userIdentifier="alice",
            registrationRecord=self.record,
            startLoginRequest=encoded(ke1.encode()),
            identifiers=self.identifiers,
        )
        ke2 = KE2.decode(decoded(started["loginResponse"]))
        ke3, result = client.generate_ke3(session, ke2, self.identities, RFC9106_SECOND)
        finished = self._peer.call(
            "finishLogin",
            serverLoginState=started["serverLoginState"],
            finishLoginRequest=encoded(ke3.encode()),
            identifiers=self.identifiers,
        )
        assert decoded(finished["sessionKey"]) == result.session_key
        return result


def test_our_client_against_their_server(peer: Peer) -> None:
    server = Server(peer)
    export_key = server.register(b"a password")
    for _ in range(3):
        assert server.login(b"a password").export_key == export_key
    with pytest.raises(EnvelopeRecoveryError):
        server.login(b"another")
