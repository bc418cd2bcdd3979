"""The floor: the PKCS#11 calls of one recovery start in a tight loop, from C and python-pkcs11."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

from compiled import build
from pkcs11 import KDF, Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.constants import DEFAULT
from worlds import TokenOf, in_token

from strongroom_protocol.opaque.group import GENERATOR, add
from strongroom_vault.hsm.token.open_token import open_token
from strongroom_vault.hsm.token.vault_keys import VAULT, find_one

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultFolder


UNWRAPPED = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.DERIVE: True,
    Attribute.ENCRYPT: DEFAULT,
    Attribute.WRAP: DEFAULT,
    Attribute.VERIFY: DEFAULT,
}
READABLE = {Attribute.PRIVATE: False, Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}


class Floor:
    """Measures the floor of one vault's token, as often as one likes."""

    def __init__(self, vault: VaultFolder, folder: Path) -> None:
        self._vault = vault
        self._wrapped: str = in_token(vault, "floor:make_key").hex()
        self._program = build("floor.c", folder)

    def measure(self, rounds: int) -> dict[str, float | None]:
        """Return `c_cpu_us` (None without a compiler) and `python_cpu_us`, per recovery start."""
        return {
            "c_cpu_us": self._from_c(rounds),
            "python_cpu_us": in_token(self._vault, "floor:from_python", rounds),
        }

    def _from_c(self, rounds: int) -> float | None:
        if self._program is None:
            return None
        token = self._vault.settings().token
        pin = token.pin_file.read_text(encoding="utf-8").strip()
        done = subprocess.run(
            [self._program, token.module, token.label, pin, str(rounds), self._wrapped],
            env=self._vault.environment(),
            check=True,
            capture_output=True,
            text=True,
        )
        return float(done.stdout)


def make_key(token_of: TokenOf) -> bytes:
    """Return a fresh wrapped OPRF key."""
    with open_token(token_of.settings) as token:
        wrapped = token.keys.oprf_keys.generate(resident=False).wrapped
    if wrapped is None:
        raise RuntimeError("the key is not wrapped")
    return wrapped


def from_python(token_of: TokenOf, rounds: int) -> float:
    """Return the CPU time in us of the same calls through python-pkcs11."""
    point = add(GENERATOR, GENERATOR).encode_uncompressed()
    with open_token(token_of.settings) as token:
        session = token.session
        wrapped = token.keys.oprf_keys.generate(resident=False).wrapped
        wrap: Any = find_one(session, VAULT.wrap, ObjectClass.SECRET_KEY)
        identity: Any = find_one(session, VAULT.identity, ObjectClass.PRIVATE_KEY)
        before = time.process_time()
        for _ in range(rounds):
            key = wrap.unwrap_key(
                ObjectClass.PRIVATE_KEY,
                KeyType.EC,
                wrapped,
                mechanism=Mechanism.AES_KEY_WRAP_PAD,
                store=False,
                capabilities=MechanismFlag.DERIVE,
                template=UNWRAPPED,
            )
            for private in (key, key, identity, identity):
                secret = private.derive_key(
                    KeyType.GENERIC_SECRET,
                    256,
                    mechanism=Mechanism.ECDH1_DERIVE,
                    mechanism_param=(KDF.NULL, None, point),
                    store=False,
                    capabilities=0,
                    template=READABLE,
                )
                bytes(secret[Attribute.VALUE])
                secret.destroy()
            key.destroy()
        return (time.process_time() - before) / rounds * 1e6
