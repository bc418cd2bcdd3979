"""The token on a real module: RFC vectors with imported keys, attributes, lies, leftovers."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from opaque_vectors import own, published
from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11.exceptions import AttributeSensitive
from pkcs11.util.ec import encode_named_curve_parameters
from token_child import in_child

from strongroom_protocol.opaque import kdf, oprf, server
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.group import GENERATOR, ORDER, Element, Scalar, add
from strongroom_protocol.opaque.keys import SoftwareAkeKey
from strongroom_protocol.opaque.messages import KE1, RegistrationRecord, RegistrationRequest
from strongroom_protocol.opaque.multiplication import scalar_multiply
from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token import vault_keys
from strongroom_vault.hsm.token.errors import KeyNotFound, TokenError
from strongroom_vault.hsm.token.hot_operations import hot_operations
from strongroom_vault.hsm.token.objects import as_object
from strongroom_vault.hsm.token.token_key import TokenKey
from strongroom_vault.hsm.token.token_keys import TokenKeys
from strongroom_vault.records.record import StoredOprfKey

if TYPE_CHECKING:
    import pkcs11
    from opaque_vectors import Vector
    from token_child import AnyToken


@pytest.fixture
def token(empty_token: AnyToken) -> AnyToken:
    """A token with a vault's keys."""
    in_child(empty_token, _create)
    return empty_token


def _create(session: pkcs11.Session) -> None:
    vault_keys.create_missing_keys(session)


def imported(session: pkcs11.Session, module: str, scalar: Scalar) -> TokenKey:
    """A private key whose value we know, as a session object that is used as any other."""
    private = session.create_object(
        {
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            Attribute.KEY_TYPE: KeyType.EC,
            Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1"),
            Attribute.VALUE: scalar.encode(),
            Attribute.TOKEN: False,
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.DERIVE: True,
        }
    )
    hot = hot_operations(session, module)
    return TokenKey(hot, hot.key(as_object(private)), scalar_multiply(scalar, GENERATOR))


def left_behind(session: pkcs11.Session) -> int:
    return len(list(session.get_objects({Attribute.TOKEN: False})))


def _evaluate(
    session: pkcs11.Session, module: str, key: str, elements: list[tuple[str, str]]
) -> None:
    token_key = imported(session, module, Scalar.decode(bytes.fromhex(key)))
    before = left_behind(session)
    for blinded, evaluated in elements:
        assert token_key.evaluate(Element.decode(bytes.fromhex(blinded))).encode().hex() == (
            evaluated
        )
    assert left_behind(session) == before


def check_oprf(token: AnyToken, entry: Vector) -> None:
    seed, info = bytes.fromhex(entry["seed"]), bytes.fromhex(entry["keyInfo"])
    assert oprf.derive_key_pair(seed, info, 0).encode().hex() == entry["skSm"]
    pairs = [(vector["BlindedElement"], vector["EvaluationElement"]) for vector in entry["vectors"]]
    assert pairs
    in_child(token, _evaluate, token.module, entry["skSm"], pairs)


def test_rfc_9497_vectors(token: AnyToken) -> None:
    entry = next(entry for entry in published("oprf.json", 3) if entry["mode"] == 0)
    check_oprf(token, entry)


def test_our_own_oprf_vectors(token: AnyToken) -> None:
    check_oprf(token, own("oprf.json", 1)[0])


def _login(session: pkcs11.Session, module: str, vector: Vector) -> None:
    given = {name: bytes.fromhex(value) for name, value in vector["inputs"].items()}
    made = {name: bytes.fromhex(value) for name, value in vector["outputs"].items()}
    info = given["credential_identifier"] + b"OprfKey"
    scalar = oprf.derive_key_pair(kdf.expand(given["oprf_seed"], info, 32), b"OPAQUE-DeriveKeyPair")
    oprf_key = imported(session, module, scalar)
    server_key = imported(session, module, Scalar.decode(given["server_private_key"]))
    before = left_behind(session)
    response = server.create_registration_response(
        RegistrationRequest.decode(made["registration_request"]), server_key.public_key, oprf_key
    )
    assert response.encode() == made["registration_response"]
    ke2, expected = server.generate_ke2(
        KE1.decode(made["KE1"]),
        RegistrationRecord.decode(made["registration_upload"]),
        server_key,
        oprf_key,
        Identities(given.get("client_identity"), given.get("server_identity")),
        context=bytes.fromhex(vector["config"]["Context"]),
        fresh=server.Randomness(
            given["masking_nonce"],
            given["server_nonce"],
            SoftwareAkeKey.derive(given["server_keyshare_seed"]),
        ),
    )
    assert ke2.encode() == made["KE2"]
    assert expected.session_key == made["session_key"]
    assert expected.client_mac == made["KE3"]
    assert left_behind(session) == before


@pytest.mark.parametrize("number", range(2))
def test_rfc_9807_vectors(token: AnyToken, number: int) -> None:
    in_child(token, _login, token.module, published("opaque.json", 3)[number])


def _attributes(session: pkcs11.Session, module: str) -> None:
    for label, object_class in (
        (vault_keys.VAULT.wrap, ObjectClass.SECRET_KEY),
        (vault_keys.VAULT.root, ObjectClass.SECRET_KEY),
        (vault_keys.VAULT.identity, ObjectClass.PRIVATE_KEY),
    ):
        key = vault_keys.find_one(session, label, object_class)
        assert (key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE]) == (True, False)
        assert key[Attribute.PRIVATE]
        with pytest.raises(AttributeSensitive):
            key[Attribute.VALUE]
    keys = TokenKeys(session, module)
    assert keys.identity.is_non_extractable
    for is_resident in (False, True):
        stored = keys.oprf_keys.generate(resident=is_resident)
        assert stored.is_resident == is_resident
        with keys.oprf_keys.lend(stored) as lent:
            assert lent.is_non_extractable
            assert lent.evaluate(GENERATOR) == Element.decode(stored.public_key)


def test_no_key_can_leave(token: AnyToken) -> None:
    in_child(token, _attributes, token.module)


def _multiplication(session: pkcs11.Session, module: str) -> None:
    keys = TokenKeys(session, module)
    for is_resident in (False, True):
        with keys.oprf_keys.lend(keys.oprf_keys.generate(resident=is_resident)) as key:
            one, two = (scalar_multiply(Scalar.random(), GENERATOR) for _ in range(2))
            assert key.evaluate(add(one, two)) == add(key.evaluate(one), key.evaluate(two))
            assert key.evaluate(key.public_key) != key.public_key
            # The corner cases of finding y: the generator, its negative, the key's own point.
            minus = scalar_multiply(Scalar(ORDER - 1), GENERATOR)
            assert key.evaluate(GENERATOR) == key.public_key
            assert key.evaluate(minus).x == key.public_key.x
            assert key.evaluate(minus) != key.public_key


def test_multiplications_are_linear(token: AnyToken) -> None:
    in_child(token, _multiplication, token.module)


def _foreign(session: pkcs11.Session, module: str) -> None:
    keys = TokenKeys(session, module)
    ours, other = (keys.oprf_keys.generate(resident=False) for _ in range(2))
    before = left_behind(session)
    swapped = StoredOprfKey(ours.public_key, other.wrapped)
    with (
        keys.oprf_keys.lend(swapped) as key,
        pytest.raises(TokenError, match="another"),
    ):
        key.evaluate(scalar_multiply(Scalar.random(), GENERATOR))
    with (
        pytest.raises(KeyNotFound),
        keys.oprf_keys.lend(StoredOprfKey(ours.public_key, None)),
    ):
        pytest.fail("a resident key that is not there was lent")
    assert left_behind(session) == before


def test_a_key_that_is_not_the_records_is_caught(token: AnyToken) -> None:
    in_child(token, _foreign, token.module)


def _damaged(session: pkcs11.Session, module: str) -> None:
    keys = TokenKeys(session, module)
    stored = keys.oprf_keys.generate(resident=False)
    wrapped = stored.wrapped
    assert wrapped is not None
    before = left_behind(session)
    damaged = [
        b"",
        wrapped[:-1],
        wrapped[:-8],
        wrapped + bytes(8),
        os.urandom(len(wrapped)),
        *(
            bytes(byte ^ (place == position) for position, byte in enumerate(wrapped))
            for place in range(0, len(wrapped), 7)
        ),
    ]
    for blob in damaged:
        with (
            pytest.raises(TokenError) as refused,
            keys.oprf_keys.lend(StoredOprfKey(stored.public_key, blob)),
        ):
            pytest.fail("a damaged key was unwrapped")
        assert not refused.value.is_session_lost
    with keys.oprf_keys.lend(stored) as key:
        assert key.evaluate(GENERATOR).encode() == stored.public_key
    assert left_behind(session) == before


def test_a_damaged_wrapped_key_is_refused_and_nothing_else_suffers(token: AnyToken) -> None:
    in_child(token, _damaged, token.module)


def _leftovers(session: pkcs11.Session, module: str) -> None:
    keys = TokenKeys(session, module)
    stored = [keys.oprf_keys.generate(resident=is_resident) for is_resident in (False, True)]
    before = left_behind(session)
    for key in stored * 3:
        with ExitStack() as stack:
            stack.enter_context(pytest.raises(ZeroDivisionError))
            lent = stack.enter_context(keys.oprf_keys.lend(key))
            lent.evaluate(GENERATOR)
            assert 1 // 0
    for is_resident in (False, True):
        keys.oprf_keys.generate(resident=is_resident)
    assert left_behind(session) == before


def test_nothing_is_left_behind(token: AnyToken) -> None:
    in_child(token, _leftovers, token.module)


def _resident(session: pkcs11.Session, module: str) -> list[bytes]:
    keys = TokenKeys(session, module)
    made = [keys.oprf_keys.generate(resident=True).public_key for _ in range(5)]
    assert set(keys.oprf_keys.list_resident()) == set(made)
    assert keys.oprf_keys.destroy(made[0])
    assert not keys.oprf_keys.destroy(made[0])
    with pytest.raises(TokenError), keys.oprf_keys.lend(StoredOprfKey(made[0], None)):
        pytest.fail("a destroyed key was lent")
    assert set(keys.oprf_keys.list_resident()) == set(made[1:])
    return made[1:]


def _still_there(session: pkcs11.Session, module: str) -> list[bytes]:
    keys = TokenKeys(session, module)
    for public_key in keys.oprf_keys.list_resident():
        with keys.oprf_keys.lend(StoredOprfKey(public_key, None)) as key:
            assert key.evaluate(GENERATOR).encode() == public_key
    return list(keys.oprf_keys.list_resident())


def _destroyed(session: pkcs11.Session, module: str) -> None:
    keys = TokenKeys(session, module)
    stored = keys.oprf_keys.generate(resident=True)
    assert keys.oprf_keys.destroy(stored.public_key)
    with pytest.raises(KeyNotFound) as missing, keys.oprf_keys.lend(stored):
        pytest.fail("a key that was destroyed was lent")
    assert not missing.value.is_session_lost


def test_a_resident_key_that_is_not_there_costs_no_session(token: AnyToken) -> None:
    """Any account may ask for a recovery while it replaces its key."""
    in_child(token, _destroyed, token.module)


def test_resident_keys_outlive_the_session_until_they_are_destroyed(token: AnyToken) -> None:
    made = in_child(token, _resident, token.module)
    assert set(in_child(token, _still_there, token.module)) == set(made)


def _twice(session: pkcs11.Session, module: str) -> None:
    vault_keys.create_missing_keys(session)  # makes none: none is missing
    TokenKeys(session, module)
    vault_keys.find_one(session, vault_keys.VAULT.wrap, ObjectClass.SECRET_KEY).copy(
        {Attribute.TOKEN: True}
    )
    with pytest.raises(OperatorError, match=r"2 objects .* strongroom\.wrap"):
        TokenKeys(session, module)


def test_a_label_that_stands_for_two_keys_is_an_error(token: AnyToken) -> None:
    in_child(token, _twice, token.module)


def _rotation(session: pkcs11.Session, module: str) -> None:
    keys = TokenKeys(session, module)
    stored = keys.oprf_keys.generate(resident=False)
    before = left_behind(session)
    assert (keys.wrap_keys.numbers(), stored.wrap_key) == ((0,), 0)
    keys.wrap_keys.make((0,))
    keys.wrap_keys.make((0, 1))  # a repetition makes no third
    assert keys.wrap_keys.numbers() == (0, 1)
    again = keys.oprf_keys.rewrap(stored)
    assert (again.public_key, again.wrap_key) == (stored.public_key, 1)
    assert again.wrapped != stored.wrapped
    assert keys.oprf_keys.generate(resident=False).wrap_key == 1
    with pytest.raises(TokenError):
        keys.oprf_keys.rewrap(keys.oprf_keys.generate(resident=True))
    other = keys.oprf_keys.generate(resident=False)
    with pytest.raises(TokenError, match=r"another|record's"):
        keys.oprf_keys.rewrap(replace(stored, wrapped=other.wrapped, wrap_key=1))
    for either in (stored, again):
        with keys.oprf_keys.lend(either) as key:
            assert key.is_non_extractable
            assert key.evaluate(GENERATOR).encode() == stored.public_key
    assert left_behind(session) == before + 1  # the session's copy of the new wrap key
    keys.wrap_keys.destroy({5})
    assert keys.wrap_keys.numbers() == (0, 1)
    keys.wrap_keys.destroy({0, 1})  # never the newest
    assert keys.wrap_keys.numbers() == (1,)
    with pytest.raises(TokenError, match="wrap key 0"), keys.oprf_keys.lend(stored):
        pytest.fail("unwrapped by a destroyed key")
    with keys.oprf_keys.lend(again) as key:
        assert key.evaluate(_POINT) == scalar_multiply(Scalar(2), key.public_key)


_POINT = add(GENERATOR, GENERATOR)


def test_rotation_of_the_wrap_key(token: AnyToken) -> None:
    in_child(token, _rotation, token.module)


def _unaware(session: pkcs11.Session, module: str) -> None:
    keys, other = TokenKeys(session, module), TokenKeys(session, module)
    stored = keys.oprf_keys.generate(resident=False)
    other.wrap_keys.make((0,))
    again = other.oprf_keys.rewrap(stored)
    assert (stored.wrap_key, again.wrap_key) == (0, 1)
    with keys.oprf_keys.lend(again) as key:
        assert key.evaluate(GENERATOR).encode() == stored.public_key


def test_a_worker_that_does_not_know_of_a_rotation_yet(token: AnyToken) -> None:
    in_child(token, _unaware, token.module)


def _rewraps_unaware(session: pkcs11.Session, module: str) -> None:
    keys, other = TokenKeys(session, module), TokenKeys(session, module)
    stored = keys.oprf_keys.generate(resident=False)
    other.wrap_keys.make((0,))
    assert keys.oprf_keys.rewrap(stored).wrap_key == 1


def test_a_rewrap_by_a_worker_that_does_not_know_of_the_newest_key(token: AnyToken) -> None:
    in_child(token, _rewraps_unaware, token.module)


def _numbers(session: pkcs11.Session, module: str) -> tuple[int, ...]:
    return TokenKeys(session, module).wrap_keys.numbers()


def test_a_rotation_outlives_the_session(token: AnyToken) -> None:
    for number in (1, 2):
        in_child(token, _after_rotation_to, token.module, number)
        assert in_child(token, _numbers, token.module) == (number,)


def _after_rotation_to(session: pkcs11.Session, module: str, number: int) -> None:
    keys = TokenKeys(session, module)
    keys.wrap_keys.make((number - 1,))
    keys.wrap_keys.destroy(range(number))


def _secrets(session: pkcs11.Session, module: str) -> tuple[bytes, bytes]:
    keys = TokenKeys(session, module)
    return keys.derive_secret("one"), keys.derive_secret("two")


def test_derived_secrets_are_the_same_in_every_session(token: AnyToken) -> None:
    first, again = (in_child(token, _secrets, token.module) for _ in range(2))
    assert first == again
    assert first[0] != first[1]
    assert all(len(secret) == 32 for secret in first)
