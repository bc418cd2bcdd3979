"""Floods: connections and HTTP/2 streams that cost their sender nothing, without an access token.

Frames are made by hand (RFC 9113; header fields of RFC 7541 without compression), because no client
library does what these do.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

HEALTH: Final = "/grpc.health.v1.Health/"
VAULT: Final = "/strongroom.v1.BackupKeyVault/"

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MESSAGE: Final = bytes([0, 0, 0, 0, 2, 8, 1])
"""Not compressed, two bytes: field 1 is 1. That is a GetVaultRequest."""

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
FRAME_HEADER: Final = 9
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 3, 4
CANCEL: Final = 8
STUFFED: Final = 4
LONG_MESSAGE: Final = struct.pack(">BI", 0, 16_000) + bytes(16_000)
CALLS_A_TURN: Final = 1
FRAMES_A_TURN: Final = 10


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame (RFC 9113 section 4.1)."""
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def frames(sent: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, flags and stream of each whole frame."""
    at = 0
    while at + FRAME_HEADER <= len(sent):
        length_and_kind, flags, stream = struct.unpack_from(">IBI", sent, at)
        yield length_and_kind & 0xFF, flags, stream
        at += FRAME_HEADER + (length_and_kind >> 8)


def ended(sent: bytes) -> set[int]:
    """The streams that the vault has ended."""
    return {
        stream
        for kind, flags, stream in frames(sent)
        if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM)
    }


def announced(sent: bytes) -> dict[int, int]:
    """The vault's own settings, of the frame that comes first."""
    length = int.from_bytes(sent[:3])
    return dict(struct.iter_unpack(">HI", sent[FRAME_HEADER : FRAME_HEADER + length]))


def settings(**values: int) -> bytes:
    """A SETTINGS frame; `window` is SETTINGS_INITIAL_WINDOW_SIZE."""
    window = values.get("window")
    payload = b"" if window is None else struct.pack(">HI", INITIAL_WINDOW_SIZE, window)
    return frame(SETTINGS, 0, 0, payload)


def _text(value: str) -> bytes:
    """A string literal (RFC 7541 section 5.2), of fewer than 127 + 128 octets."""
    octets = value.encode()
    if len(octets) < 127:
        return bytes([len(octets)]) + octets
    rest = len(octets) - 127
    length = bytearray([127])
    while rest >= 128:
        length.append(rest % 128 + 128)
        rest //= 128
    length.append(rest)
    return bytes(length) + octets


def fields(path: str, **more: str) -> bytes:
    """The header fields of a gRPC call: two indexed, the rest literals without indexing."""
    block = b"\x83\x87\x04" + _text(path) + b"\x01" + _text("localhost")
    for name, value in {"content-type": "application/grpc", "te": "trailers", **more}.items():
        block += b"\x00" + _text(name) + _text(value)
    return block


def call(stream: int, path: str, *, has_body: bool = True, **more: str) -> bytes:
    """One call: its header fields and, unless it is to wait for ever, a message."""
    opened = frame(HEADERS, END_HEADERS, stream, fields(path, **more))
    return opened + frame(DATA, END_STREAM, stream, MESSAGE) if has_body else opened


def many_calls(count: int, path: str, *, has_body: bool = True) -> bytes:
    """So many calls, on the first streams of a connection."""
    return b"".join(call(2 * n + 1, path, has_body=has_body) for n in range(count))


@dataclass(frozen=True, slots=True)
class Kind:
    """What each connection of a flood does.

    Attributes:
        is_tls: whether it gets as far as TLS.
        hello: what it sends first: preface and settings, which it waits to see answered.
        calls: what it sends then.
        again: bytes that it sends over and over afterwards, given the number of the turn.
        pause_s: between two of these.
    """

    is_tls: bool = True
    hello: bytes = PREFACE + settings()
    calls: bytes = b""
    again: Callable[[int], bytes] | None = None
    pause_s: float = 0.1


def kinds(streams: int) -> dict[str, Kind]:
    """All floods: so many streams on each connection, or ten turns a second that go on."""
    unread = PREFACE + settings(window=0)
    return {
        "watch": Kind(calls=many_calls(streams, HEALTH + "Watch")),
        "no body": Kind(calls=many_calls(streams, VAULT + "StartRecovery", has_body=False)),
        "no body, GetVault": Kind(calls=many_calls(streams, VAULT + "GetVault", has_body=False)),
        "no body, Check": Kind(calls=many_calls(streams, HEALTH + "Check", has_body=False)),
        "unread": Kind(hello=unread, calls=many_calls(streams, VAULT + "GetVault")),
        "unread Watch": Kind(hello=unread, calls=many_calls(streams, HEALTH + "Watch")),
        "stuffed": Kind(calls=b"".join(_stuffed(streams))),
        "idle": Kind(),
        "no preface": Kind(hello=b""),
        "no handshake": Kind(is_tls=False, hello=b""),
        "resets": Kind(again=lambda turn: b"".join(_resets(turn, CALLS_A_TURN))),
        "pings": Kind(again=lambda _: frame(PING, 0, 0, bytes(8)) * FRAMES_A_TURN),
        "settings": Kind(again=lambda _: settings() * FRAMES_A_TURN),
        "calls": Kind(again=lambda turn: b"".join(_calls(turn, CALLS_A_TURN))),
        "big metadata": Kind(again=_big_metadata),
    }


def _stuffed(streams: int) -> Iterator[bytes]:
    """Watchers that send on: a megabyte for each connection that nobody will ever read."""
    streams = min(streams, STUFFED)
    for number in range(streams):
        yield call(2 * number + 1, HEALTH + "Watch", has_body=False)
    for turn in range(64):
        stream = 2 * (turn % streams) + 1
        yield frame(DATA, 0, stream, LONG_MESSAGE if turn >= streams else MESSAGE)


def _calls(turn: int, count: int) -> Iterator[bytes]:
    """Whole calls, all of them to be refused."""
    for number in range(turn * count, (turn + 1) * count):
        yield call(2 * number + 1, VAULT + "StartRecovery")


def _resets(turn: int, count: int) -> Iterator[bytes]:
    """Calls that are taken back at once (CVE-2023-44487)."""
    for number in range(turn * count, (turn + 1) * count):
        stream = 2 * number + 1
        yield call(stream, VAULT + "StartRecovery", has_body=False)
        yield frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))


def _big_metadata(turn: int) -> bytes:
    """A call with 160 KB of metadata, in one block of ten frames."""
    stream = 2 * turn + 1
    rest = b"".join(b"\x00" + _text(f"x-{n}") + _text("v" * 16_000) for n in range(10))
    first = frame(HEADERS, 0, stream, fields(VAULT + "StartRecovery"))
    parts = [rest[at : at + 16_000] for at in range(0, len(rest), 16_000)]
    last = len(parts) - 1
    return first + b"".join(
        frame(CONTINUATION, END_HEADERS if n == last else 0, stream, part)
        for n, part in enumerate(parts)
    )


@dataclass(slots=True)
class Flood:
    """Connections of one kind, all from this process, which come again when they are closed.

    Attributes:
        open: how many are open now.
        closed: how often the vault has closed or refused one.
    """

    port: int
    certificate: Path
    kind: Kind
    connections: int
    host: str = "127.0.0.1"
    comes_again_s: float | None = 1.0
    open: int = 0
    closed: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        """Open all connections; those that the vault refuses are counted, too."""
        self._tasks = [asyncio.create_task(self._keep()) for _ in range(self.connections)]
        while self.open + self.closed < self.connections:
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._once()
            self.closed += 1
            if self.comes_again_s is None:
                return
            await asyncio.sleep(self.comes_again_s)

    async def _once(self) -> None:
        context = None
        if self.kind.is_tls:
            context = ssl.create_default_context(cafile=str(self.certificate))
            context.set_alpn_protocols(["h2"])
        reader, writer = await asyncio.open_connection(
            self.host,
            self.port,
            ssl=context,
            server_hostname="localhost" if context else None,
            ssl_handshake_timeout=60 if context else None,
        )
        try:
            self.open += 1
            await _open(reader, writer, self.kind)
            sending = asyncio.create_task(self._send_again(writer))
            try:
                while await reader.read(65536):
                    pass
            finally:
                sending.cancel()
        finally:
            self.open -= 1
            writer.transport.abort()

    async def _send_again(self, writer: asyncio.StreamWriter) -> None:
        turn = 0
        while self.kind.again is not None:
            writer.write(self.kind.again(turn))
            await writer.drain()
            await asyncio.sleep(self.kind.pause_s)
            turn += 1


async def _open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: Kind) -> None:
    """Do as a proper client does, which acknowledges the settings before it asks for anything."""
    if kind.hello:
        writer.write(kind.hello)
        await reader.readexactly(FRAME_HEADER)
        writer.write(frame(SETTINGS, ACK, 0, b"") + kind.calls)
