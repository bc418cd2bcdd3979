"""What the settings may say: defaults, bounds, and what other packages are given of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_vault.settings import config

TOKEN = config.Token(module=Path("/m.so"), label="l", pin_file=Path("/pin"), environment={"A": "b"})


def test_defaults_are_those_that_the_protocol_names() -> None:
    assert config.Stretching().argon2id() == Argon2id(memory_kib=65536, passes=3, lanes=4)
    vault = config.Vault(id="v")
    assert (vault.attempt_limit, vault.minimum_attempt_limit, vault.back_off_s) == (10, 3, ())
    assert (TOKEN.residency, TOKEN.workers, TOKEN.call_timeout_s) == ("wrapped", 2, 10.0)


def test_workers_get_paths_as_text() -> None:
    told = TOKEN.for_workers()
    assert (told.module, told.label, told.pin_file) == ("/m.so", "l", "/pin")
    assert told.environment == {"A": "b"}


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            config.VaultId,
            ("v", "vault.example-1", "a" * 64),
            ("", "-v", "v.", "V", "a" * 65, "v\n"),
        ),
        (
            config.Address,
            ("localhost:0", "[::1]:65535", "10.0.0.1:00443", "a:1"),
            ("localhost", "localhost:", ":1", "::1:1", "a:65536", "a b:1", "a:1\n", "[::1]"),
        ),
        (config.Limit, (1, 1000), (0, 1001)),
        (config.Seconds, (1, 31_622_400), (0, 31_622_401)),
    ],
    ids=["id", "address", "limit", "seconds"],
)
def test_bounds(kind: object, good: tuple[object, ...], bad: tuple[object, ...]) -> None:
    for value in good:
        assert msgspec.convert(value, kind) == value
    for value in bad:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, kind)


def test_stretching_is_never_below_rfc_9106() -> None:
    for name, least in (("memory_kib", 65536), ("passes", 3), ("lanes", 1)):
        stretching = msgspec.convert({name: least}, config.Stretching)
        assert getattr(stretching, name) == least
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({name: least - 1}, config.Stretching)
