"""The proofs of RFC 9497 (VOPRF, POPRF), literally, on top of our group: a twin for its vectors.

The product has no proofs. Scalars are plain integers here, for nothing in a test is secret.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import reduce

from strongroom_protocol.opaque.group import GENERATOR, ORDER, Element, Scalar, add
from strongroom_protocol.opaque.hash_to_curve import hash_to_scalar
from strongroom_protocol.opaque.multiplication import scalar_multiply
from strongroom_protocol.opaque.oprf import context_string, length_prefixed


@dataclass(frozen=True)
class Proof:
    """RFC 9497 section 2.2: challenge and response."""

    c: int
    s: int

    @classmethod
    def decode(cls, data: bytes) -> Proof:
        return cls(int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big"))

    def encode(self) -> bytes:
        return self.c.to_bytes(32, "big") + self.s.to_bytes(32, "big")


@dataclass(frozen=True)
class Statement:
    """That one key k takes `base` to `key`, and each of `inputs` to its one of `outputs`."""

    base: Element
    key: Element
    inputs: list[Element]
    outputs: list[Element]
    mode: int

    def prove(self, k: int, r: int) -> Proof:
        """GenerateProof, section 2.2.1, with the random number given."""
        m, z = self._composites()
        assert z == times(k, m)  # what ComputeCompositesFast computes instead
        c = self._challenge(m, z, times(r, self.base), times(r, m))
        return Proof(c, (r - c * k) % ORDER)

    def holds(self, proof: Proof) -> bool:
        """VerifyProof, section 2.2.2."""
        m, z = self._composites()
        t2 = add(times(proof.s, self.base), times(proof.c, self.key))
        t3 = add(times(proof.s, m), times(proof.c, z))
        return self._challenge(m, z, t2, t3) == proof.c

    def _composites(self) -> tuple[Element, Element]:
        seed_dst = b"Seed-" + context_string(self.mode)
        seed = hashlib.sha256(framed(self.key) + length_prefixed(seed_dst)).digest()
        weights = [
            self._to_scalar(
                length_prefixed(seed)
                + i.to_bytes(2, "big")
                + framed(point)
                + framed(image)
                + b"Composite"
            )
            for i, (point, image) in enumerate(zip(self.inputs, self.outputs, strict=True))
        ]
        return weighted_sum(weights, self.inputs), weighted_sum(weights, self.outputs)

    def _challenge(self, *points: Element) -> int:
        transcript = b"".join(framed(point) for point in (self.key, *points))
        return self._to_scalar(transcript + b"Challenge")

    def _to_scalar(self, data: bytes) -> int:
        return hash_to_scalar(data, b"HashToScalar-" + context_string(self.mode))


def tweak(info: bytes, mode: int) -> int:
    """The number that POPRF adds to the key for its public input, section 3.3.3."""
    framed_info = b"Info" + length_prefixed(info)
    return hash_to_scalar(framed_info, b"HashToScalar-" + context_string(mode))


def tweaked_output(data: bytes, info: bytes, unblinded: Element) -> bytes:
    """The last step of POPRF's Finalize, section 3.3.3."""
    hashed = length_prefixed(data) + length_prefixed(info) + framed(unblinded) + b"Finalize"
    return hashlib.sha256(hashed).digest()


def times(k: int, point: Element) -> Element:
    return scalar_multiply(Scalar(k % ORDER), point)


def generator_times(k: int) -> Element:
    return times(k, GENERATOR)


def weighted_sum(weights: list[int], points: list[Element]) -> Element:
    return reduce(add, (times(k, point) for k, point in zip(weights, points, strict=True)))


def framed(point: Element) -> bytes:
    return length_prefixed(point.encode())
