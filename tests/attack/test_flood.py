"""Floods by callers without an access token: what they hold is bounded, and others are served.

Covered: connections, half-open handshakes, calls without a request, answers that nobody reads,
health watchers, calls taken back, pings; the limit of open files.
Not covered: more calls a second than the machine's cores can refuse, and floods from so many
addresses that all places for connections are theirs. docs/operations.md says what helps there.
`make flood` measures what honest clients feel.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from floods import (
    GOAWAY,
    HEALTH,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    PREFACE,
    VAULT,
    Flood,
    Kind,
    announced,
    call,
    ended,
    frames,
    kinds,
    settings,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc
from quick_account import QuickAccount
from raw_client import raw_client
from vault_process import make_softhsm, make_vault

from strongroom.errors import VaultUnreachable
from strongroom.requests import GetKey
from strongroom_protocol import labels
from strongroom_vault.api import anonymous, bounds, health, requests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from vault_process import VaultFolder, VaultProcess

FILES = 144
CONNECTIONS = FILES - bounds.DESCRIPTORS_IN_RESERVE - 2 * bounds.DESCRIPTORS_PER_WORKER
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultProcess]:
    """A vault that may open few files and take few calls at once."""
    folder = tmp_path_factory.mktemp("flood")
    made = make_vault(
        folder / "vault",
        make_softhsm(folder / "token"),
        listen={"address": "127.0.0.1:0", "max_in_flight": 8},
    )
    limited = ["prlimit", f"--nofile={FILES}:{FILES}", *made.command("serve")]
    with made.start(limited) as running:
        honest(running).register(running)
        yield running
        assert "internal error" not in running.log()
        assert "Traceback" not in running.log()
        assert running.stop() == 0


def honest(vault: VaultProcess) -> QuickAccount:
    """Somebody who wants to be served."""
    return QuickAccount("honest")


def flood(vault: VaultProcess, kind: Kind, connections: int) -> Flood:
    """Connections that come again 0.2 s after the vault has closed them."""
    return Flood(vault.port, vault.folder.certificate, kind, connections, comes_again_s=0.2)


def connected(vault: VaultProcess) -> ssl.SSLSocket:
    """A connection as far as TLS."""
    trusting = ssl.create_default_context(cafile=str(vault.folder.certificate))
    trusting.set_alpn_protocols(["h2"])
    plain = socket.create_connection(("127.0.0.1", vault.port))
    return trusting.wrap_socket(plain, server_hostname="localhost")


def rest(secure: ssl.SSLSocket) -> bytes:
    """What comes until nothing has come for 0.3 s."""
    secure.settimeout(0.3)
    heard = b""
    with suppress(TimeoutError):
        while received := secure.recv(65536):
            heard += received
    return heard


def channel(vault: VaultProcess) -> grpc.aio.Channel:
    """A connection of its own."""
    roots = grpc.ssl_channel_credentials(vault.folder.certificate.read_bytes())
    return grpc.aio.secure_channel(
        f"localhost:{vault.port}", roots, options=(("grpc.use_local_subchannel_pool", 1),)
    )


async def served(vault: VaultProcess) -> None:
    """An honest client is, over a new connection; it tries again as the library does."""
    account = honest(vault)

    async def insist(call: Callable[[VaultProcess], Any]) -> Any:
        async with asyncio.timeout(20):
            while True:
                with suppress(VaultUnreachable):
                    return await asyncio.to_thread(call, vault)
                await asyncio.sleep(0.2)

    await insist(account.register)
    assert await insist(account.recover) == account.sealed


async def nothing() -> AsyncIterator[bytes]:
    """The requests of a caller who opens a call and never sends one."""
    await asyncio.Event().wait()
    yield b""


async def refused(
    vault: VaultProcess, path: str, calls: int, token: str = ""
) -> list[tuple[Any, float]]:
    """Open so many calls on one connection, send no request; return status and seconds of each."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()

    async def one(open_channel: Any) -> tuple[Any, float]:
        began = time.monotonic()
        waiting = open_channel.stream_unary(path)(nothing(), metadata=metadata, timeout=20)
        return await waiting.code(), time.monotonic() - began

    async with channel(vault) as open_channel:
        return await asyncio.gather(*(one(open_channel) for _ in range(calls)))


def status(vault: VaultProcess) -> dict[str, Any]:
    """What the operator is told."""
    told: dict[str, Any] = json.loads(vault.folder.operator("status", "--json").stdout)
    return told


async def test_at_the_limit_of_files_connections_are_refused_first(vault: VaultProcess) -> None:
    async with flood(vault, kinds(1)["idle"], CONNECTIONS + 30) as idle:
        async with asyncio.timeout(20):
            while idle.open < CONNECTIONS:
                await asyncio.sleep(0.05)
        with raw_client(vault, "honest") as raw:  # at once, not when its time is over
            began = time.monotonic()
            with pytest.raises(VaultUnreachable):
                await asyncio.to_thread(raw.call, GetKey())
            assert time.monotonic() - began < 5
        os.kill(vault.workers()[0], signal.SIGKILL)
        async with asyncio.timeout(20):
            while (await asyncio.to_thread(status, vault))["token_workers_replaced"] == 0:
                await asyncio.sleep(0.1)
        assert idle.open == CONNECTIONS  # not one too many, and those that were there are still
    await served(vault)
    # Their descriptors are free again: half as many others find room at the same time. (Who is not
    # root may not count a vault's open files.)
    async with asyncio.timeout(20), flood(vault, kinds(1)["idle"], CONNECTIONS // 2) as others:
        while others.open < CONNECTIONS // 2:
            await asyncio.sleep(0.05)
    assert "fewer connections than max_connections" in vault.log()


async def test_a_caller_is_known_before_the_request(vault: VaultProcess) -> None:
    """Without an access token, a call that never sends its request is refused at once."""
    for code, seconds in await refused(vault, VAULT + "StartRecovery", bounds.MAX_STREAMS):
        assert code is grpc.StatusCode.UNAUTHENTICATED
        assert seconds < requests.REQUEST_S


async def test_requests_come_in_time(vault: VaultProcess) -> None:
    """A few calls wait for their request, not for ever; the others are refused at once."""
    paths = (VAULT + "GetVault", HEALTH + "Check", HEALTH + "Watch")
    for answers in await asyncio.gather(
        *(refused(vault, path, bounds.MAX_STREAMS) for path in paths)
    ):
        assert {code for code, _ in answers} == {grpc.StatusCode.UNAVAILABLE}
        waited = [seconds for _, seconds in answers if seconds > requests.REQUEST_S / 2]
        assert len(waited) == anonymous.MAX_CALLS
        assert max(waited) < requests.REQUEST_S + 5


@pytest.mark.parametrize(
    "kind", ["watch", "no body", "no body, GetVault", "no body, Check", "unread", "unread Watch"]
)
def test_a_connection_holds_few_calls(vault: VaultProcess, kind: str) -> None:
    """All but a few are over at once, whether their caller sends and reads or not."""
    sent = kinds(100)[kind]
    over = 100 if kind == "no body" else 100 - anonymous.MAX_CALLS
    with connected(vault) as secure:
        secure.sendall(sent.hello)
        heard = secure.recv(1000)
        secure.sendall(sent.calls)
        secure.settimeout(requests.REQUEST_S / 2)
        while len(ended(heard)) < over:
            heard += secure.recv(65536)
        assert len(ended(heard + rest(secure))) == over


def test_what_a_connection_may_open_and_send_ahead(vault: VaultProcess) -> None:
    """A call that is held open must not hold what its caller goes on to send."""
    with connected(vault) as secure:
        secure.sendall(PREFACE + settings())
        heard = announced(secure.recv(1000))
    assert heard[MAX_CONCURRENT_STREAMS] == bounds.MAX_STREAMS
    assert heard[INITIAL_WINDOW_SIZE] <= 2 * labels.MESSAGE_MAX_SIZE


async def test_calls_without_a_request_take_nobodys_place(vault: VaultProcess) -> None:
    """More than `max_in_flight` of them, anonymous and with an access token."""
    token = vault.folder.access_token("greedy")
    waiting = [
        asyncio.create_task(refused(vault, VAULT + "GetKey", 12, token)),
        *(asyncio.create_task(refused(vault, VAULT + "GetVault", 4)) for _ in range(4)),
    ]
    await asyncio.sleep(1)
    await served(vault)
    assert not any(task.done() for task in waiting)
    for task in waiting:
        assert {code for code, _ in await task} == {grpc.StatusCode.UNAVAILABLE}


@pytest.mark.parametrize("kind", list(kinds(1)))
async def test_honest_clients_are_served_beside(vault: VaultProcess, kind: str) -> None:
    async with flood(vault, kinds(128)[kind], CONNECTIONS // 3):
        await served(vault)


async def test_watchers(vault: VaultProcess) -> None:
    """So many and no more; each hears of changes, and of nothing else; none can stop the others."""
    unread = Kind(hello=PREFACE + settings(window=0), calls=call(1, HEALTH + "Watch"))
    async with flood(vault, unread, 1):
        channels = [channel(vault) for _ in range(health.MAX_WATCHERS // 4)]
        streams = [
            health_pb2_grpc.HealthStub(one).Watch(health_pb2.HealthCheckRequest())
            for one in channels
            for _ in range(anonymous.MAX_CALLS)
        ]
        firsts = await asyncio.gather(
            *(stream.read() for stream in streams), return_exceptions=True
        )
        refusals = [first for first in firsts if isinstance(first, grpc.aio.AioRpcError)]
        assert [refusal.code() for refusal in refusals] == [grpc.StatusCode.UNIMPLEMENTED]
        heard = [first.status for first in firsts if not isinstance(first, BaseException)]
        assert heard == [SERVING] * (health.MAX_WATCHERS - 1)
        await asyncio.sleep(2.5)  # looked at twice; nothing has changed
        watcher = streams[0] if firsts[0] not in refusals else streams[1]
        await asyncio.to_thread(vault.folder.operator, "drain")
        async with asyncio.timeout(10):
            assert (await watcher.read()).status == NOT_SERVING
            await asyncio.to_thread(vault.folder.operator, "resume")
            assert (await watcher.read()).status == SERVING
        for one in channels:
            await one.close()


def test_handshakes_come_to_an_end(vault: VaultProcess) -> None:
    """Nothing, half a ClientHello, TLS and no HTTP/2: closed in time, all of them."""
    with ExitStack() as opened:
        began = time.monotonic()
        sockets: list[socket.socket] = []
        for sent in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
            plain = opened.enter_context(socket.create_connection(("127.0.0.1", vault.port)))
            plain.sendall(sent)
            sockets.append(plain)
        for sent in (b"", PREFACE):
            secure = opened.enter_context(connected(vault))
            secure.sendall(sent)
            sockets.append(secure)
        for one in sockets:
            one.settimeout(bounds.HANDSHAKE_MS / 1000 + 10)
            while one.recv(1000):
                pass
        assert time.monotonic() - began < bounds.HANDSHAKE_MS / 1000 + 10


def test_connections_grow_old(vault_folder: VaultFolder) -> None:
    """At its age a connection is told to end; an honest client's calls do not notice."""
    age = {"STRONGROOM_VAULT_LISTEN_MAX_CONNECTION_AGE_S": "1"}
    with vault_folder.start(environment=age) as vault:
        honest(vault).register(vault)
        with connected(vault) as hostile, vault.connect("honest") as client:
            hostile.sendall(kinds(1)["unread Watch"].hello + kinds(1)["unread Watch"].calls)
            ends_at = time.monotonic() + 4
            while time.monotonic() < ends_at:
                assert client.status() is not None
            assert GOAWAY in {kind for kind, _, _ in frames(rest(hostile))}
        assert vault.stop() == 0


def test_a_watcher_does_not_delay_the_end(vault_folder: VaultFolder) -> None:
    """SIGTERM: watchers hear NOT_SERVING and are let go."""
    with vault_folder.start() as vault:
        roots = grpc.ssl_channel_credentials(vault.folder.certificate.read_bytes())
        with grpc.secure_channel(vault.address, roots) as open_channel:
            watch = health_pb2_grpc.HealthStub(open_channel).Watch(health_pb2.HealthCheckRequest())
            assert next(watch).status == SERVING
            began = time.monotonic()
            vault.process.send_signal(signal.SIGTERM)
            assert [answer.status for answer in watch] == [NOT_SERVING]
            assert vault.stop() == 0
            assert time.monotonic() - began < 8
