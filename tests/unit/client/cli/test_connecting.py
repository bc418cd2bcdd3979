"""How a device reaches a vault, and whether it is one that it knows."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from ssl import PEM_cert_to_DER_cert
from typing import TYPE_CHECKING

import pytest

from strongroom.cli import prompts
from strongroom.cli.connecting import (
    NotEnabled,
    SeveralAccounts,
    UnknownAddress,
    check_identity,
    connect,
    listed,
    target_of,
)
from strongroom.cli.profile import profiles
from strongroom.cli.profile.profiles import Place, Profile
from strongroom.cli.progress import Patience
from strongroom.cli.screen import say
from strongroom.errors import VaultUnreachable, WrongVault
from strongroom.identity import encode_identity
from strongroom_protocol.invite import Invite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from served_vault import ServedVault

    from strongroom.cli.device import Device

IDENTITY = "Aytld0ZOuqnrXJIXYOEUbz7TqralPQF7X8IcwG_kqDqe"
ADDRESS = "vault.example:7443"


def know(home: Path, profile: Profile, *, is_proven: bool = True) -> Place:
    place = replace(profiles.place_of(home, profile), is_proven=is_proven)
    profiles.save_place(place)
    return place


def identity_of(served: ServedVault) -> str:
    return encode_identity(served.vault.info.identity_public_key)


def test_the_address_comes_from_the_options_or_the_only_vault_that_is_known(
    device_of: Callable[..., Device], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with pytest.raises(NotEnabled):
        target_of(device_of(), None)
    assert target_of(device_of(vault=ADDRESS), None).address == ADDRESS
    place = know(home, Profile(ADDRESS, IDENTITY, "alice", ca_file="/ca.pem"))
    found = target_of(device_of(), place)
    assert (found.address, found.roots.file, found.pins) == (
        ADDRESS,
        "/ca.pem",
        frozenset({IDENTITY}),
    )
    assert target_of(device_of(vault="other.example:1"), place).pins == frozenset()
    know(home, Profile("other.example:1", IDENTITY, "bob"))
    with pytest.raises(SeveralAccounts, match=r"other\.example:1, vault\.example:7443"):
        target_of(device_of(), None)


def test_what_no_password_has_proved_is_no_pin(
    device_of: Callable[..., Device], tmp_path: Path
) -> None:
    place = know(tmp_path / "home", Profile(ADDRESS, IDENTITY, "alice"), is_proven=False)
    assert target_of(device_of(), place).pins == frozenset()


def test_options_come_before_what_a_profile_says(
    device_of: Callable[..., Device], served: ServedVault, tmp_path: Path
) -> None:
    known = Profile(ADDRESS, IDENTITY, "alice", ca_file="/old.pem", access_token_file="/old")
    place = know(tmp_path / "home", known)
    kept = target_of(device_of(), place)
    assert (kept.roots.file, kept.tokens.file) == ("/old.pem", "/old")
    named = target_of(device_of(ca_file=str(served.certificate), access_token_file="/new"), place)
    assert (named.roots.file, named.tokens.file) == (str(served.certificate), "/new")


def test_the_certificate_of_an_invite_is_fetched_once(
    device_of: Callable[..., Device], served: ServedVault, tmp_path: Path
) -> None:
    pem = served.certificate.read_text()
    certificate = pem[: pem.index("-----END CERTIFICATE-----") + 26]
    fingerprint = sha256(PEM_cert_to_DER_cert(certificate)).digest()
    identity = served.vault.info.identity_public_key
    text = Invite(served.address, "vault.test", identity, fingerprint).encode()
    first = target_of(device_of(invite=text), None)
    assert first.invite == text
    with connect(device_of(invite=text), first) as vault:
        assert vault.info().vault_id == "vault.test"
    profile = Profile(served.address, identity_of(served), "alice", ca_certificate=certificate)
    later = target_of(device_of(invite=text), know(tmp_path / "home", profile))
    assert (later.invite, later.roots.pem) == ("", certificate)


class TestWhoTheVaultIs:
    @pytest.fixture
    def check(self, at_served: Callable[..., Device]) -> Callable[..., None]:
        """Meets the vault in memory with what the home knows, as any command does."""

        def meet(**options: str) -> None:
            device = at_served(**options)
            target = target_of(device, None)
            patience = Patience(say, target.address)
            with connect(device, target, patience=patience) as vault:
                check_identity(device, vault, target, patience)

        return meet

    def test_a_first_contact_is_said(
        self, check: Callable[..., None], served: ServedVault, capfd: pytest.CaptureFixture[str]
    ) -> None:
        check()
        told = f"First contact. The vault's identity is {identity_of(served)}\n"
        assert capfd.readouterr().err == told
        check(identity=identity_of(served))  # the person knows it
        assert capfd.readouterr().err == ""

    def test_one_that_is_known_is_met_without_a_word(
        self,
        check: Callable[..., None],
        served: ServedVault,
        tmp_path: Path,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        know(tmp_path / "home", Profile(ADDRESS, identity_of(served), "bob"))  # elsewhere
        check()
        assert capfd.readouterr().err == ""

    def test_another_one_at_a_known_address_is_refused(
        self, check: Callable[..., None], served: ServedVault, tmp_path: Path
    ) -> None:
        know(tmp_path / "home", Profile(served.address, IDENTITY, "alice"))
        with pytest.raises(WrongVault):
            check()

    def test_one_that_has_another_name_than_before_is_refused(
        self, check: Callable[..., None], served: ServedVault, tmp_path: Path
    ) -> None:
        known = Profile(served.address, identity_of(served), "alice", vault_id="vault.before")
        know(tmp_path / "home", known)
        with pytest.raises(WrongVault, match=r"calls itself vault\.test; .* as vault\.before"):
            check()

    def test_one_with_the_name_of_another_is_warned_of(
        self,
        check: Callable[..., None],
        tmp_path: Path,
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        know(tmp_path / "home", Profile(ADDRESS, IDENTITY, "alice", vault_id="vault.test"))
        asked: list[str] = []
        monkeypatch.setattr(prompts, "confirm", asked.append)
        check()
        told = capfd.readouterr().err
        assert f"not one of the vaults that this device knows: {ADDRESS}." in told
        assert f"WARNING: It calls itself vault.test, like the one at {ADDRESS}" in told
        assert asked == ["Go on with this vault?"]


def test_an_unknown_address_says_why_it_is_unknown() -> None:
    unanswered = VaultUnreachable()
    unanswered.address, unanswered.proxy = ADDRESS, "proxy:80"
    error = UnknownAddress(unanswered, "This device knows vaults at x only.")
    assert str(error) == f"{unanswered} This device knows vaults at x only."
    assert (error.cause, error.address, error.proxy) == (unanswered.cause, ADDRESS, "proxy:80")


def test_names_are_listed_in_order() -> None:
    assert listed({"b", "a"}) == "a, b"
