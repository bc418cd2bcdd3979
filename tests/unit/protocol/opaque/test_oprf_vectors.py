"""RFC 9497's vectors of P256-SHA256: all three modes, proofs and batches too."""

from __future__ import annotations

import pytest
from opaque_vectors import Vector, own, published
from voprf_twin import Proof, Statement, generator_times, times, tweak, tweaked_output

from strongroom_protocol.opaque import oprf
from strongroom_protocol.opaque.group import GENERATOR, ORDER, Element, Scalar, add
from strongroom_protocol.opaque.keys import SoftwareOprfKey
from strongroom_protocol.opaque.labels import MODE_OPRF

MODE_VOPRF, MODE_POPRF = 1, 2
VECTORS = {MODE_OPRF: 2, MODE_VOPRF: 3, MODE_POPRF: 3}


def parts(vector: Vector, name: str) -> list[bytes]:
    """The values of a batch."""
    return [bytes.fromhex(part) for part in vector[name].split(",")]


def suite(mode: int) -> Vector:
    suites = {entry["mode"]: entry for entry in published("oprf.json", 3)}
    assert len(suites[mode]["vectors"]) == VECTORS[mode]
    return suites[mode]


def server_key(entry: Vector) -> Scalar:
    seed, info = bytes.fromhex(entry["seed"]), bytes.fromhex(entry["keyInfo"])
    return oprf.derive_key_pair(seed, info, entry["mode"])


def blinded(vector: Vector, mode: int) -> list[Element]:
    blinds = [Scalar.decode(part) for part in parts(vector, "Blind")]
    inputs = parts(vector, "Input")
    return [oprf.blind(data, blind, mode) for data, blind in zip(inputs, blinds, strict=True)]


def unblind(vector: Vector, evaluated: list[Element]) -> list[Element]:
    blinds = [Scalar.decode(part).inverse() for part in parts(vector, "Blind")]
    return [times(blind.value, point) for blind, point in zip(blinds, evaluated, strict=True)]


def encoded(points: list[Element]) -> list[bytes]:
    return [point.encode() for point in points]


@pytest.mark.parametrize("mode", VECTORS)
def test_context_and_key(mode: int) -> None:
    entry = suite(mode)
    key = server_key(entry)
    assert key.encode().hex() == entry["skSm"]
    assert b"HashToGroup-" + oprf.context_string(mode) == bytes.fromhex(entry["groupDST"])
    if mode != MODE_OPRF:
        assert generator_times(key.value).encode().hex() == entry["pkSm"]


def check_oprf(entry: Vector) -> None:
    """The OPRF through the product's own functions."""
    key = SoftwareOprfKey(server_key(entry))
    for vector in entry["vectors"]:
        (blinded_element,) = blinded(vector, MODE_OPRF)
        assert [blinded_element.encode()] == parts(vector, "BlindedElement")
        evaluated = key.evaluate(blinded_element)
        assert [evaluated.encode()] == parts(vector, "EvaluationElement")
        (data,), (blind,) = parts(vector, "Input"), parts(vector, "Blind")
        assert [oprf.finalize(data, Scalar.decode(blind), evaluated)] == parts(vector, "Output")


def test_oprf() -> None:
    check_oprf(suite(MODE_OPRF))


def test_oprf_known_answers_of_our_own() -> None:
    (entry,) = own("oprf.json", 1)
    assert len(entry["vectors"]) == 4
    check_oprf(entry)


@pytest.mark.parametrize("index", range(VECTORS[MODE_VOPRF]))
def test_voprf(index: int) -> None:
    entry = suite(MODE_VOPRF)
    vector, key = entry["vectors"][index], server_key(entry)
    points = blinded(vector, MODE_VOPRF)
    assert encoded(points) == parts(vector, "BlindedElement")
    evaluated = [times(key.value, point) for point in points]
    assert encoded(evaluated) == parts(vector, "EvaluationElement")

    statement = Statement(GENERATOR, generator_times(key.value), points, evaluated, MODE_VOPRF)
    check_proof(statement, key.value, vector)

    outputs = [
        oprf.finalize(data, Scalar.decode(blind), point)
        for data, blind, point in zip(
            parts(vector, "Input"), parts(vector, "Blind"), evaluated, strict=True
        )
    ]
    assert outputs == parts(vector, "Output")


@pytest.mark.parametrize("index", range(VECTORS[MODE_POPRF]))
def test_poprf(index: int) -> None:
    entry = suite(MODE_POPRF)
    vector = entry["vectors"][index]
    info = bytes.fromhex(vector["Info"])
    m = tweak(info, MODE_POPRF)
    tweaked = (server_key(entry).value + m) % ORDER
    points = blinded(vector, MODE_POPRF)
    assert encoded(points) == parts(vector, "BlindedElement")
    evaluated = [times(Scalar(tweaked).inverse().value, point) for point in points]
    assert encoded(evaluated) == parts(vector, "EvaluationElement")

    tweaked_key = add(generator_times(m), Element.decode(bytes.fromhex(entry["pkSm"])))
    statement = Statement(GENERATOR, tweaked_key, evaluated, points, MODE_POPRF)
    check_proof(statement, tweaked, vector)

    outputs = [
        tweaked_output(data, info, point)
        for data, point in zip(parts(vector, "Input"), unblind(vector, evaluated), strict=True)
    ]
    assert outputs == parts(vector, "Output")


def check_proof(statement: Statement, key: int, vector: Vector) -> None:
    """The proof is the vector's, verifies, and stops to when it or the statement is changed."""
    r = int(vector["Proof"]["r"], 16)
    proof = statement.prove(key, r)
    assert proof.encode().hex() == vector["Proof"]["proof"]
    assert statement.holds(Proof.decode(proof.encode()))
    assert not statement.holds(Proof(proof.c, (proof.s + 1) % ORDER))
    other = [add(point, GENERATOR) for point in statement.outputs]
    assert not Statement(
        statement.base, statement.key, statement.inputs, other, statement.mode
    ).holds(proof)
