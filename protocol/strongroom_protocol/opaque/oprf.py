"""RFC 9497: the oblivious pseudorandom function of suite P256-SHA256."""

from __future__ import annotations

import hashlib

from strongroom_protocol.opaque.errors import DeriveKeyPairFailed, IdentityElement, InvalidInput
from strongroom_protocol.opaque.group import Element, Scalar
from strongroom_protocol.opaque.hash_to_curve import hash_to_curve, hash_to_scalar
from strongroom_protocol.opaque.labels import (
    DERIVE_KEY_PAIR,
    FINALIZE,
    HASH_TO_GROUP,
    LENGTH_PREFIXED_MAX,
    MODE_OPRF,
    OPRF_SUITE,
    OPRF_VERSION,
)
from strongroom_protocol.opaque.multiplication import scalar_multiply


def context_string(mode: int = MODE_OPRF) -> bytes:
    """Return CreateContextString(mode), section 3.1."""
    return OPRF_VERSION + bytes([mode]) + b"-" + OPRF_SUITE


def hash_input_to_group(data: bytes, mode: int = MODE_OPRF) -> Element:
    """Return HashToGroup(data), section 4.3.

    Raises:
        InvalidInput: `data` maps to the identity.
    """
    try:
        return hash_to_curve(data, HASH_TO_GROUP + context_string(mode))
    except IdentityElement as error:
        raise InvalidInput("the input maps to the identity") from error


def derive_key_pair(seed: bytes, info: bytes, mode: int = MODE_OPRF) -> Scalar:
    """Return the private key of DeriveKeyPair(seed, info), section 3.2.1. `seed` is 32 bytes.

    Raises:
        DeriveKeyPairFailed: no key in 256 tries.
    """
    derive_input = seed + length_prefixed(info)
    dst = DERIVE_KEY_PAIR + context_string(mode)
    for counter in range(256):
        value = hash_to_scalar(derive_input + bytes([counter]), dst)
        if value != 0:
            return Scalar(value)
    raise DeriveKeyPairFailed("no key in 256 tries")


def blind(data: bytes, blinding: Scalar, mode: int = MODE_OPRF) -> Element:
    """Return the blinded element of Blind(data), section 3.3.1, for a given random `blinding`.

    Raises:
        InvalidInput: `data` maps to the identity, or has more than 2^16 - 1 bytes.
    """
    length_prefixed(data)  # here already, not only after an evaluation was paid for
    return scalar_multiply(blinding, hash_input_to_group(data, mode))


def finalize(data: bytes, blinding: Scalar, evaluated_element: Element) -> bytes:
    """Return the OPRF output (32 bytes) of Finalize, section 3.3.1. `data` is what was blinded."""
    unblinded = scalar_multiply(blinding.inverse(), evaluated_element)
    return output(data, unblinded)


def output(data: bytes, unblinded: Element) -> bytes:
    """Return the OPRF output (32 bytes) for an unblinded element."""
    hashed = length_prefixed(data) + length_prefixed(unblinded.encode()) + FINALIZE
    return hashlib.sha256(hashed).digest()


def length_prefixed(data: bytes) -> bytes:
    """Return I2OSP(len(data), 2) || data.

    Raises:
        InvalidInput: there are more than 2^16 - 1 bytes.
    """
    if len(data) > LENGTH_PREFIXED_MAX:
        raise InvalidInput(f"{len(data)} bytes are more than {LENGTH_PREFIXED_MAX}")
    return len(data).to_bytes(2, "big") + data
