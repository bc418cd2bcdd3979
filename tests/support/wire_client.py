"""Calls to a vault as proto messages or plain bytes: what a client in any language would send.

Nothing of `strongroom`'s client is between the test and the wire; `raw_client` is for tests that do
not care.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf import message_factory
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from strongroom_protocol.v1 import vault_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.message import Message
    from vault_process import VaultProcess

PATIENCE_S: Final = 60
"""A session of SoftHSM may lose sight of a resident key, until the vault has opened a new one."""
SERVICE: Final = pb.DESCRIPTOR.services_by_name["BackupKeyVault"]
ANSWERS: Final[dict[str, type[Message]]] = {
    method.name: message_factory.GetMessageClass(method.output_type) for method in SERVICE.methods
}


class Refused(Exception):
    """A status that is not OK.

    Attributes:
        code: of gRPC.
        reason: of ErrorInfo; None where the status has none.
        metadata: of ErrorInfo.
        retry_after: of RetryInfo, seconds; None where the status has none.
        trailing: all trailing metadata.
    """

    def __init__(self, error: Any) -> None:
        super().__init__(error.details())
        self.code: grpc.StatusCode = error.code()
        self.trailing: dict[str, Any] = dict(error.trailing_metadata())
        self.reason: str | None = None
        self.metadata: dict[str, str] = {}
        self.retry_after: float | None = None
        status = Status.FromString(self.trailing.get("grpc-status-details-bin", b""))
        for detail in status.details:
            self._read(detail)
        if self.reason is not None:
            assert status.code == self.code.value[0]

    def _read(self, detail: Any) -> None:
        info, retry = ErrorInfo(), RetryInfo()
        if detail.Unpack(info):
            assert info.domain == "strongroom"
            self.reason, self.metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(retry):
            self.retry_after = retry.retry_delay.ToMilliseconds() / 1000


class WireClient:
    """One connection of one account; a call is repeated only while the token is away."""

    def __init__(self, channel: grpc.Channel, access_token: str) -> None:
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {access_token}"),)

    def send(
        self, method: str, message: bytes, metadata: Sequence[tuple[str, str]] | None = None
    ) -> bytes:
        """Send plain bytes; return the answer's.

        Raises:
            Refused: the answer is a status.
        """
        call: Any = self._channel.unary_unary(f"/{SERVICE.full_name}/{method}")
        sent = self._metadata if metadata is None else metadata
        ends_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer: bytes = call(message, metadata=sent, timeout=30)
            except grpc.RpcError as error:
                refused = Refused(error)
                if refused.reason != "HSM_UNAVAILABLE" or time.monotonic() > ends_at:
                    raise refused from error
                time.sleep(0.1)
            else:
                return answer

    def call(self, request: Message, metadata: Sequence[tuple[str, str]] | None = None) -> Any:
        """Send a request; return the answer's message."""
        method = method_of(request)
        return ANSWERS[method].FromString(self.send(method, request.SerializeToString(), metadata))

    def left(self) -> int:
        """How many attempts GetKey says are left."""
        found = self.call(pb.GetKeyRequest(suite=pb.SUITE_OPAQUE_3DH_P256_SHA256))
        assert found.WhichOneof("state") == "active"
        left: int = found.active.attempts_left
        return left


def method_of(request: Message) -> str:
    """The call that a request belongs to."""
    return str(request.DESCRIPTOR.name.removesuffix("Request"))


@contextmanager
def wire_client(
    vault: VaultProcess, account: str, token: str | None = None
) -> Iterator[WireClient]:
    """A connection of an account, or with any access token."""
    roots = grpc.ssl_channel_credentials(vault.folder.certificate.read_bytes())
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
    with grpc.secure_channel(vault.address, roots, options=options) as channel:
        yield WireClient(channel, token or vault.folder.access_token(account))
