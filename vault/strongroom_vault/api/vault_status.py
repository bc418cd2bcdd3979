"""The status of the running vault, for its operators."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VaultStatus:
    """State of the running vault; fields as in admin.proto, times in ms."""

    vault_id: str
    identity_public_key: bytes
    version: str
    started_at: int
    serving: bool
    token_workers: int
    token_workers_ready: int
    token_workers_replaced: int
    commits: int
    changes: int
    draining: bool
    in_flight: int
