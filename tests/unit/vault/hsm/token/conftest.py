"""An open token with keys of its own, in the token that all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pkcs11 import Attribute

from strongroom_vault.hsm.token.objects import find_objects
from strongroom_vault.hsm.token.open_token import OpenToken, open_token
from strongroom_vault.hsm.token.vault_keys import Labels, create_missing_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vault_process import SoftHsm

LABELS = Labels("strongroom.unit")


@pytest.fixture
def bare_token(softhsm: SoftHsm) -> Iterator[OpenToken]:
    """A token without keys under its labels; they are removed afterwards."""
    with open_token(softhsm.settings(), LABELS) as token:
        yield token
        for label in (*dict(LABELS.keys), LABELS.oprf, *LABELS.anchor):
            for left in find_objects(token.session, {Attribute.LABEL: label}):
                left.destroy()


@pytest.fixture
def token(bare_token: OpenToken) -> OpenToken:
    """A token with a vault's keys."""
    create_missing_keys(bare_token.session, LABELS)
    return bare_token
