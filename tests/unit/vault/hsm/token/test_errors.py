"""Errors of python-pkcs11 become TokenError; those that end the session say so."""

from __future__ import annotations

import pytest
from pkcs11.exceptions import DeviceRemoved, MechanismInvalid

from strongroom_vault.hsm.token.errors import TokenError, translated


@pytest.mark.parametrize(("error", "is_lost"), [(DeviceRemoved, True), (MechanismInvalid, False)])
def test_what_the_token_refuses_is_named(error: type[Exception], *, is_lost: bool) -> None:
    with pytest.raises(TokenError, match=error.__name__) as refused, translated():
        raise error
    assert refused.value.is_session_lost == is_lost


def test_errors_of_our_own_pass() -> None:
    with pytest.raises(ZeroDivisionError), translated():
        assert 1 // 0
