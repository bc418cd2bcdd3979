"""What a worker does for each job: one function each, over the open token."""

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
    from strongroom_vault.hsm.token.open_token import OpenToken


def start_registration(token: OpenToken, job: CreateRegistrationResponse) -> NewRegistration:
    """Make an OPRF key, and evaluate with it for the first time."""
    # Decoded before the key is made: a resident key for a bad request would stay in the token until
    # `reconcile` finds it.
    request = RegistrationRequest.decode(job.registration_request)
    stored = token.keys.oprf_keys.generate(resident=job.resident)
    # Evaluated with what the record will keep, not with the key that was just made: a wrapped form
    # that does not unwrap shows now, and not at the recovery, when nothing can be done any more.
    with token.keys.oprf_keys.lend(stored) as oprf_key:
        response = create_registration_response(request, token.keys.identity.public_key, oprf_key)
    return NewRegistration(stored, response.encode())


def start_recovery(token: OpenToken, job: GenerateKE2) -> GeneratedKE2:
    """Answer an attempt: evaluate, and make KE2."""
    # Nothing here can tell whether the attempt is charged. In a vault that serves,
    # `Recovery._attempt` alone sends this job, after the charge is anchored.
    record = RegistrationRecord.decode(job.registration_record)
    identities = Identities(client=job.client_identity, server=job.server_identity)
    with token.keys.oprf_keys.lend(job.oprf_key) as oprf_key:
        ke2, expected = generate_ke2(job.ke1(), record, token.keys.identity, oprf_key, identities)
    return GeneratedKE2(ke2.encode(), expected.client_mac)


def destroy_oprf_key(token: OpenToken, job: DestroyOprfKey) -> OprfKeys:
    """Destroy a resident key for good."""
    return OprfKeys((job.public_key,) if token.keys.oprf_keys.destroy(job.public_key) else ())


def list_oprf_keys(token: OpenToken, _job: ListOprfKeys) -> OprfKeys:
    """List the resident keys."""
    return OprfKeys(token.keys.oprf_keys.list_resident())


def list_wrap_keys(token: OpenToken, _job: ListWrapKeys) -> WrapKeys:
    """List the wrap keys."""
    return WrapKeys(token.keys.wrap_keys.numbers())


def make_wrap_key(token: OpenToken, job: MakeWrapKey) -> WrapKeys:
    """Make the wrap key that a rotation leads to, unless the token has it."""
    token.keys.wrap_keys.make(job.numbers)
    return WrapKeys(token.keys.wrap_keys.numbers())


def destroy_wrap_keys(token: OpenToken, job: DestroyWrapKeys) -> WrapKeys:
    """Destroy wrap keys that a rotation has replaced, for good."""
    # By number, not all but the newest: what another rotation has made meanwhile is not on the
    # list.
    token.keys.wrap_keys.destroy(job.numbers)
    return WrapKeys(token.keys.wrap_keys.numbers())


def rewrap(token: OpenToken, job: Rewrap) -> Rewrapped:
    """Wrap an OPRF key under the newest wrap key."""
    return Rewrapped(token.keys.oprf_keys.rewrap(job.oprf_key))


def read_anchor(token: OpenToken, _job: ReadAnchor) -> AnchorIs:
    """Read the anchor."""
    return AnchorIs(token.anchor.read())


def advance_anchor(token: OpenToken, job: AdvanceAnchor) -> AnchorIs:
    """Move the anchor, if it holds what the job expects."""
    return AnchorIs(token.anchor.advance(job.expected, job.new))


HANDLERS: Final[dict[type[Any], Callable[[OpenToken, Any], AnyAnswer]]] = {
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
