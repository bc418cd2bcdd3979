"""The parts of a vault that follow from its settings alone."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from strongroom_protocol import __version__
from strongroom_protocol.answers import VaultParameters
from strongroom_vault.api.key_sets import KeySet, KeySetFile, KeySetUrl
from strongroom_vault.platform import traces
from strongroom_vault.platform.locks import lock_exclusively
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from strongroom_vault.settings.config import Settings


def set_up_traces(settings: Settings, up: AsyncExitStack) -> None:
    """Send traces to the collector that the settings name, if they name one."""
    if settings.traces.endpoint is not None:
        stop = traces.configure(
            settings.traces.endpoint, settings.traces.ratio, settings.vault.id, __version__
        )
        up.push_async_callback(asyncio.to_thread, stop)


def open_store(settings: Settings, up: AsyncExitStack) -> SqliteStore:
    """Lock the token, then open the store.

    Raises:
        OperatorError: another vault has one of them, or there is no store of this vault.
    """
    # The token first, and every vault in this order: of two that start at once one gets both. In
    # different orders each could get one, and both would give up.
    lock = lock_exclusively(
        settings.token.pin_file,
        f"another vault uses the token whose PIN is in {settings.token.pin_file}",
    )
    up.callback(os.close, lock)
    store = SqliteStore(settings.store.path, settings.vault.id)
    up.callback(store.close)
    return store


def parameters(settings: Settings, identity_public_key: bytes) -> VaultParameters:
    """Return the public parameters of the vault."""
    return VaultParameters(
        vault_id=settings.vault.id,
        identity_public_key=identity_public_key,
        stretching=settings.stretching.argon2id(),
        attempt_limit=settings.vault.attempt_limit,
        minimum_attempt_limit=settings.vault.minimum_attempt_limit,
        maximum_attempt_limit=settings.vault.attempt_limit,
    )


def key_set(settings: Settings) -> KeySet:
    """Return the keys of the trusted issuer."""
    tokens = settings.access_tokens
    if tokens.jwks_file is not None:
        return KeySetFile(tokens.jwks_file)
    if tokens.jwks_url is not None:
        return KeySetUrl(tokens.jwks_url)
    raise RuntimeError("settings without a key set passed their check")
