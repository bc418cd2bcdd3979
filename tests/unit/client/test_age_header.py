"""What the header of an age file says, beside what pyrage itself does with the file."""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING

import pyrage
import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers

from strongroom import BackupDamaged, BackupKey, NotABackup, WrongKey
from strongroom.age_header import CHUNK, read_header

if TYPE_CHECKING:
    from strongroom.age_header import AgeHeader

PIPE = os.pipe()[0]
KEY = BackupKey(bytes(range(32)))
OTHER = BackupKey(bytes(32))


def encrypted(content: bytes, *keys: BackupKey) -> bytes:
    recipients = [pyrage.x25519.Recipient.from_str(key.age_recipient) for key in keys or (KEY,)]
    return bytes(pyrage.encrypt(content, recipients))


def test_a_file_that_is_written_as_text() -> None:
    plain = b"text" * 100_000
    recipient = pyrage.x25519.Recipient.from_str(KEY.age_recipient)
    armored = bytes(pyrage.encrypt(plain, [recipient], armored=True))
    for text in (armored, armored.replace(b"\n", b"\r\n"), b"\n \n" + armored, armored + b"\n\n"):
        header = header_of(text)
        assert header.opens_with(KEY.to_bytes())
        assert not header.opens_with(OTHER.to_bytes())
        assert len(plain) <= header.content_size <= 2 * len(plain)
        out = io.BytesIO()
        KEY.decrypt(_Real(text), out)
        assert out.getvalue() == plain


def test_text_that_is_cut_off_or_changed() -> None:
    recipient = pyrage.x25519.Recipient.from_str(KEY.age_recipient)
    armored = bytes(pyrage.encrypt(b"text" * 1000, [recipient], armored=True))
    lines = armored.splitlines(keepends=True)
    for broken in (
        armored[:500],
        b"".join(lines[:-1]),
        b"".join([*lines[:20], *lines[21:]]),
        armored.replace(lines[20], b"*" + lines[20][1:]),
        b"".join([*lines[:3], b"\n", *lines[3:]]),
    ):
        with pytest.raises(BackupDamaged):
            KEY.decrypt(_Real(broken), io.BytesIO())


def test_what_is_wrong_is_told_apart_as_far_as_age_can() -> None:
    file = encrypted(b"text" * 50_000)
    mac = file.index(b"\n--- ") + 6
    with pytest.raises(WrongKey, match="does not open"):
        OTHER.decrypt(_Real(file), io.BytesIO())
    with pytest.raises(BackupDamaged, match="was changed"):
        KEY.decrypt(_Real(_flipped(file, mac)), io.BytesIO())
    another = b"A" if file[40:41] != b"A" else b"B"  # of the same alphabet
    with pytest.raises(WrongKey):  # nothing tells whether the key or the stanza is another
        KEY.decrypt(_Real(file[:40] + another + file[41:]), io.BytesIO())
    for size in (len(file) - CHUNK, mac + 44 + 16 + CHUNK + 16):
        with pytest.raises(BackupDamaged, match="cut off"):
            KEY.decrypt(_Real(file[:size]), io.BytesIO())
    with pytest.raises(BackupDamaged, match="cut off or was changed"):
        KEY.decrypt(_Real(_flipped(file, len(file) - 3)), io.BytesIO())


def _flipped(file: bytes, at: int) -> bytes:
    return file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]


def test_a_wrong_key_is_known_before_anything_is_written() -> None:
    class NoWriter(io.BytesIO):
        def write(self, _data: object, /) -> int:
            raise AssertionError("nothing may be written")

    reader = _Real(encrypted(bytes(20_000_000)))
    with pytest.raises(WrongKey):
        OTHER.decrypt(reader, NoWriter())
    assert reader.tell() <= 1_000_000


def header_of(file: bytes) -> AgeHeader:
    return read_header(io.BytesIO(file), len(file))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_the_size_of_the_content(size: int) -> None:
    assert header_of(encrypted(bytes(size))).content_size == size


def test_which_key_opens_it() -> None:
    header = header_of(encrypted(b"text"))
    assert header.opens_with(KEY.to_bytes())
    assert not header.opens_with(OTHER.to_bytes())
    for_two = header_of(encrypted(b"text", OTHER, KEY))
    assert for_two.opens_with(KEY.to_bytes())
    assert for_two.opens_with(OTHER.to_bytes())


def test_what_is_no_backup() -> None:
    scrypt = bytes(pyrage.passphrase.encrypt(b"text", "passphrase"))
    with pytest.raises(NotABackup, match="passphrase of its own"):
        header_of(scrypt)
    ssh = encrypted(b"text").replace(b"-> X25519 ", b"-> ssh-ed25519 ")
    with pytest.raises(NotABackup, match="another kind of key"):
        header_of(ssh)
    armored = b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n"
    with pytest.raises(NotABackup, match="not an encrypted backup"):
        header_of(armored)
    for other in (b"", b"age", b"PK\3\4", b"age-encryption.org/v2\n-> X25519 x\n", bytes(1000)):
        with pytest.raises(NotABackup, match="not an encrypted backup"):
            header_of(other)


def test_a_file_that_is_cut_off_anywhere_in_its_header() -> None:
    file = encrypted(b"")
    end = len(file) - 16 - 16
    for size in range(len(b"age-encryption.org/v1\n"), end + 32):
        with pytest.raises(BackupDamaged):
            header_of(file[:size])
    header_of(file)


def test_garbled_headers() -> None:
    file = encrypted(b"text")
    for before, after in (
        (b"-> X25519 ", b"-> X25519 A"),
        (b"-> X25519 ", b"-> X25519  "),
        (b"-> X25519 ", b"=> X25519 "),
        (b"-> X25519 ", b"->X25519 "),
        (b"-> X25519 ", b"->\nX25519 "),
        (b"-> X25519 ", b"-> X25519 \xff"),
    ):
        with pytest.raises(BackupDamaged):
            header_of(file.replace(before, after, 1))


@pytest.mark.parametrize(
    "more", [b"-> a b\n\n" * 100_000, b"-> " + b"a" * 1_000_000, b"\n" * 1_000_000]
)
def test_a_header_without_an_end(more: bytes) -> None:
    with pytest.raises((BackupDamaged, NotABackup)):
        header_of(b"age-encryption.org/v1\n" + more)


def test_many_recipients_take_bounded_time() -> None:
    """As many as the header's bound has room for; the right one is the last."""
    others = [pyrage.x25519.Identity.generate().to_public() for _ in range(2500)]
    mine = pyrage.x25519.Recipient.from_str(KEY.age_recipient)
    began = time.process_time()
    header = header_of(bytes(pyrage.encrypt(b"text", [*others, mine])))
    assert header.opens_with(KEY.to_bytes())
    assert not header.opens_with(OTHER.to_bytes())
    assert time.process_time() - began < 10
    with pytest.raises(NotABackup, match="more recipients"):
        header_of(bytes(pyrage.encrypt(b"text", others * 2)))


def test_a_share_of_low_order_opens_with_no_key() -> None:
    file = encrypted(b"text")
    begin = file.index(b"-> X25519 ") + len(b"-> X25519 ")
    low = file[:begin] + b"A" * 43 + file[begin + 43 :]
    assert not header_of(low).opens_with(KEY.to_bytes())


@given(at=integers(min_value=0), byte=binary(min_size=1, max_size=1))
def test_a_changed_byte_never_makes_another_key_open_it(at: int, byte: bytes) -> None:
    file = bytearray(encrypted(b"text"))
    file[at % len(file) : at % len(file) + 1] = byte
    try:
        header = header_of(bytes(file))
    except (NotABackup, BackupDamaged):
        return
    assert not header.opens_with(OTHER.to_bytes())


def test_it_agrees_with_pyrage() -> None:
    for keys in ((KEY,), (OTHER,), (KEY, OTHER)):
        file = encrypted(b"text", *keys)
        out = io.BytesIO()
        if header_of(file).opens_with(KEY.to_bytes()):
            KEY.decrypt(_Real(file), out)
            assert out.getvalue() == b"text"
        else:
            with pytest.raises(WrongKey):
                KEY.decrypt(_Real(file), out)


class _Real(io.BytesIO):
    """Bytes with the descriptor of a pipe, whose size nobody knows."""

    def fileno(self) -> int:
        return PIPE
