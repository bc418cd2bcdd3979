"""BackupKeyVault: proto messages to use cases and back. One small function for each call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom_protocol.convert import (
    SUITE,
    argon2id_to_proto,
    cause_to_proto,
    has_suite,
    timestamp_of_ms,
)
from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_vault.errors import Malformed
from strongroom_vault.service.answers import ActiveKey

if TYPE_CHECKING:
    from strongroom_protocol.convert import HasSuite
    from strongroom_vault.api.caller import Caller
    from strongroom_vault.service.backup_keys import BackupKeyService


class BackupKeyVault:
    """The service that applications call; see protos/strongroom/v1/vault.proto.

    It is a BackupKeyVaultServicer but for its second arguments, which the guard hands over.
    """

    def __init__(self, service: BackupKeyService) -> None:
        self._service = service

    async def GetVault(  # noqa: N802 -- names of the proto file
        self, request: pb.GetVaultRequest, _caller: Caller
    ) -> pb.GetVaultResponse:
        """The vault's public parameters."""
        _check_suite(request)
        parameters = self._service.parameters
        return pb.GetVaultResponse(
            suite=SUITE,
            vault_id=parameters.vault_id,
            identity_public_key=parameters.identity_public_key,
            stretching=argon2id_to_proto(parameters.stretching),
            attempt_limit=parameters.attempt_limit,
            minimum_attempt_limit=parameters.minimum_attempt_limit,
            maximum_attempt_limit=parameters.maximum_attempt_limit,
        )

    async def StartRegistration(  # noqa: N802
        self, request: pb.StartRegistrationRequest, caller: Caller
    ) -> pb.StartRegistrationResponse:
        """First message of a registration."""
        _check_suite(request)
        started = await self._service.registration.start(
            caller.account, request.registration_request
        )
        return pb.StartRegistrationResponse(
            suite=SUITE,
            registration_response=started.registration_response,
            key_id=started.key_id,
            registration_state=started.state,
            stretching=argon2id_to_proto(started.stretching),
        )

    async def FinishRegistration(  # noqa: N802
        self, request: pb.FinishRegistrationRequest, caller: Caller
    ) -> pb.FinishRegistrationResponse:
        """Last message of a registration."""
        _check_suite(request)
        registered = await self._service.registration.finish(
            caller.account,
            request.registration_state,
            request.registration_record,
            request.sealed_backup_key,
            request.attempt_limit,
        )
        return pb.FinishRegistrationResponse(
            suite=SUITE,
            key_id=registered.key_id,
            attempt_limit=registered.attempt_limit,
            attempts_left=registered.attempts_left,
            created_at=timestamp_of_ms(registered.created_at),
        )

    async def StartRecovery(  # noqa: N802
        self, request: pb.StartRecoveryRequest, caller: Caller
    ) -> pb.StartRecoveryResponse:
        """One attempt with a password."""
        _check_suite(request)
        started = await self._service.recovery.start(caller.account, request.ke1)
        return pb.StartRecoveryResponse(
            suite=SUITE,
            ke2=started.ke2,
            key_id=started.key_id,
            recovery_state=started.state,
            attempts_left=started.attempts_left,
            stretching=argon2id_to_proto(started.stretching),
        )

    async def FinishRecovery(  # noqa: N802
        self, request: pb.FinishRecoveryRequest, caller: Caller
    ) -> pb.FinishRecoveryResponse:
        """Proves the password."""
        _check_suite(request)
        sealed = await self._service.recovery.finish(
            caller.account, request.recovery_state, request.ke3
        )
        return pb.FinishRecoveryResponse(suite=SUITE, sealed_backup_key=sealed)

    async def GetKey(  # noqa: N802
        self, request: pb.GetKeyRequest, caller: Caller
    ) -> pb.GetKeyResponse:
        """What the vault holds for the account."""
        _check_suite(request)
        key = await self._service.keys.get(caller.account)
        if key is None:
            return pb.GetKeyResponse(suite=SUITE, absent=pb.GetKeyResponse.Absent())
        if isinstance(key, ActiveKey):
            return pb.GetKeyResponse(suite=SUITE, active=_active(key))
        destroyed = pb.GetKeyResponse.Destroyed(
            destroyed_at=timestamp_of_ms(key.destroyed_at),
            cause=cause_to_proto(key.cause.value),
        )
        return pb.GetKeyResponse(suite=SUITE, destroyed=destroyed)

    async def DeleteKey(  # noqa: N802
        self, request: pb.DeleteKeyRequest, caller: Caller
    ) -> pb.DeleteKeyResponse:
        """Deletes the account's key."""
        _check_suite(request)
        await self._service.keys.delete(caller.account)
        return pb.DeleteKeyResponse(suite=SUITE)


def _check_suite(request: HasSuite) -> None:
    if not has_suite(request):
        raise Malformed("suite", "not a suite of this vault")


def _active(key: ActiveKey) -> pb.GetKeyResponse.Active:
    return pb.GetKeyResponse.Active(
        key_id=key.key_id,
        attempt_limit=key.attempt_limit,
        attempts_left=key.attempts_left,
        created_at=timestamp_of_ms(key.created_at),
        wait_until=None if key.wait_until is None else timestamp_of_ms(key.wait_until),
        stretching=argon2id_to_proto(key.stretching),
    )
