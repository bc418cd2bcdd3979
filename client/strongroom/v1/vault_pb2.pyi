import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Suite(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUITE_UNSPECIFIED: _ClassVar[Suite]
    SUITE_OPAQUE_3DH_P256_SHA256: _ClassVar[Suite]

class DestructionCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DESTRUCTION_CAUSE_UNSPECIFIED: _ClassVar[DestructionCause]
    DESTRUCTION_CAUSE_ATTEMPT_LIMIT: _ClassVar[DestructionCause]
SUITE_UNSPECIFIED: Suite
SUITE_OPAQUE_3DH_P256_SHA256: Suite
DESTRUCTION_CAUSE_UNSPECIFIED: DestructionCause
DESTRUCTION_CAUSE_ATTEMPT_LIMIT: DestructionCause

class Argon2id(_message.Message):
    __slots__ = ("memory_kib", "passes", "lanes")
    MEMORY_KIB_FIELD_NUMBER: _ClassVar[int]
    PASSES_FIELD_NUMBER: _ClassVar[int]
    LANES_FIELD_NUMBER: _ClassVar[int]
    memory_kib: int
    passes: int
    lanes: int
    def __init__(self, memory_kib: _Optional[int] = ..., passes: _Optional[int] = ..., lanes: _Optional[int] = ...) -> None: ...

class GetVaultRequest(_message.Message):
    __slots__ = ("suite",)
    SUITE_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ...) -> None: ...

class GetVaultResponse(_message.Message):
    __slots__ = ("suite", "vault_id", "identity_public_key", "stretching", "attempt_limit", "minimum_attempt_limit", "maximum_attempt_limit")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    VAULT_ID_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    STRETCHING_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_ATTEMPT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_ATTEMPT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    vault_id: str
    identity_public_key: bytes
    stretching: Argon2id
    attempt_limit: int
    minimum_attempt_limit: int
    maximum_attempt_limit: int
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ..., vault_id: _Optional[str] = ..., identity_public_key: _Optional[bytes] = ..., stretching: _Optional[_Union[Argon2id, _Mapping]] = ..., attempt_limit: _Optional[int] = ..., minimum_attempt_limit: _Optional[int] = ..., maximum_attempt_limit: _Optional[int] = ...) -> None: ...

class StartRegistrationRequest(_message.Message):
    __slots__ = ("suite", "registration_request")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_REQUEST_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    registration_request: bytes
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ..., registration_request: _Optional[bytes] = ...) -> None: ...

class StartRegistrationResponse(_message.Message):
    __slots__ = ("suite", "registration_response", "key_id", "registration_state", "stretching")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_STATE_FIELD_NUMBER: _ClassVar[int]
    STRETCHING_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    registration_response: bytes
    key_id: bytes
    registration_state: bytes
    stretching: Argon2id
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ..., registration_response: _Optional[bytes] = ..., key_id: _Optional[bytes] = ..., registration_state: _Optional[bytes] = ..., stretching: _Optional[_Union[Argon2id, _Mapping]] = ...) -> None: ...

class FinishRegistrationRequest(_message.Message):
    __slots__ = ("suite", "registration_state", "registration_record", "sealed_backup_key", "attempt_limit")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_STATE_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_RECORD_FIELD_NUMBER: _ClassVar[int]
    SEALED_BACKUP_KEY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    registration_state: bytes
    registration_record: bytes
    sealed_backup_key: bytes
    attempt_limit: int
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ..., registration_state: _Optional[bytes] = ..., registration_record: _Optional[bytes] = ..., sealed_backup_key: _Optional[bytes] = ..., attempt_limit: _Optional[int] = ...) -> None: ...

class FinishRegistrationResponse(_message.Message):
    __slots__ = ("suite", "key_id", "attempt_limit", "attempts_left", "created_at")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_LEFT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    key_id: bytes
    attempt_limit: int
    attempts_left: int
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ..., key_id: _Optional[bytes] = ..., attempt_limit: _Optional[int] = ..., attempts_left: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StartRecoveryRequest(_message.Message):
    __slots__ = ("suite", "ke1")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    KE1_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    ke1: bytes
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ..., ke1: _Optional[bytes] = ...) -> None: ...

class StartRecoveryResponse(_message.Message):
    __slots__ = ("suite", "ke2", "key_id", "recovery_state", "attempts_left", "stretching")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    KE2_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    RECOVERY_STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_LEFT_FIELD_NUMBER: _ClassVar[int]
    STRETCHING_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    ke2: bytes
    key_id: bytes
    recovery_state: bytes
    attempts_left: int
    stretching: Argon2id
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ..., ke2: _Optional[bytes] = ..., key_id: _Optional[bytes] = ..., recovery_state: _Optional[bytes] = ..., attempts_left: _Optional[int] = ..., stretching: _Optional[_Union[Argon2id, _Mapping]] = ...) -> None: ...

class FinishRecoveryRequest(_message.Message):
    __slots__ = ("suite", "recovery_state", "ke3")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    RECOVERY_STATE_FIELD_NUMBER: _ClassVar[int]
    KE3_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    recovery_state: bytes
    ke3: bytes
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ..., recovery_state: _Optional[bytes] = ..., ke3: _Optional[bytes] = ...) -> None: ...

class FinishRecoveryResponse(_message.Message):
    __slots__ = ("suite", "sealed_backup_key")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    SEALED_BACKUP_KEY_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    sealed_backup_key: bytes
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ..., sealed_backup_key: _Optional[bytes] = ...) -> None: ...

class GetKeyRequest(_message.Message):
    __slots__ = ("suite",)
    SUITE_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ...) -> None: ...

class GetKeyResponse(_message.Message):
    __slots__ = ("suite", "active", "destroyed", "none")
    class Active(_message.Message):
        __slots__ = ("key_id", "attempt_limit", "attempts_left", "created_at", "wait_until")
        KEY_ID_FIELD_NUMBER: _ClassVar[int]
        ATTEMPT_LIMIT_FIELD_NUMBER: _ClassVar[int]
        ATTEMPTS_LEFT_FIELD_NUMBER: _ClassVar[int]
        CREATED_AT_FIELD_NUMBER: _ClassVar[int]
        WAIT_UNTIL_FIELD_NUMBER: _ClassVar[int]
        key_id: bytes
        attempt_limit: int
        attempts_left: int
        created_at: _timestamp_pb2.Timestamp
        wait_until: _timestamp_pb2.Timestamp
        def __init__(self, key_id: _Optional[bytes] = ..., attempt_limit: _Optional[int] = ..., attempts_left: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., wait_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    class Destroyed(_message.Message):
        __slots__ = ("destroyed_at", "cause")
        DESTROYED_AT_FIELD_NUMBER: _ClassVar[int]
        CAUSE_FIELD_NUMBER: _ClassVar[int]
        destroyed_at: _timestamp_pb2.Timestamp
        cause: DestructionCause
        def __init__(self, destroyed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cause: _Optional[_Union[DestructionCause, str]] = ...) -> None: ...
    class None(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    SUITE_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    DESTROYED_FIELD_NUMBER: _ClassVar[int]
    NONE_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    active: GetKeyResponse.Active
    destroyed: GetKeyResponse.Destroyed
    none: getattr(GetKeyResponse, 'None')
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ..., active: _Optional[_Union[GetKeyResponse.Active, _Mapping]] = ..., destroyed: _Optional[_Union[GetKeyResponse.Destroyed, _Mapping]] = ..., none: _Optional[_Union[getattr(GetKeyResponse, 'None'), _Mapping]] = ...) -> None: ...

class DeleteKeyRequest(_message.Message):
    __slots__ = ("suite",)
    SUITE_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ...) -> None: ...

class DeleteKeyResponse(_message.Message):
    __slots__ = ("suite",)
    SUITE_FIELD_NUMBER: _ClassVar[int]
    suite: Suite
    def __init__(self, suite: _Optional[_Union[Suite, str]] = ...) -> None: ...
