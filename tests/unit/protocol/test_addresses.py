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
    ("written", "problem"),
    [
        ("", "names no host"),
        (":7443", "names no host"),
        (".:7443", "names no host"),
        ("vault.example:", "no port after the colon"),
        ("[::1]:", "no port after the colon"),
        ("vault.example:0", "from 1 to 65535"),
        ("vault.example:65536", "from 1 to 65535"),
        ("[::1]:65536", "from 1 to 65535"),
        ("vault.example:" + "9" * 5000, "from 1 to 65535"),
        ("vault.example:port", "port is not a number"),
        ("vault.example:-1", "port is not a number"),
        ("https://vault.example:7443", "begins with a scheme"),
        ("dns:///vault.example:7443", "begins with a scheme"),
        ("unix:/run/vault", "begins with a scheme"),
        ("alice@vault.example:7443", "names a user"),
        ("vault.example:7443/", "a path or a query"),
        ("vault.example:7443/path", "a path or a query"),
        ("vault.example:7443?a=b", "a path or a query"),
        ("vault.example/path", "a path or a query"),
        ("::1", "IPv6 address stands in brackets"),
        ("2001:db8::1:7443", "IPv6 address stands in brackets"),
        ("[vault.example]:1", "only an IPv6 address stands in brackets"),
        ("[::1:7443", "only an IPv6 address stands in brackets"),
        ("[:::1]:7443", "only an IPv6 address stands in brackets"),
        ("vault example:7443", "white space"),
        ("vault.example: 7443", "white space"),
        ("grün.example:7443", "beyond ASCII"),
        ("vault.example:\u0661", "beyond ASCII"),
        ("a\0b:1", "letters, digits, dots"),
        ("vault!:7443", "letters, digits, dots"),
        ("vault_example!", "letters, digits, dots"),
    ],
)
def test_what_is_no_address(written: str, problem: str) -> None:
    with pytest.raises(BadAddress, match=problem) as refused:
        normalised(written)
    assert str(refused.value).isprintable()
    assert str(refused.value).endswith(".")


def test_a_long_text_is_refused_in_time() -> None:
    for text in (":" * 100_000, "[" * 100_000, "a:" * 50_000, "v" * 100_000 + "!"):
        with pytest.raises(BadAddress):
            normalised(text)


def test_this_machine_is_one_place_under_all_its_names() -> None:
    for here in ("localhost:1", "127.0.0.1:1", "127.8.8.8:1", "[::1]:1"):
        assert pinned_as(here) == "localhost:1"
    for elsewhere in ("vault.example:1", "192.0.2.1:1", "[2001:db8::1]:1", "localhost.example:1"):
        assert pinned_as(elsewhere) == elsewhere
