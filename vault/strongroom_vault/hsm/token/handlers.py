"""What a worker does for each job: one function each, over any Token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.messages import RegistrationRecord, RegistrationRequest
from strongroom_protocol.opaque.server import create_registration_response, generate_ke2
from strongroom_vault.hsm.jobs import (
    AdvanceAnchor,
    AnchorIs,
    CreateRegistrationResponse,
    DestroyOprfKey,
    DestroyWrapKeys,
    GeneratedKE2,
    GenerateKE2,
    ListOprfKeys,
    ListWrapKeys,
    MakeWrapKey,
    NewRegistration,
    OprfKeys,
    ReadAnchor,
    Rewrap,
    Rewrapped,
    WrapKeys,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_vault.hsm.jobs import AnyAnswer
    from strongroom_vault.hsm.token.interface import Token


def start_registration(token: Token, job: CreateRegistrationResponse) -> NewRegistration:
    """Make an OPRF key and evaluate with its wrapped form, which this proves to be good."""
    request = RegistrationRequest.decode(job.registration_request)
    stored = token.generate_oprf_key(resident=job.resident)
    with token.oprf_key(stored) as oprf_key:
        response = create_registration_response(request, token.identity.public_key, oprf_key)
    return NewRegistration(stored, response.encode())


def start_recovery(token: Token, job: GenerateKE2) -> GeneratedKE2:
    """Evaluate a charged attempt and make KE2."""
    record = RegistrationRecord.decode(job.registration_record)
    identities = Identities(client=job.client_identity, server=job.server_identity)
    with token.oprf_key(job.oprf_key) as oprf_key:
        ke2, expected = generate_ke2(job.ke1(), record, token.identity, oprf_key, identities)
    return GeneratedKE2(ke2.encode(), expected.client_mac)


def destroy_oprf_key(token: Token, job: DestroyOprfKey) -> OprfKeys:
    """Destroy a resident key for good."""
    return OprfKeys((job.public_key,) if token.destroy_oprf_key(job.public_key) else ())


def list_oprf_keys(token: Token, _job: ListOprfKeys) -> OprfKeys:
    """Say which resident keys there are."""
    return OprfKeys(token.resident_oprf_keys())


def list_wrap_keys(token: Token, _job: ListWrapKeys) -> WrapKeys:
    """Say which wrap keys there are."""
    return WrapKeys(token.wrap_keys())


def make_wrap_key(token: Token, _job: MakeWrapKey) -> WrapKeys:
    """Make the wrap key that a rotation leads to, unless it is there."""
    token.make_wrap_key()
    return WrapKeys(token.wrap_keys())


def destroy_wrap_keys(token: Token, job: DestroyWrapKeys) -> WrapKeys:
    """Destroy what a rotation leaves behind, for good."""
    token.destroy_wrap_keys(job.numbers)
    return WrapKeys(token.wrap_keys())


def rewrap(token: Token, job: Rewrap) -> Rewrapped:
    """Put an OPRF key under the newest wrap key."""
    return Rewrapped(token.rewrap(job.oprf_key))


def read_anchor(token: Token, _job: ReadAnchor) -> AnchorIs:
    """Say what the anchor remembers."""
    return AnchorIs(token.read_anchor())


def advance_anchor(token: Token, job: AdvanceAnchor) -> AnchorIs:
    """Move the anchor, if it holds what is expected."""
    return AnchorIs(token.advance_anchor(job.expected, job.new))


HANDLERS: Final[dict[type[Any], Callable[[Token, Any], AnyAnswer]]] = {
    CreateRegistrationResponse: start_registration,
    GenerateKE2: start_recovery,
    DestroyOprfKey: destroy_oprf_key,
    ListOprfKeys: list_oprf_keys,
    ListWrapKeys: list_wrap_keys,
    MakeWrapKey: make_wrap_key,
    DestroyWrapKeys: destroy_wrap_keys,
    Rewrap: rewrap,
    ReadAnchor: read_anchor,
    AdvanceAnchor: advance_anchor,
}
