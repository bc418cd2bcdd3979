"""What a token must get right before it serves: checked by every worker when it starts.

No known private key can be imported into a real token, so algebra says what is right: a fresh key,
generated, wrapped and unwrapped, must multiply as its public key demands, or the worker refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom_protocol.labels import KNOWN_ANSWER
from strongroom_protocol.opaque.group import GENERATOR, add
from strongroom_protocol.opaque.oprf import hash_input_to_group
from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.token_key import TokenKey
    from strongroom_vault.hsm.token.token_keys import TokenKeys

_SECRET_SIZE: Final = 32


def check_keys(keys: TokenKeys) -> None:
    """Try every operation on keys that the vault needs.

    Raises:
        OperatorError: the token answers wrongly; the message names what.
        TokenError: the token refuses an operation.
    """
    check_key(keys.identity, "the identity key")
    stored = keys.oprf_keys.generate(resident=False)
    if keys.oprf_keys.generate(resident=False) == stored:
        raise OperatorError("the token generates the same key twice")
    with keys.oprf_keys.lend(stored) as key:
        check_key(key, "an unwrapped OPRF key")
    check_secrets(keys)


def check_secrets(keys: TokenKeys) -> None:
    """Check that derived secrets depend on their labels, and on nothing else.

    Raises:
        OperatorError: they do not.
    """
    secret = keys.derive_secret(KNOWN_ANSWER)
    if len(secret) != _SECRET_SIZE or secret != keys.derive_secret(KNOWN_ANSWER):
        raise OperatorError("the token's HMAC-SHA-256 is not a function of its input")
    if secret == keys.derive_secret(KNOWN_ANSWER + "!"):
        raise OperatorError("the token's HMAC-SHA-256 does not depend on its input")


def check_key(key: TokenKey, name: str = "the key") -> None:
    """Check that the key multiplies as its public key demands, and cannot be extracted.

    Raises:
        OperatorError: it does not; the message begins with `name`.
    """
    point = hash_input_to_group(KNOWN_ANSWER.encode())
    if key.evaluate(GENERATOR) != key.public_key:
        raise OperatorError(f"{name}: its public key is wrong")
    doubled = add(GENERATOR, GENERATOR)
    if key.evaluate(doubled) != add(key.public_key, key.public_key):
        raise OperatorError(f"{name}: a multiplication of a known point is wrong")
    if key.evaluate(add(point, doubled)) != add(key.evaluate(point), key.evaluate(doubled)):
        raise OperatorError(f"{name}: multiplications do not add up")
    if not key.is_non_extractable:
        raise OperatorError(f"{name}: it is extractable, or not sensitive")
