"""What commands for a running vault show of it."""

from __future__ import annotations

import json
from dataclasses import replace

from strongroom_vault.api.vault_status import VaultStatus
from strongroom_vault.cli import running

STATUS = VaultStatus(
    vault_id="vault.example",
    identity_public_key=bytes(33),
    version="1.2.3",
    started_at=0,
    serving=True,
    token_workers=4,
    token_workers_ready=3,
    token_workers_replaced=1,
    commits=5,
    changes=9,
    draining=False,
    in_flight=2,
)


def test_a_status_in_lines() -> None:
    lines = dict(line.split("  ", 1) for line in running._status_table(STATUS).splitlines())
    assert {name: value.strip() for name, value in lines.items()} == {
        "vault": "vault.example",
        "identity": "A" * 44,
        "version": "1.2.3",
        "serving": "yes",
        "since": "1970-01-01 00:00:00 UTC",
        "token workers": "3 of 4 ready, 1 replaced",
        "commits": "5 with 9 changed records",
    }


def test_a_vault_that_does_not_serve_says_why() -> None:
    assert running._serving(replace(STATUS, serving=False)) == "no"
    drained = replace(STATUS, serving=False, draining=True)
    assert running._serving(drained) == "no, drained by an operator; 2 calls in flight"


def test_a_status_as_json_has_the_identity_as_clients_know_it() -> None:
    fields = json.loads(running._status_json(STATUS))
    assert fields.pop("identity") == "A" * 44
    assert fields == {
        name: getattr(STATUS, name) for name in STATUS.__slots__ if name != "identity_public_key"
    }
