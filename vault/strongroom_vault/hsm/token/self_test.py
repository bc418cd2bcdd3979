"""What a token must get right before it serves: checked by every worker when it starts.

A real token does not let a known private key in, so the answers are known by algebra: they are
right for a fresh key, through generation, wrapping and unwrapping, or service is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom_protocol.opaque.group import GENERATOR, add
from strongroom_protocol.opaque.oprf import hash_input_to_group
from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.pkcs11 import Pkcs11Token, TokenKey

_LABEL: Final = "strongroom/v1 known answer"
_SECRET_SIZE: Final = 32


def check_token(token: Pkcs11Token) -> None:
    """Try every operation that the vault needs.

    Raises:
        OperatorError: the token answers wrongly; the message names what.
        TokenError: the token refuses an operation.
    """
    check_key(token.identity, "the identity key")
    stored = token.generate_oprf_key(resident=False)
    if token.generate_oprf_key(resident=False) == stored:
        raise OperatorError("the token makes the same key twice")
    with token.oprf_key(stored) as key:
        check_key(key, "an unwrapped OPRF key")
    check_secrets(token)


def check_secrets(token: Pkcs11Token) -> None:
    """Derived secrets are those of their labels.

    Raises:
        OperatorError: they are not.
    """
    secret = token.derive_secret(_LABEL)
    if len(secret) != _SECRET_SIZE or secret != token.derive_secret(_LABEL):
        raise OperatorError("the token's HMAC-SHA-256 is not a function of its input")
    if secret == token.derive_secret(_LABEL + "!"):
        raise OperatorError("the token's HMAC-SHA-256 does not depend on its input")


def check_key(key: TokenKey, name: str = "the key") -> None:
    """The key multiplies as its public key says, linearly, and cannot be read.

    Raises:
        OperatorError: it does not; `name` says whose fault it is.
    """
    point = hash_input_to_group(_LABEL.encode())
    if key.evaluate(GENERATOR) != key.public_key:
        raise OperatorError(f"{name}: its public key is wrong")
    doubled = add(GENERATOR, GENERATOR)
    if key.evaluate(doubled) != add(key.public_key, key.public_key):
        raise OperatorError(f"{name}: a multiplication of a known point is wrong")
    if key.evaluate(add(point, doubled)) != add(key.evaluate(point), key.evaluate(doubled)):
        raise OperatorError(f"{name}: multiplications do not add up")
    if not key.is_non_extractable:
        raise OperatorError(f"{name}: the token would let it out")
