"""`client.js`, which 10.5 of docs/protocol.md names as an example, keeps what that page demands.

A middleman between it and a real vault loses or changes answers. Each test names its clauses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from middleman import Middleman
from opaque_p256_peer import Peer, PeerError
from raw_client import Guess, raw_client
from vault_process import REPOSITORY, VAULT_ID, VaultProcess

from strongroom import ActiveKey, BackupKey
from strongroom.flows import Party
from strongroom.requests import DeleteKey, FinishRecovery, GetKey
from strongroom.wire import encode
from strongroom_protocol.v1 import vault_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

pytestmark = pytest.mark.parametrize(  # where OPRF keys rest is nothing to a client
    "shared_vault", ["wrapped"], indirect=True, scope="session"
)

PASSWORD: Final = "correct horse battery staple"
KEY: Final = BackupKey(bytes(range(32)))
HEX: Final = KEY.to_bytes().hex()
LIMIT: Final = 3
LAST_WORDS: Final = "another destroys the key"


class Session:
    """The example client of one account, through a middleman."""

    def __init__(self, peer: Peer, vault: VaultProcess, account: str, middle: Middleman) -> None:
        self.peer = peer
        self.vault = vault
        self.account = account
        self.middle = middle
        self.connect()

    def connect(
        self, *pinned: str, scope: str = "register recover read delete", account: str | None = None
    ) -> None:
        """A new client, which knows nothing of earlier ones."""
        settings = {
            "protos": str(REPOSITORY / "protos"),
            "address": self.middle.address,
            "ca": str(self.vault.folder.certificate),
            "token": self.vault.folder.access_token(self.account, scope),
            "account": account or self.account,
            "patience": 1200,
        }
        self.peer.call("connect", settings, *pinned)
        self.middle.asked.clear()

    def refused(self, *call: str, match: str | None = None) -> PeerError:
        with pytest.raises(PeerError, match=match) as error:
            self.peer.call(*call)
        return error.value

    def protected(self) -> None:
        """A key that our client registered."""
        with self.vault.connect(self.account) as ours:
            ours.protect(KEY, PASSWORD, attempt_limit=LIMIT)

    def fail(self, count: int) -> None:
        """Use attempts."""
        with raw_client(self.vault, self.account) as raw:
            for number in range(count):
                started = raw.call(Guess.of(f"wrong {number}").call)
                with pytest.raises(Exception, match="Wrong password"):
                    raw.call(FinishRecovery(started.state, bytes(32)))

    @property
    def found(self) -> ActiveKey:
        with raw_client(self.vault, self.account) as raw:
            found = raw.call(GetKey())
        assert isinstance(found, ActiveKey)
        return found


@pytest.fixture
def session(peer: Peer, shared_vault: VaultProcess, account: str) -> Iterator[Session]:
    with Middleman(shared_vault) as middle:
        yield Session(peer, shared_vault, account, middle)


@pytest.mark.parametrize("password", ["\ud800", "a\tb", "\ue000", "", "\u00e9" * 513])
def test_what_no_client_takes(session: Session, password: str) -> None:
    """[3.3] Nothing is sent, neither to register nor to recover."""
    for call in (("protect", password, HEX), ("recover", password)):
        session.refused(*call, match="a password")
    assert session.middle.asked == []


def test_a_new_password_has_nothing_that_this_engine_does_not_know(session: Session) -> None:
    """[10.4]"""
    session.refused("protect", "a\u0378", HEX, match="newer than this program")
    assert session.middle.asked == []


def test_a_recovery_takes_what_other_clients_register(session: Session) -> None:
    """[10.4]"""
    password = "\u043f\u0430\u0440\u043e\u043b\u044c \u2764\ufe0f \U0001f468\u200d\U0001f469"
    with session.vault.connect(session.account) as ours:
        ours.protect(KEY, password)
    assert session.peer.call("recover", password.replace("\ufe0f", "")) == HEX


def test_an_answer_lost_at_the_limit(session: Session) -> None:
    """[6.7, 6.8, 8.4] Two wrong of three, then the right one, whose answers are all lost: the same
    bytes within the call and in the next one, and the key comes back."""
    session.protected()
    session.fail(2)
    session.middle.lost = {"StartRecovery"}
    session.refused("recover", PASSWORD, match="lost")
    assert len(session.middle.messages("StartRecovery")) > 1
    assert session.found.attempts_left == 0
    session.refused("recover", "another", match=LAST_WORDS)
    session.middle.lost = {"FinishRecovery"}
    session.refused("recover", PASSWORD, match="lost")
    session.middle.lost = set()
    assert session.peer.call("recover", PASSWORD) == HEX
    assert len(set(session.middle.messages("StartRecovery"))) == 1
    assert session.found.attempts_left == LIMIT
    session.peer.call("recover", PASSWORD)
    assert len(set(session.middle.messages("StartRecovery"))) == 2


def test_a_client_that_knows_nothing_of_the_last_attempt(session: Session) -> None:
    """[6.9] It does not destroy the key under the one that does."""
    session.protected()
    with raw_client(session.vault, session.account) as raw:
        for number in range(LIMIT):
            raw.call(Guess.of(f"wrong {number}").call)
    session.refused("recover", PASSWORD, match=LAST_WORDS)
    assert session.found.attempts_left == 0


def test_a_wrong_password_is_decided(session: Session) -> None:
    """[6.4, 6.8] Though the report is lost: the next try is another attempt."""
    session.protected()
    session.middle.lost = {"FinishRecovery"}
    for left in ("2", "1"):
        error = session.refused("recover", "wrong", match="WRONG_PASSWORD")
        assert error.details == {"attempts_left": left}
    assert len(set(session.middle.messages("StartRecovery"))) == 2


def test_a_key_that_goes_while_its_password_is_tested(session: Session) -> None:
    """[6.4] KEY_REPLACED is not shown as a wrong password."""
    session.protected()

    def deleting(answer: bytes) -> bytes:
        with raw_client(session.vault, session.account) as raw:
            raw.call(DeleteKey())
        return answer

    session.middle.changes = {"StartRecovery": deleting}
    session.refused("recover", "wrong", match="KEY_REPLACED")


def test_without_the_scope_read(session: Session) -> None:
    """[12.7] GetVault's stretching is tried then."""
    session.protected()
    session.connect(scope="recover")
    assert session.peer.call("recover", PASSWORD) == HEX


def test_another_accounts_access_token(session: Session) -> None:
    """[2.5] Nothing is registered for an account that is not the token's."""
    session.connect(account="bob")
    session.refused("protect", PASSWORD, HEX, match="another account")
    assert session.middle.asked == []


def test_two_recoveries_at_once(session: Session) -> None:
    """[6.8] They go one after the other, and the later one can be repeated."""
    session.protected()
    session.middle.lost = {"FinishRecovery"}
    session.refused("recoverTwice", "wrong", PASSWORD, match="lost")
    session.middle.lost = set()
    assert session.peer.call("recover", PASSWORD) == HEX
    assert len(set(session.middle.messages("StartRecovery"))) == 2


def test_the_new_key_is_kept_first(session: Session) -> None:
    """[5.8] What cannot be kept is not registered."""
    session.refused("protectWithoutRoom", PASSWORD, HEX, match="the disk is full")
    assert session.middle.messages("FinishRegistration") == []
    assert session.peer.call("status") == ["absent"]


def test_the_identity_is_pinned_when_it_is_proven(session: Session) -> None:
    """[4.2, 4.3, 4.4]"""
    session.protected()
    session.refused("recover", "wrong", match="WRONG_PASSWORD")
    assert session.peer.call("pinned") is None
    session.peer.call("recover", PASSWORD)
    pinned = session.peer.call("pinned")
    with session.vault.connect(session.account) as ours:
        assert pinned == {"identity": ours.identity(), "vault_id": VAULT_ID}
    session.connect(pinned["identity"], VAULT_ID)
    with pytest.raises(PeerError, match="another vault"):
        session.connect(pinned["identity"], "vault.other")
    session.connect(pinned["identity"])
    other = BackupKey.generate().to_bytes()
    change = changed(pb.GetVaultResponse, identity_public_key=b"\x02" + other)
    session.middle.changes = {"GetVault": change}
    session.refused("meet", match=r"another vault|malformed")


def test_how_a_rehearsal_ends(session: Session) -> None:
    """[5.6, 12.1]"""
    session.protected()
    key_id = session.found.key_id.hex()

    def ends(password: str = PASSWORD, key: str = HEX, key_id: str = key_id) -> str:
        error = session.refused("rehearse", password, key, key_id, match="rehearsal")
        assert error.kind == "RehearsalFailed"
        return str(error)

    session.middle.lost = {"StartRecovery"}
    assert ends() == "rehearsal cut off"
    session.middle.lost = set()
    assert session.peer.call("rehearse", PASSWORD, HEX, key_id) is None
    assert ends(password="wrong") == "rehearsal refuted"
    assert ends(key=bytes(32).hex()) == "rehearsal refuted"
    assert ends(key_id=bytes(16).hex()) == "rehearsal replaced"
    with raw_client(session.vault, session.account) as raw:
        raw.call(DeleteKey())
    assert ends() == "rehearsal refuted"


def changed(kind: type[Message], **fields: Any) -> Callable[[bytes], bytes]:
    """Put other values into an answer; dots in names are underscores twice."""

    def change(answer: bytes) -> bytes:
        message: Any = kind.FromString(answer)
        for name, value in fields.items():
            *path, last = name.split("__")
            target = message
            for part in path:
                target = getattr(target, part)
            setattr(target, last, value)
        return bytes(message.SerializeToString())

    return change


LIES: Final = {
    "another suite": ("GetVault", changed(pb.GetVaultResponse, suite=0)),
    "vault id": ("GetVault", changed(pb.GetVaultResponse, vault_id="Vault")),
    "no point": (
        "GetVault",
        changed(pb.GetVaultResponse, identity_public_key=b"\x02" + b"\xff" * 32),
    ),
    "identity": ("GetVault", changed(pb.GetVaultResponse, identity_public_key=bytes(32))),
    "limit": ("GetVault", changed(pb.GetVaultResponse, attempt_limit=1001)),
    "response": (
        "StartRegistration",
        changed(pb.StartRegistrationResponse, registration_response=bytes(65)),
    ),
    "key id": ("StartRegistration", changed(pb.StartRegistrationResponse, key_id=bytes(15))),
    "state": ("StartRegistration", changed(pb.StartRegistrationResponse, registration_state=b"")),
    "memory": (
        "StartRegistration",
        changed(pb.StartRegistrationResponse, stretching__memory_kib=65535),
    ),
    "passes": ("StartRegistration", changed(pb.StartRegistrationResponse, stretching__passes=17)),
    "lanes": ("StartRegistration", changed(pb.StartRegistrationResponse, stretching__lanes=0)),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_before_anything_is_registered(session: Session, lie: str) -> None:
    """[2.6, 2.8, 3.4, 3.7, 4.1, 5.2]"""
    call, change = LIES[lie]
    session.middle.changes = {call: change}
    refused = (
        session.refused("meet") if call == "GetVault" else session.refused("protect", PASSWORD, HEX)
    )
    assert refused.kind == "ProtocolError"
    assert session.middle.messages("FinishRegistration") == []


def other_server_key(answer: bytes) -> bytes:
    """The evaluation itself is a point, but not the vault's key."""
    message = pb.StartRegistrationResponse.FromString(answer)
    message.registration_response = message.registration_response[:33] * 2
    return message.SerializeToString()


def test_another_server_key_at_registration(session: Session) -> None:
    """[5.2]"""
    session.middle.changes = {"StartRegistration": other_server_key}
    session.refused("protect", PASSWORD, HEX, match="another vault")
    assert session.middle.messages("FinishRegistration") == []


def test_another_key_registered(session: Session) -> None:
    """[5.5]"""
    change = changed(pb.FinishRegistrationResponse, key_id=bytes(16))
    session.middle.changes = {"FinishRegistration": change}
    session.refused("protect", PASSWORD, HEX, match="registered another key")


def with_a_broken_mac(answer: bytes) -> bytes:
    """The server's MAC is the end of KE2."""
    message = pb.StartRecoveryResponse.FromString(answer)
    message.ke2 = message.ke2[:-1] + bytes([message.ke2[-1] ^ 1])
    return message.SerializeToString()


def test_a_broken_proof_of_the_vault(session: Session) -> None:
    """[6.4, 10.2] No KE3 but zeros leaves the client."""
    session.protected()
    session.middle.changes = {"StartRecovery": with_a_broken_mac}
    session.refused("recover", PASSWORD, match="WRONG_PASSWORD")
    (report,) = session.middle.messages("FinishRecovery")
    assert pb.FinishRecoveryRequest.FromString(report).ke3 == bytes(32)


def test_a_report_of_failure_that_is_accepted(session: Session) -> None:
    """[6.4] Whoever answers OK to 32 zero bytes lies."""
    session.protected()
    with session.vault.connect(session.account) as ours:
        party = Party(ours.info(), session.account)
    guess = Guess.of(PASSWORD)
    with raw_client(session.vault, session.account) as raw:
        good = guess.finish(party, raw.call(guess.call))
    session.middle.changes = {"StartRecovery": with_a_broken_mac}
    session.middle.instead = {"FinishRecovery": encode(good).SerializeToString()}
    assert session.refused("recover", PASSWORD, match="proves nothing").kind == "ProtocolError"


@pytest.mark.parametrize("key_id", [True, False])
def test_another_sealed_key(session: Session, key_id: bool) -> None:  # noqa: FBT001
    """[3.5, 6.5]"""
    session.protected()
    session.middle.changes = (
        {"StartRecovery": changed(pb.StartRecoveryResponse, key_id=bytes(16))}
        if key_id
        else {"FinishRecovery": changed(pb.FinishRecoveryResponse, sealed_backup_key=bytes(60))}
    )
    assert session.refused("recover", PASSWORD, match="another sealed key").kind == "ProtocolError"
