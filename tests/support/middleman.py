"""A TLS server between a client and a real vault, which loses or changes the vault's answers.

It forwards bytes, so the client under test may be written in any language.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self

import grpc

from strongroom_vault.operator import development_ca

if TYPE_CHECKING:
    from collections.abc import Callable

    from vault_process import VaultProcess

HOLDERS_TOKEN: Final = "authorization"


class Middleman:
    """Forwards calls one by one; `address` is where clients find it.

    Attributes:
        changes: what is done to an answer, by the name of the call.
        instead: messages that are forwarded in place of the client's, by the name of the call.
        lost: the calls whose answers are lost on the way back, after the vault gave them.
        asked: the calls and messages that were forwarded.
    """

    def __init__(self, vault: VaultProcess) -> None:
        self.changes: dict[str, Callable[[bytes], bytes]] = {}
        self.instead: dict[str, bytes] = {}
        self.lost: set[str] = set()
        self.asked: list[tuple[str, bytes]] = []
        certificate = vault.folder.certificate.read_bytes()
        key = (vault.folder.folder / development_ca.KEY_FILE).read_bytes()
        self._channel = grpc.secure_channel(
            vault.address,
            grpc.ssl_channel_credentials(certificate),
            options=(("grpc.use_local_subchannel_pool", 1),),
        )
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((_Handler(self._forward),))
        credentials = grpc.ssl_server_credentials([(key, certificate)])
        self.address = f"localhost:{self._server.add_secure_port('localhost:0', credentials)}"

    def messages(self, call: str) -> list[bytes]:
        """What was asked of one call."""
        return [message for name, message in self.asked if name == call]

    def _forward(self, method: str, request: bytes, context: Any) -> bytes:
        name = method.rpartition("/")[2]
        self.asked.append((name, request))
        said = context.invocation_metadata()
        metadata = [(key, value) for key, value in said if key == HOLDERS_TOKEN]
        call: Any = self._channel.unary_unary(method)
        error: Any
        answer = b""
        try:
            answer = call(self.instead.get(name, request), metadata=metadata, timeout=30)
        except grpc.RpcError as refusal:
            error = refusal
        else:
            error = None
        if name in self.lost:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the answer was lost")
        if error is not None:
            context.set_trailing_metadata(error.trailing_metadata())
            context.abort(error.code(), error.details())
        return self.changes.get(name, bytes)(answer)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()
        self._channel.close()


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, forward: Callable[[str, bytes, Any], bytes]) -> None:
        self._forward = forward

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        method = handler_call_details.method

        def forward(request: bytes, context: Any) -> bytes:
            return self._forward(method, request, context)

        return grpc.unary_unary_rpc_method_handler(forward)
