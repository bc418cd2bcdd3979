"""The numbers that go straight to the module are those of python-pkcs11, and laid out for C."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import pkcs11

from strongroom_vault.hsm.token import cryptoki as ck

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken


def test_the_numbers_are_those_of_python_pkcs11() -> None:
    kinds = {
        "CKA_": pkcs11.Attribute,
        "CKO_": pkcs11.ObjectClass,
        "CKK_": pkcs11.KeyType,
        "CKM_": pkcs11.Mechanism,
        "CKD_": pkcs11.KDF,
    }
    checked = [
        (name, value, kinds[name[:4]][name[4:]].value)
        for name, value in vars(ck).items()
        if name[:4] in kinds
    ]
    assert len(checked) == 15
    assert all(ours == theirs for _, ours, theirs in checked), checked


def test_a_template_holds_its_values() -> None:
    template = ck.Template({ck.CKA_CLASS: ck.CKO_PRIVATE_KEY, ck.CKA_TOKEN: False})
    first, second = template.attributes
    assert (template.size, first.type, second.type) == (2, ck.CKA_CLASS, ck.CKA_TOKEN)
    assert (first.size, second.size) == (ctypes.sizeof(ctypes.c_ulong), 1)
    assert ctypes.cast(first.value, ctypes.POINTER(ctypes.c_ulong))[0] == ck.CKO_PRIVATE_KEY
    assert ctypes.cast(second.value, ctypes.POINTER(ctypes.c_ubyte))[0] == 0


def test_get_session_info_is_that_function(bare_token: OpenToken) -> None:
    """Its neighbour in the list closes all sessions of the slot with the number of the session."""
    session: Any = bare_token.session
    library, found = ctypes.CDLL(bare_token.module), ctypes.POINTER(ck.FunctionList)()
    assert library.C_GetFunctionList(ctypes.byref(found)) == 0
    place, kind = ck.GET_SESSION_INFO
    info = (ctypes.c_ulong * (ck.SESSION_INFO_SIZE // ctypes.sizeof(ctypes.c_ulong)))()
    assert kind(found.contents.functions[place])(session.handle, info) == 0
    assert info[0] == session.token.slot.slot_id
