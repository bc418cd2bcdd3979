"""Every byte that comes from outside may be anything: no INTERNAL, no crash, honest clients served.

STRONGROOM_FUZZ is the number of calls, 3,000 unless set; STRONGROOM_FUZZ_SEED their order.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc
import pytest
from quick_account import QuickAccount
from raw_client import Guess, raw_client

from strongroom.requests import FinishRecovery, GetKey, StartRegistration
from strongroom.wire import encode
from strongroom_protocol.convert import SUITE
from strongroom_protocol.opaque import client as opaque
from strongroom_protocol.v1 import vault_pb2
from strongroom_vault.hsm.framing import LENGTH_SIZE, FrameError, decode_answer, first_body, frame
from strongroom_vault.hsm.jobs import Failed, Ready

if TYPE_CHECKING:
    from vault_process import VaultFolder, VaultProcess

CALLS: Final = int(os.environ.get("STRONGROOM_FUZZ", "3000"))
SEED: Final = int(os.environ.get("STRONGROOM_FUZZ_SEED", "1"))
AT_ONCE: Final = 32
ACCOUNTS: Final = 8
ROUND: Final = 2500
"""After so many calls the accounts get new keys and access tokens.

A fuzzed key is soon deleted or destroyed, and a token lives ten minutes: without new ones the rest
of a long run would see nothing but NO_KEY and ACCESS_TOKEN_EXPIRED.
"""
REACHED_SOON: Final = {
    ("StartRecovery", "OK"),
    ("StartRecovery", "INVALID_ARGUMENT"),
    ("StartRecovery", "UNAUTHENTICATED"),
    ("GetKey", "OK"),
    ("NoSuchCall", "UNIMPLEMENTED"),
}
"""Some of the answers that every round meets: at least 7 times in each of 22 rounds."""
REACHED: Final = {
    *REACHED_SOON,
    ("StartRegistration", "OK"),
    ("FinishRegistration", "OK"),
    ("StartRecovery", "NOT_FOUND"),  # no key any more
    ("FinishRecovery", "PERMISSION_DENIED"),  # a wrong proof
    ("FinishRecovery", "ABORTED"),  # of another key
    ("DeleteKey", "OK"),
}
"""Some of the answers that a long run must have met; in one round some come by luck alone."""
SERVICE: Final = vault_pb2.DESCRIPTOR.services_by_name["BackupKeyVault"]
HARMLESS: Final = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNIMPLEMENTED,
}


class Fuzzer:
    """Makes calls: random ones, and real ones with something changed."""

    def __init__(self, vault: VaultProcess, seed: int) -> None:
        self.choose = random.Random(seed)
        methods = {method.name for method in SERVICE.methods}
        # The token takes long to make a key, and a deleted one ends what can be done with it.
        seldom = {"StartRegistration", "DeleteKey"}
        self.methods = [*sorted(methods - seldom) * 6, *sorted(seldom), "NoSuchCall"]
        self.accounts = [f"fuzzed-{number}" for number in range(ACCOUNTS)]
        self.tokens = {name: vault.folder.access_token(name) for name in self.accounts}
        self.seeds = {name: _real_messages(vault, name) for name in self.accounts}
        self.all_seeds = [seed for seeds in self.seeds.values() for seed in seeds.values()]

    def call(self) -> tuple[str, bytes, tuple[tuple[str, str | bytes], ...]]:
        """One call: method, message, metadata."""
        method = self.choose.choice(self.methods)
        account = self.choose.choice(self.accounts)
        if self.choose.random() < 0.1:
            message = self.choose.choice(self.all_seeds)  # of another method, perhaps
        elif self.choose.random() < 0.15:
            message = self.choose.randbytes(self.choose.choice((1, 2, 33, 98, 600, 20_000)))
        else:
            message = self._mutated(self.seeds[account].get(method, b""))
        return method, message, self._metadata(self.tokens[account])

    def _mutated(self, message: bytes) -> bytes:
        data = bytearray(message)
        for _ in range(self.choose.choice((0, 1, 1, 2, 5))):
            place = self.choose.randrange(len(data) + 1)
            match self.choose.randrange(5):
                case 0 if data:
                    data[place % len(data)] ^= 1 << self.choose.randrange(8)
                case 1:
                    del data[place : place + self.choose.randrange(1, 40)]
                case 2:
                    data[place:place] = self.choose.randbytes(self.choose.randrange(1, 40))
                case 3:
                    other = self.choose.choice(self.all_seeds)
                    data[place:] = other[self.choose.randrange(len(other) + 1) :]
                case _:
                    data += data[:place]
        return bytes(data)

    def _metadata(  # noqa: PLR0911 -- a table
        self, token: str
    ) -> tuple[tuple[str, str | bytes], ...]:
        match self.choose.randrange(12):
            case 0:
                return ()
            case 1:
                place = self.choose.randrange(len(token))
                changed = token[:place] + self.choose.choice("aA0._-") + token[place + 1 :]
                return (("authorization", f"Bearer {changed}"),)
            case 2:
                return (("authorization", f"Bearer {token}"), ("authorization", "Bearer x"))
            case 3:
                text = "".join(self.choose.choices("Bearer .:=~{}", k=self.choose.randrange(60)))
                return (("authorization", text.strip()),)
            case 4:
                return (
                    ("authorization", f"Bearer {token}"),
                    ("x-noise-bin", self.choose.randbytes(50)),
                )
            case 5:
                parts = token.split(".")
                self.choose.shuffle(parts)
                return (("authorization", f"Bearer {'.'.join(parts)}"),)
            case _:
                return (("authorization", f"Bearer {token}"),)


def _real_messages(vault: VaultProcess, name: str) -> dict[str, bytes]:
    """Register a key, prove its password, guess once; return a message for each method."""
    account = QuickAccount(name)
    account.register(vault)
    assert account.recover_patiently(vault) == account.sealed  # all attempts are left again
    finish, _ = account.begin(vault)
    guess = Guess.of("wrong")
    with raw_client(vault, name) as raw:
        started = raw.call(guess.call)
    proof = FinishRecovery(started.state, bytes(32))
    request, _ = opaque.create_registration_request(b"password")
    messages = (finish, guess.call, proof, StartRegistration(request.encode()), GetKey())
    return {
        "GetVault": vault_pb2.GetVaultRequest(suite=SUITE).SerializeToString(),
        "DeleteKey": vault_pb2.DeleteKeyRequest(suite=SUITE).SerializeToString(),
        **{type(message).__name__: encode(message).SerializeToString() for message in messages},
    }


async def pelt(vault: VaultProcess, fuzzer: Fuzzer, calls: int) -> set[tuple[str, str]]:
    """Make the calls, some at once; return the methods, each with each code of an answer."""
    met: set[tuple[str, str]] = set()
    roots = grpc.ssl_channel_credentials(vault.folder.certificate.read_bytes())
    async with grpc.aio.secure_channel(vault.address, roots) as channel:

        async def some(count: int) -> None:
            for _ in range(count):
                method, message, metadata = fuzzer.call()
                call: Any = channel.unary_unary(f"/{SERVICE.full_name}/{method}")
                answer = call(message, metadata=metadata, timeout=60)
                code = await answer.code()
                said = await answer.details()
                assert code in HARMLESS, (method, message.hex(), metadata, said)
                met.add((method, code.name))

        await asyncio.gather(*(some(calls // AT_ONCE) for _ in range(AT_ONCE)))
    return met


def is_well(vault: VaultProcess, log_before: int) -> None:
    """Same process, same workers, no bug in the log, and somebody new is served."""
    account = QuickAccount("honest")
    account.register(vault)
    assert account.recover_patiently(vault) == account.sealed
    log = vault.log()[log_before:]
    assert "internal error" not in log
    assert "Traceback" not in log
    assert "token worker lost" not in log
    assert vault.process.poll() is None


def test_calls(shared_vault: VaultProcess) -> None:
    before = len(shared_vault.log())
    met: set[tuple[str, str]] = set()
    for number in range(max(1, CALLS // ROUND)):
        fuzzer = Fuzzer(shared_vault, SEED + number)
        in_this_round = asyncio.run(pelt(shared_vault, fuzzer, min(CALLS, ROUND)))
        assert in_this_round >= REACHED_SOON
        met |= in_this_round
    assert met >= REACHED or CALLS < 10 * ROUND
    is_well(shared_vault, before)


def test_bytes_that_are_no_calls(shared_vault: VaultProcess) -> None:
    """Garbage instead of TLS, and garbage instead of HTTP/2 inside TLS."""
    before = len(shared_vault.log())
    choose = random.Random(SEED)
    trusting = ssl.create_default_context(cafile=str(shared_vault.folder.certificate))
    trusting.set_alpn_protocols(["h2"])
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for number in range(max(60, CALLS // 100)):
        with socket.create_connection(("localhost", shared_vault.port), timeout=10) as plain:
            garbage = choose.randbytes(choose.randrange(1, 4000))
            if number % 3 == 0:
                plain.sendall(garbage)
                continue
            with trusting.wrap_socket(plain, server_hostname="localhost") as secure:
                secure.sendall(preface + garbage if number % 3 == 1 else garbage)
    is_well(shared_vault, before)


@pytest.mark.parametrize("seed", range(3))
def test_answers_of_a_worker(seed: int) -> None:
    """The vault believes its workers nothing but messages that they may send."""
    choose = random.Random(seed)
    real = [frame(Failed("a problem")), frame(Ready(bytes(33), (bytes(32),)))]
    for _ in range(max(500, CALLS // 10)):
        body = bytearray(choose.choice(real)[LENGTH_SIZE:])
        for _ in range(choose.randrange(1, 4)):
            body[choose.randrange(len(body))] = choose.randrange(256)
        body = choose.choice((body, bytearray(choose.randbytes(choose.randrange(0, 200)))))
        try:
            decode_answer(bytes(body))
            first_body(body)
        except FrameError:
            continue


def test_many_connections_do_not_stop_honest_clients(vault_folder: VaultFolder) -> None:
    """As many idle connections as this process may open, at most 10,000, and some that babble."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(10_000 if CALLS > 10_000 else 2_000, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 500), hard))
    choose = random.Random(SEED)
    idle: list[socket.socket] = []
    try:
        room = {"STRONGROOM_VAULT_LISTEN_MAX_CONNECTIONS": str(2 * count + 200)}
        with vault_folder.start(environment=room) as vault:
            for number in range(count):
                idle.append(socket.create_connection(("localhost", vault.port), timeout=30))
                if number % 20 == 0:
                    idle[-1].sendall(choose.randbytes(100))
            account = QuickAccount("honest")
            account.register(vault)
            for _ in range(5):
                assert account.recover(vault) == account.sealed
            status = Path(f"/proc/{vault.process.pid}/status").read_text()
            memory = next(line for line in status.splitlines() if line.startswith("VmRSS"))
            assert int(memory.split()[1]) < 1_500_000, memory
            assert vault.stop() == 0
    finally:
        for connection in idle:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_one_account_cannot_fill_the_vault(vault_folder: VaultFolder) -> None:
    """Calls beyond an account's share are refused, uncharged, while others are served."""
    with vault_folder.start() as vault:
        greedy, modest = QuickAccount("greedy"), QuickAccount("modest")
        for account in (greedy, modest):
            account.register(vault)
        codes = asyncio.run(_greedy(vault, 200))
        assert codes.pop("OK") > 0
        assert set(codes) <= {"UNAVAILABLE", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"}
        assert "UNAVAILABLE" in codes
        assert modest.recover(vault) == modest.sealed
        assert vault.stop() == 0


async def _greedy(vault: VaultProcess, count: int) -> dict[str, int]:
    """So many guesses at once, for one account, and meanwhile another account asks."""
    codes: dict[str, int] = {}
    roots = grpc.ssl_channel_credentials(vault.folder.certificate.read_bytes())
    async with grpc.aio.secure_channel(vault.address, roots) as channel:
        call: Any = channel.unary_unary(f"/{SERVICE.full_name}/StartRecovery")
        metadata = (("authorization", f"Bearer {vault.folder.access_token('greedy')}"),)
        message = encode(Guess.of("wrong").call).SerializeToString()

        async def once() -> None:
            try:
                await call(message, metadata=metadata, timeout=60)
                code = "OK"
            except grpc.aio.AioRpcError as error:
                code = error.code().name
            codes[code] = codes.get(code, 0) + 1

        await asyncio.gather(*(once() for _ in range(count)))
    return codes
