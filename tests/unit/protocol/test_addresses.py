"""A vault's address has one form, however it is written."""

from __future__ import annotations

import pytest

from strongroom_protocol.addresses import BadAddress, normalised, pinned_as


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("vault.example:7443", "vault.example:7443"),
        ("Vault.EXAMPLE:7443", "vault.example:7443"),
        ("vault.example.:7443", "vault.example:7443"),
        ("  vault.example:07443\n", "vault.example:7443"),
        ("vault.example", "vault.example:443"),
        ("127.0.0.1:7443", "127.0.0.1:7443"),
        ("[::1]:7443", "[::1]:7443"),
        ("[0:0:0:0:0:0:0:1]:7443", "[::1]:7443"),
        ("[2001:DB8::A]", "[2001:db8::a]:443"),
        ("xn--gr-xka.example:1", "xn--gr-xka.example:1"),
    ],
)
def test_one_form(written: str, address: str) -> None:
    assert normalised(written) == address
    assert normalised(address) == address


@pytest.mark.parametrize(
    "written",
    [
        "",
        ":7443",
        ".:7443",
        "vault.example:",
        "vault.example:0",
        "vault.example:65536",
        "vault.example:port",
        "https://vault.example:7443",
        "dns:///vault.example:7443",
        "unix:/run/vault",
        "::1",
        "[vault.example]:1",
        "[::1:7443",
        "vault example:7443",
        "grün.example:7443",
        "vault.example:\u0661",
        "a\0b:1",
    ],
)
def test_what_is_no_address(written: str) -> None:
    with pytest.raises(BadAddress):
        normalised(written)


def test_this_machine_is_one_place_under_all_its_names() -> None:
    for here in ("localhost:1", "127.0.0.1:1", "127.8.8.8:1", "[::1]:1"):
        assert pinned_as(here) == "localhost:1"
    for elsewhere in ("vault.example:1", "192.0.2.1:1", "[2001:db8::1]:1", "localhost.example:1"):
        assert pinned_as(elsewhere) == elsewhere
