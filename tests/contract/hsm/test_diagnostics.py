"""The diagnostics find nothing wrong with the tokens of the tests, and leave nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nss import NssToken
from pkcs11 import Attribute, ObjectClass
from token_child import in_child

from strongroom_vault.hsm.token import vault_keys
from strongroom_vault.hsm.token.anchor_slots import AnchorSlots
from strongroom_vault.hsm.token.checks import LABELS
from strongroom_vault.hsm.token.diagnostics import Finding, diagnose_open
from strongroom_vault.hsm.token.open_token import OpenToken
from strongroom_vault.ledger.head import Anchored

if TYPE_CHECKING:
    import pkcs11
    from token_child import AnyToken


def _objects(session: pkcs11.Session) -> list[str]:
    return sorted(
        str(found[Attribute.LABEL]) for found in session.get_objects({Attribute.TOKEN: True})
    )


def _diagnosed(session: pkcs11.Session, module: str) -> tuple[list[Finding], list[str]]:
    return list(diagnose_open(OpenToken(session, module, LABELS))), _objects(session)


def _initialised(session: pkcs11.Session) -> None:
    vault_keys.create_missing_keys(session)
    AnchorSlots(session).replace(Anchored(7, bytes(32)))


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def test_an_empty_token(empty_token: AnyToken) -> None:
    findings, left = in_child(empty_token, _diagnosed, empty_token.module)
    found = by_check(findings)
    assert not [finding for finding in findings if finding.state == "failed"]
    assert found["RFC 9497 vectors"].state == "ok"
    assert "init" in found["vault's keys"].detail
    is_nss = isinstance(empty_token, NssToken)
    assert found["fast path"].state == ("note" if is_nss else "ok")
    assert left == []


def test_a_vaults_token(empty_token: AnyToken) -> None:
    in_child(empty_token, _initialised)
    before = in_child(empty_token, _objects)
    findings, left = in_child(empty_token, _diagnosed, empty_token.module)
    found = by_check(findings)
    assert not [finding for finding in findings if finding.state == "failed"]
    assert "wrap, unwrap" in found["wrap keys"].detail
    assert found["anchor's value"].detail == "commit 7"
    assert left == before


def _left_over(session: pkcs11.Session) -> None:
    vault_keys.create_missing_keys(session, LABELS)


def test_what_a_doctor_that_died_has_left_is_removed(empty_token: AnyToken) -> None:
    in_child(empty_token, _left_over)
    findings, left = in_child(empty_token, _diagnosed, empty_token.module)
    assert by_check(findings)["make keys"].state == "ok"
    assert left == []


def _spoilt(session: pkcs11.Session) -> None:
    _initialised(session)
    vault_keys.find_one(session, vault_keys.VAULT.root, ObjectClass.SECRET_KEY).destroy()
    for slot in list(session.get_objects({Attribute.LABEL: vault_keys.VAULT.anchor[0]})):
        slot.destroy()
    for slot in list(session.get_objects({Attribute.LABEL: vault_keys.VAULT.anchor[1]})):
        slot[Attribute.ID] = b"garbage"


def test_a_key_or_anchor_that_is_missing_is_found(empty_token: AnyToken) -> None:
    in_child(empty_token, _spoilt)
    findings, _ = in_child(empty_token, _diagnosed, empty_token.module)
    failed = {finding.check for finding in findings if finding.state == "failed"}
    assert failed == {"strongroom.root", "anchor's value"}
