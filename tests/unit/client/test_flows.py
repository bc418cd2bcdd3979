"""What a client asks first, and what names the two sides of its messages."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lying_vault import KEY_ID, NOW, LyingVault, drive

from strongroom import ActiveKey, DestroyedKey, KeyExists, WrongVault, flows, requests
from strongroom.attempts import InMemory


def test_the_identities_name_protocol_vault_and_account() -> None:
    identities = LyingVault().party.identities
    assert (identities.client, identities.server) == (b"alice", b"strongroom/v1/vault.test")


def test_a_sealed_key_is_bound_to_vault_account_and_key() -> None:
    binding = LyingVault().party.binding(KEY_ID)
    assert (binding.vault_id, binding.account, binding.key_id) == ("vault.test", "alice", KEY_ID)


def test_an_attempt_is_kept_where_the_application_says_or_else_in_the_process() -> None:
    party, kept = LyingVault().party, InMemory()
    assert replace(party, pending=kept).attempt_with(b"password") is kept
    first = party.attempt_with(b"password")
    first.save(bytes(32))
    assert party.attempt_with(b"password").load() == bytes(32)
    assert party.attempt_with(b"passwore").load() is None
    first.forget()


def test_whoever_answers_must_be_the_pinned_vault() -> None:
    vault = LyingVault()
    identity = vault.info.identity_public_key
    assert drive(flows.fetch_info(None), vault) == vault.info
    assert drive(flows.fetch_info(identity, "vault.test"), vault) == vault.info
    for pinned in ((bytes(33), None), (identity, "vault.other"), (None, "vault.other")):
        with pytest.raises(WrongVault):
            drive(flows.fetch_info(*pinned), vault)
    assert {type(request) for request in vault.asked} == {requests.GetVault}


def test_status_and_deletion_are_one_request_each() -> None:
    vault = LyingVault()
    assert isinstance(drive(flows.get_key(), vault), ActiveKey)
    drive(flows.delete(), vault)
    assert vault.asked == [requests.GetKey(), requests.DeleteKey()]


def test_a_key_that_is_not_to_be_replaced_is_named() -> None:
    with pytest.raises(KeyExists) as error:
        drive(flows.require_no_key(), LyingVault())
    assert error.value.key_id == KEY_ID
    destroyed = DestroyedKey(NOW, "attempt_limit")
    drive(flows.require_no_key(), LyingVault(GetKey=lambda _: destroyed))
    drive(flows.require_no_key(), LyingVault(GetKey=lambda _: None))
