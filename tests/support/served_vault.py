"""The vault in memory, served over gRPC and TLS on this machine; it refuses what a test says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from lying_vault import LyingVault
from tls_servers import certificate

from strongroom import requests
from strongroom.errors import WrongPassword
from strongroom_protocol.convert import SUITE, argon2id_to_proto
from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_protocol.v1 import vault_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class ServedVault:
    """Serves a LyingVault; `address` and `certificate` are what a client needs.

    Attributes:
        vault: who answers.
        refusals: statuses for the next calls, by the name of the call; a reason, or a bare code.
        calls: name, message and access token of each call that arrived.
    """

    def __init__(self, folder: Path) -> None:
        self.vault = LyingVault()
        self.refusals: dict[str, list[str | grpc.StatusCode]] = {}
        self.calls: list[tuple[str, bytes, str]] = []
        self.certificate = certificate(folder)
        pem = self.certificate.read_bytes()
        self._server = grpc.server(ThreadPoolExecutor(4))
        vault_pb2_grpc.add_BackupKeyVaultServicer_to_server(self, self._server)  # type: ignore[arg-type]
        credentials = grpc.ssl_server_credentials([(pem, pem)])
        self.address = f"localhost:{self._server.add_secure_port('localhost:0', credentials)}"

    def names(self) -> list[str]:
        """The calls that arrived."""
        return [name for name, _, _ in self.calls]

    def __getattr__(self, name: str) -> Callable[[Any, Any], Any]:
        def answer(message: Any, context: Any) -> Any:
            token = dict(context.invocation_metadata()).get("authorization", "")
            self.calls.append((name, message.SerializeToString(), token))
            if self.refusals.get(name):
                _refuse(context, self.refusals[name].pop(0))
            try:
                return _ANSWERS[name](self.vault.answer(_REQUESTS[name](message)))
            except WrongPassword as error:
                _refuse(context, "WRONG_PASSWORD", attempts_left=str(error.attempts_left))

        if name not in _REQUESTS:
            raise AttributeError(name)
        return answer

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()


def _refuse(context: Any, why: str | grpc.StatusCode, **metadata: str) -> None:
    if isinstance(why, grpc.StatusCode):
        context.abort(why, "")
    status = Status()
    status.details.add().Pack(ErrorInfo(reason=why, domain="strongroom", metadata=metadata))
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "")


_REQUESTS: dict[str, Callable[[Any], requests.Request[Any]]] = {
    "GetVault": lambda _: requests.GetVault(),
    "StartRegistration": lambda m: requests.StartRegistration(m.registration_request),
    "FinishRegistration": lambda m: requests.FinishRegistration(
        m.registration_state, m.registration_record, m.sealed_backup_key, m.attempt_limit
    ),
    "StartRecovery": lambda m: requests.StartRecovery(m.ke1),
    "FinishRecovery": lambda m: requests.FinishRecovery(m.recovery_state, m.ke3),
    "GetKey": lambda _: requests.GetKey(),
    "DeleteKey": lambda _: requests.DeleteKey(),
}
_ANSWERS: dict[str, Callable[[Any], Any]] = {
    "GetVault": lambda a: pb.GetVaultResponse(
        suite=SUITE,
        vault_id=a.vault_id,
        identity_public_key=a.identity_public_key,
        stretching=argon2id_to_proto(a.stretching),
        attempt_limit=a.attempt_limit,
        minimum_attempt_limit=a.minimum_attempt_limit,
        maximum_attempt_limit=a.maximum_attempt_limit,
    ),
    "StartRegistration": lambda a: pb.StartRegistrationResponse(
        suite=SUITE,
        registration_response=a.registration_response,
        key_id=a.key_id,
        registration_state=a.state,
        stretching=argon2id_to_proto(a.stretching),
    ),
    "FinishRegistration": lambda a: pb.FinishRegistrationResponse(
        suite=SUITE,
        key_id=a.key_id,
        attempt_limit=a.attempt_limit,
        attempts_left=a.attempts_left,
        created_at=a.created_at,
    ),
    "StartRecovery": lambda a: pb.StartRecoveryResponse(
        suite=SUITE,
        ke2=a.ke2,
        key_id=a.key_id,
        recovery_state=a.state,
        attempts_left=a.attempts_left,
        stretching=argon2id_to_proto(a.stretching),
    ),
    "FinishRecovery": lambda a: pb.FinishRecoveryResponse(suite=SUITE, sealed_backup_key=a),
    "GetKey": lambda a: pb.GetKeyResponse(
        suite=SUITE,
        active=pb.GetKeyResponse.Active(
            key_id=a.key_id,
            attempt_limit=a.attempt_limit,
            attempts_left=a.attempts_left,
            created_at=a.created_at,
            stretching=argon2id_to_proto(a.stretching),
        ),
    ),
    "DeleteKey": lambda _: pb.DeleteKeyResponse(suite=SUITE),
}
