"""What follows from the settings alone."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import msgspec
import pytest
from ledgers import make_store
from vault_process import SoftHsm, prepare_vault

from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_vault.api.key_sets import KeySetFile, KeySetUrl
from strongroom_vault.errors import OperatorError
from strongroom_vault.platform import traces
from strongroom_vault.platform.locks import lock_exclusively
from strongroom_vault.server import parts
from strongroom_vault.store.interface import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom_vault.settings.config import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    softhsm = SoftHsm(tmp_path, "/no/module", "label")
    softhsm.pin_file.touch()
    settings = prepare_vault(tmp_path / "vault", softhsm).settings()
    make_store(settings.store.path)
    return settings


async def test_token_and_store_are_locked_until_the_end(settings: Settings) -> None:
    async with AsyncExitStack() as up:
        parts.open_store(settings, up)
        async with AsyncExitStack() as other:
            with pytest.raises(OperatorError, match=r"another vault uses the token .*user\.pin"):
                parts.open_store(settings, other)
    async with AsyncExitStack() as up:
        parts.open_store(settings, up)


async def test_a_pin_file_that_is_missing_is_named_before_it_is_locked(settings: Settings) -> None:
    settings.token.pin_file.unlink()
    async with AsyncExitStack() as up:
        with pytest.raises(OperatorError) as caught:
            parts.open_store(settings, up)
    assert str(caught.value) == (
        "[token] pin_file (STRONGROOM_VAULT_TOKEN_PIN_FILE):"
        f" {settings.token.pin_file} does not exist"
    )


async def test_the_token_is_locked_before_the_store_is_opened(settings: Settings) -> None:
    settings.store.path.unlink()
    async with AsyncExitStack() as up:
        with pytest.raises((OperatorError, StoreError)):
            parts.open_store(settings, up)
        with pytest.raises(OperatorError, match="taken"):
            lock_exclusively(settings.token.pin_file, "taken")


def test_what_anybody_may_know(settings: Settings) -> None:
    vault = msgspec.structs.replace(settings.vault, attempt_limit=7, minimum_attempt_limit=2)
    known = parts.parameters(msgspec.structs.replace(settings, vault=vault), b"\x03" + bytes(32))
    assert (known.vault_id, known.identity_public_key) == ("vault.test", b"\x03" + bytes(32))
    assert (known.attempt_limit, known.minimum_attempt_limit) == (7, 2)
    assert known.maximum_attempt_limit == 7
    assert known.stretching == Argon2id(65536, 3, 4)


def test_the_issuers_keys_come_from_a_file_or_a_url(settings: Settings) -> None:
    def with_tokens(**tokens: object) -> Settings:
        access_tokens = msgspec.structs.replace(settings.access_tokens, **tokens)
        return msgspec.structs.replace(settings, access_tokens=access_tokens)

    assert isinstance(parts.key_set(settings), KeySetFile)
    url = with_tokens(jwks_file=None, jwks_url="https://issuer.example/jwks")
    assert isinstance(parts.key_set(url), KeySetUrl)
    with pytest.raises(RuntimeError):
        parts.key_set(with_tokens(jwks_file=None))


async def test_traces_are_sent_if_they_are_wanted(settings: Settings) -> None:
    async with AsyncExitStack() as up:
        parts.set_up_traces(settings, up)
        assert traces.trace("a call") is traces._NO_SPAN
        wanted = msgspec.structs.replace(settings.traces, endpoint="http://127.0.0.1:1")
        parts.set_up_traces(msgspec.structs.replace(settings, traces=wanted), up)
        assert traces._tracer is not None
    assert traces._tracer is None
