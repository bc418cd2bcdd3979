"""The settings that a token worker gets: which token, and how to open it.

They cross a pipe as msgpack.
"""

from __future__ import annotations

import msgspec


class TokenSettings(msgspec.Struct, frozen=True):
    """Which token, and how to open it.

    Attributes:
        module: path of the PKCS#11 module.
        label: of the token.
        pin_file: path of the file with the user PIN, readable by its owner alone. Only the worker
            reads it.
        environment: variables that the module needs, such as SOFTHSM2_CONF.
    """

    module: str
    label: str
    pin_file: str
    environment: dict[str, str] = {}
