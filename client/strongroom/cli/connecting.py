"""How a device reaches a vault: its address and credentials, and the check of its identity."""

from __future__ import annotations

from hashlib import sha256
from ssl import PEM_cert_to_DER_cert
from typing import TYPE_CHECKING

from strongroom.cli import prompts
from strongroom.cli.screen import say
from strongroom.cli.target import Roots, Target, TokenSource
from strongroom.errors import VaultUnreachable, WrongVault
from strongroom.stretching import Stretching, require_address_space, require_threads
from strongroom.vault import Vault
from strongroom_protocol.addresses import normalised
from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strongroom.cli.device import Device
    from strongroom.cli.profile.attempt_file import AttemptFile
    from strongroom.cli.profile.profiles import Place, Profile
    from strongroom.cli.progress import Patience
    from strongroom_protocol.invite import Invite


class NotEnabled(StrongroomError):
    """This device knows no vault."""

    message = "This device knows no vault yet."
    hint = (
        "Name it: --invite (or STRONGROOM_INVITE) with the invite that its operator gives out, or"
        " --vault with its address."
    )


class SeveralAccounts(StrongroomError):
    """This device knows several accounts or vaults, and the options do not say which is meant."""

    hint = "Name one: --account NAME, --vault HOST:PORT, or its --access-token-file."


class InviteAsAddress(StrongroomError):
    """An invite was given as an address."""

    message = "--vault takes an address like vault.example:7443, and this is an invite."
    hint = "For an invite use --invite or STRONGROOM_INVITE."


class UnknownAddress(VaultUnreachable):
    """An address is new to this device, and no vault answers there to say which one it is."""

    hint = "Check the address in --vault or STRONGROOM_VAULT."

    def __init__(self, unanswered: VaultUnreachable, known: str) -> None:
        super().__init__(f"{unanswered} {known}")
        self.cause, self.address = unanswered.cause, unanswered.address
        self.proxy = unanswered.proxy


class TwoTokenSources(StrongroomError):
    """Both ways to get an access token are named."""

    message = "Both a file and a command are named for the access token."
    hint = (
        "Name one of --access-token-file (STRONGROOM_ACCESS_TOKEN_FILE) and --access-token-command"
        " (STRONGROOM_ACCESS_TOKEN_COMMAND)."
    )


def target_of(device: Device, place: Place | None) -> Target:
    """Return a vault's address and what to connect with, from options and profiles."""
    address = device.vault or (place.profile.vault if place else None)
    if address is None:
        known = {normalised(other.profile.vault) for other in device.places}
        if len(known) > 1:
            raise SeveralAccounts(f"This device knows several vaults: {listed(known)}.")
        address = next(iter(known), None)
    if address is None:
        raise NotEnabled
    address = normalised(address)
    there = [other for other in device.places if other.profile.is_at(address)]
    kept = [kept_roots(other) for other in (*([place] if place else ()), *there)]
    roots, invite = device.roots or next(filter(None, kept), Roots()), ""
    if device.invite is not None and not device.roots:
        roots, invite = _roots_of(device.invite, kept)
    return Target(
        address=address,
        roots=roots,
        tokens=device.tokens or (kept_tokens(place.profile) if place else TokenSource()),
        pins=frozenset(other.profile.identity for other in there if other.is_proven),
        invite=invite,
    )


def connect(
    device: Device,
    target: Target,
    timeout: float = 30.0,
    pending: AttemptFile | None = None,
    patience: Patience | None = None,
) -> Vault:
    """Prepare a connection; nothing is sent to the vault yet."""
    require_address_space()
    require_threads()
    pin = device.identity or (next(iter(target.pins)) if len(target.pins) == 1 else None)
    stretching = Stretching() if patience is None else Stretching(watch=patience.stretching)
    retrying = None if patience is None else patience.retrying
    tokens = target.tokens.reader()
    if target.invite:
        return Vault.connect(
            invite=target.invite,
            access_token=tokens,
            timeout=timeout,
            pending=pending,
            stretching=stretching,
            retrying=retrying,
        )
    return Vault.connect(
        target.address,
        access_token=tokens,
        identity=pin,
        vault_id=device.invite.vault_id if device.invite else None,
        ca_certificates=target.roots.read(),
        timeout=timeout,
        pending=pending,
        stretching=stretching,
        retrying=retrying,
    )


def check_identity(device: Device, vault: Vault, target: Target, patience: Patience) -> None:
    """Compare the vault with those that this device knows, and say so if it is new.

    Raises:
        WrongVault: it is not the vault known at this address, or calls itself by another name.
        click.Abort: it has the name of a known vault, and the person does not accept it.
    """
    with patience:
        identity, vault_id = vault.identity(), vault.info().vault_id
    known = {place.profile.identity: place.profile for place in device.places if place.is_proven}
    if device.identity is None and target.pins and identity not in target.pins:
        raise WrongVault
    if identity in known:
        if known[identity].vault_id not in ("", vault_id):
            raise WrongVault(
                f"This vault calls itself {vault_id}; this device knows it as"
                f" {known[identity].vault_id}."
            )
        return
    if device.identity is None:
        say(f"First contact. The vault's identity is {identity}")
    elif device.invite is None:
        return
    if known:
        others = listed({profile.vault for profile in known.values()})
        say(f"It is not one of the vaults that this device knows: {others}.")
    same_name = [p.vault for p in known.values() if p.vault_id == vault_id]
    if same_name:
        say(
            f"WARNING: It calls itself {vault_id}, like the one at {listed(same_name)}, but it is"
            " another vault.\nIf you did not expect another vault, stop here and ask its"
            " operator. To be sure, name its identity: --identity."
        )
        prompts.confirm("Go on with this vault?")


def kept_tokens(profile: Profile) -> TokenSource:
    """Return where a profile gets access tokens."""
    return TokenSource(profile.access_token_file, profile.access_token_command)


def kept_roots(place: Place) -> Roots:
    """Return the certificates that a profile trusts."""
    return Roots(place.profile.ca_file, place.profile.ca_certificate)


def _roots_of(invite: Invite, kept: Iterable[Roots]) -> tuple[Roots, str]:
    """Return the invite's certificate if it is stored; else the invite, to fetch it with."""
    if not invite.ca_fingerprint:
        return Roots(), ""
    for roots in kept:
        if roots.pem and sha256(PEM_cert_to_DER_cert(roots.pem)).digest() == invite.ca_fingerprint:
            return roots, ""
    return Roots(), invite.encode()


def listed(names: Iterable[str]) -> str:
    """Return names for a sentence."""
    return ", ".join(sorted(names))
