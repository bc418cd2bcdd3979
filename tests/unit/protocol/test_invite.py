"""An invite says all or is refused: no cut, no mistyped letter and no odd field passes."""

from __future__ import annotations

from base64 import b32encode
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom import AsyncVault, BadInvite, Vault
from strongroom.identity import decode_identity
from strongroom_protocol.invite import MAX_TEXT, PREFIX, Invite

if TYPE_CHECKING:
    from collections.abc import Callable

IDENTITY = "Aytld0ZOuqnrXJIXYOEUbz7TqralPQF7X8IcwG_kqDqe"
INVITE = Invite("vault.example:7443", "vault.example", decode_identity(IDENTITY), bytes(range(32)))
TEXT = (
    "strongroom1aebswzlxizhlvkpllsjboyhbcrxt5u5kw2st2al3l7bbzqdp4sudvhqabv3gc5lmoqxgk6dbnvygyziacj"
    "3gc5lmoqxgk6dbnvygyzj2g42dimyaeaaacaqdaqcqmbyibefawdanbyhraeiscmkbkfqxdamrugy4dupb7w5sqgda"
)
"""Also in docs/protocol.md, 4.5."""
LABEL = b"strongroom/v1 invite"


def sealed(body: bytes) -> str:
    """An invite with a checksum that fits, whatever it says."""
    checksum = sha256(LABEL + body).digest()[:4]
    return PREFIX + b32encode(body + checksum).decode().rstrip("=").lower()


def field(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def said(
    vault_id: bytes = b"vault.example",
    address: bytes = b"vault.example:7443",
    fingerprint: bytes = b"",
    identity: bytes = INVITE.identity,
) -> bytes:
    return b"\x01" + identity + field(vault_id) + field(address) + field(fingerprint)


def test_it_is_what_the_protocol_says() -> None:
    assert INVITE.encode() == TEXT
    assert Invite.decode(TEXT) == INVITE
    assert sealed(said(fingerprint=bytes(range(32)))) == TEXT


@pytest.mark.parametrize(
    "changed",
    [
        str.upper,
        lambda text: f"\u200b{text[:20]}\u00ad{text[20:]}\ufeff",
        lambda text: f"  {text}\n",
        lambda text: "\n".join(text[at : at + 40] for at in range(0, len(text), 40)),
        lambda text: text.replace("strongroom1", "Strongroom1 "),
    ],
)
def test_what_happens_to_text_on_its_way_does_no_harm(changed: Callable[[str], str]) -> None:
    assert Invite.decode(changed(TEXT)) == INVITE


def test_no_cut_and_no_mistyped_letter_passes() -> None:
    for at in range(len(TEXT)):
        for wrong in (TEXT[:at], TEXT[:at] + TEXT[at + 1 :], TEXT[:at] + "3" + TEXT[at + 1 :]):
            if wrong != TEXT:
                with pytest.raises(BadInvite):
                    Invite.decode(wrong)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "begin with strongroom1"),
        ("vault.example:7443", "begin with strongroom1"),
        ("strongroom1", "not a whole invite"),
        ("strongroom1aaaaaa", "not a whole invite"),
        ("strongroom1é", "not a whole invite"),
        ("strongroom1" + "a" * MAX_TEXT, "not a whole invite"),
        (sealed(b"\x02of tomorrow"), "too old for this invite"),
        (sealed(b"\x01"), "no vault"),
        (sealed(said() + b"more"), "no vault"),
        (sealed(said()[:-1]), "no vault"),
        (sealed(said(fingerprint=b"f" * 31)), "no vault"),
        (sealed(said(vault_id=b"")), "no vault"),
        (sealed(said(vault_id=b"\x1b[31m")), "no vault"),
        (sealed(said(vault_id=b"v" * 65)), "no vault"),
        (sealed(said(address=b"VAULT.example:7443")), "no vault"),
        (sealed(said(address=b"https://vault.example")), "no vault"),
        (sealed(said(address="väult:1".encode())), "no vault"),
        (sealed(said(identity=b"\x02" + b"\xff" * 32)), "no vault"),
        (sealed(said(identity=b"\x00" * 33)), "no vault"),
    ],
)
def test_what_is_no_invite_is_named(text: str, sentence: str) -> None:
    with pytest.raises(BadInvite, match=sentence) as refused:
        Invite.decode(text)
    assert "\x1b" not in str(refused.value)
    assert refused.value.hint
    assert ("Update" in refused.value.hint) == ("too old" in sentence)  # copying it again is no use


@given(st.binary(max_size=120))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    text = sealed(body)
    with suppress(BadInvite):
        assert Invite.decode(text).encode() == text


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(BadInvite):
        Invite.decode(PREFIX + text)


@pytest.mark.parametrize("kind", [Vault, AsyncVault])
@pytest.mark.parametrize(
    "beside",
    [
        {"address": "vault.example:7443"},
        {"identity": IDENTITY},
        {"vault_id": "vault.example"},
        {"ca_certificates": b"PEM"},
    ],
)
def test_connect_takes_nothing_that_an_invite_says(
    kind: type[Vault | AsyncVault], beside: dict[str, str]
) -> None:
    with pytest.raises(TypeError, match="an invite names"):
        kind.connect(invite=TEXT, access_token="a.b.c", **beside)  # type: ignore[arg-type]


def test_connect_wants_an_address_or_an_invite_and_refuses_a_broken_one_at_once() -> None:
    with pytest.raises(TypeError, match="invite="):
        Vault.connect(access_token="a.b.c")
    with pytest.raises(TypeError, match="invite="):
        Vault.connect(TEXT, access_token="a.b.c")
    with pytest.raises(BadInvite):
        Vault.connect(invite=TEXT[:-1], access_token="a.b.c")
    Vault.connect(invite=TEXT, access_token="a.b.c").close()  # uses no network
