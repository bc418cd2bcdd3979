"""A vault's address has one form, however it is written."""

from __future__ import annotations

import pytest

from strongroom_protocol.addresses import (
    BadAddress,
    has_port,
    host_and_port,
    is_this_machine,
    normalised,
    parse_address,
    pinned_as,
)


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


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("vault.example:7443", "vault.example:7443"),
        (" Vault.example:7443 ", "vault.example:7443"),
        ("https://vault.example", "vault.example:443"),
        ("HTTPS://Vault.Example:7443/", "vault.example:7443"),
        ("[2001:DB8::1]:7443", "[2001:db8::1]:7443"),
    ],
)
def test_what_a_person_writes(written: str, address: str) -> None:
    assert parse_address(written) == address


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("vault.example", "The address vault.example names no port"),
        ("[::1]", r"Write it with one: \[::1\]:PORT"),
        ("http://vault.example:7443", "begins with 'http://'"),
        ("https://vault.example/path", "'https://vault.example/path' is not the address"),
        ("x" * 1000 + "!", "x'... is not the address"),
        ("\x1b[2J", "is not the address"),
    ],
)
def test_what_is_refused_is_named(written: str, sentence: str) -> None:
    with pytest.raises(BadAddress, match=sentence) as refused:
        parse_address(written)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500
    assert "host:port" in refused.value.hint


def test_an_address_is_text() -> None:
    with pytest.raises(TypeError, match="host:port"):
        parse_address(7443)  # type: ignore[arg-type]


def test_the_parts_of_an_address() -> None:
    assert host_and_port("vault.example:7443") == ("vault.example", 7443)
    assert host_and_port("[::1]:7443") == ("::1", 7443)
    assert [has_port(text) for text in ("a:1", "a", "[::1]:1", "[::1]", "not an address")] == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_this_machine_is_known_by_its_mapped_address_too() -> None:
    assert is_this_machine("[::ffff:127.0.0.1]:1")
    assert not is_this_machine("[::ffff:192.0.2.1]:1")
