"""Clients that only send: every message is prepared, nothing of OPAQUE's cost is theirs.

    python load.py < settings as JSON     ("ready" on stdout, "go" on stdin, then figures as JSON)

A bench client's private keys are 2 and 3, so its side of 3DH is two additions; the vault's work is
the same as for any other client. Each recovery has an access token of its own.
"""

from __future__ import annotations

import asyncio
import json
import resource
import secrets
import sys
import time
from pathlib import Path
from typing import Any, Final

import grpc

from strongroom_protocol.opaque import ake
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.group import GENERATOR, Element, Scalar, add
from strongroom_protocol.opaque.messages import KE1, KE2, AuthRequest, CredentialRequest
from strongroom_protocol.opaque.multiplication import scalar_multiply
from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_protocol.v1 import vault_pb2_grpc
from strongroom_vault.operator import issuer

SUITE: Final = pb.SUITE_OPAQUE_3DH_P256_SHA256
TWICE: Final = add(GENERATOR, GENERATOR)
RECORD: Final = add(TWICE, GENERATOR).encode() + bytes(96)
"""A registration record: public key of the private key 3; nobody will open the envelope."""


class Load:
    """Prepared messages, and what happened to them."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.kind: str = settings["kind"]
        self.vault_id: str = settings["vault_id"]
        self.latencies: list[float] = []
        self.failures = 0
        count: int = settings["count"]
        folder = Path(settings["issuer"])
        accounts: list[str] = settings["accounts"]
        self.jobs = [
            (account, self._metadata(folder, account), element)
            for account, element in zip(
                (accounts[n % len(accounts)] for n in range(count)), _elements(count), strict=True
            )
        ]

    def _metadata(self, folder: Path, account: str) -> tuple[tuple[str, str]]:
        token = issuer.issue(folder, self.vault_id, account, "register recover", 900)
        return (("authorization", f"Bearer {token}"),)

    async def run(self) -> dict[str, object]:
        """Connect all clients, wait for "go", send everything, return the figures."""
        certificate = Path(self.settings["certificate"]).read_bytes()
        credentials = grpc.ssl_channel_credentials(certificate)
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
        channels = [
            grpc.aio.secure_channel(self.settings["address"], credentials, options=options)
            for _ in range(self.settings["clients"])
        ]
        stubs = [vault_pb2_grpc.BackupKeyVaultStub(channel) for channel in channels]
        answers = await asyncio.gather(
            *(stub.GetVault(pb.GetVaultRequest(suite=SUITE)) for stub in stubs)
        )
        static = Element.decode(answers[0].identity_public_key)
        self.static_product = add(static, static)
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(self._client(stub) for stub in stubs))
        seconds = time.perf_counter() - began
        used = time.process_time() - cpu
        for channel in channels:
            await channel.close()
        return {
            "seconds": seconds,
            "client_cpu_s": used,
            "latencies": self.latencies,
            "failures": self.failures,
            "max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }

    async def _client(self, stub: Any) -> None:
        send = self._recover if self.kind == "recovery" else self._register
        while self.jobs:
            job = self.jobs.pop()
            began = time.perf_counter()
            await send(stub, *job)
            self.latencies.append(time.perf_counter() - began)

    async def _recover(self, stub: Any, account: str, metadata: Any, element: Element) -> None:
        request = AuthRequest(secrets.token_bytes(32), TWICE)
        ke1 = KE1(CredentialRequest(element), request)
        started = await stub.StartRecovery(
            pb.StartRecoveryRequest(suite=SUITE, ke1=ke1.encode()), metadata=metadata
        )
        ke3 = self._proof(account, ke1, KE2.decode(started.ke2))
        await stub.FinishRecovery(
            pb.FinishRecoveryRequest(suite=SUITE, recovery_state=started.recovery_state, ke3=ke3),
            metadata=metadata,
        )

    def _proof(self, account: str, ke1: KE1, ke2: KE2) -> bytes:
        response = ke2.auth_response
        ephemeral = response.server_public_keyshare
        twice = add(ephemeral, ephemeral)
        identities = Identities(account.encode(), f"strongroom/v1/{self.vault_id}".encode())
        transcript = ake.preamble(
            b"",
            identities.of_client(TWICE),
            ke1,
            identities.of_server(TWICE),
            ke2.credential_response,
            response.server_nonce,
            ephemeral,
        )
        shared = (twice, self.static_product, add(twice, ephemeral))
        return ake.handshake(shared, transcript).client_mac

    async def _register(self, stub: Any, _account: str, metadata: Any, element: Element) -> None:
        started = await stub.StartRegistration(
            pb.StartRegistrationRequest(suite=SUITE, registration_request=element.encode()),
            metadata=metadata,
        )
        await stub.FinishRegistration(
            pb.FinishRegistrationRequest(
                suite=SUITE,
                registration_state=started.registration_state,
                registration_record=RECORD,
                sealed_backup_key=secrets.token_bytes(60),
            ),
            metadata=metadata,
        )


def _elements(count: int) -> list[Element]:
    """Different elements, each made by one addition."""
    element = scalar_multiply(Scalar.random(), GENERATOR)
    found = []
    for _ in range(count):
        element = add(element, TWICE)
        found.append(element)
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Load(json.loads(sys.stdin.readline())).run())))
