from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAUSE_UNSPECIFIED: _ClassVar[Cause]
    CAUSE_ATTEMPT_LIMIT: _ClassVar[Cause]
CAUSE_UNSPECIFIED: Cause
CAUSE_ATTEMPT_LIMIT: Cause

class Record(_message.Message):
    __slots__ = ("charged", "cleared", "generation", "active", "destroyed", "deleted")
    CHARGED_FIELD_NUMBER: _ClassVar[int]
    CLEARED_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    DESTROYED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    charged: int
    cleared: int
    generation: int
    active: Active
    destroyed: Destroyed
    deleted: Deleted
    def __init__(self, charged: _Optional[int] = ..., cleared: _Optional[int] = ..., generation: _Optional[int] = ..., active: _Optional[_Union[Active, _Mapping]] = ..., destroyed: _Optional[_Union[Destroyed, _Mapping]] = ..., deleted: _Optional[_Union[Deleted, _Mapping]] = ...) -> None: ...

class Active(_message.Message):
    __slots__ = ("key_id", "created_at", "attempt_limit", "oprf_key", "registration_record", "sealed_backup_key", "stretching", "last_blinded_element", "last_is_final", "last_started_at")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    OPRF_KEY_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_RECORD_FIELD_NUMBER: _ClassVar[int]
    SEALED_BACKUP_KEY_FIELD_NUMBER: _ClassVar[int]
    STRETCHING_FIELD_NUMBER: _ClassVar[int]
    LAST_BLINDED_ELEMENT_FIELD_NUMBER: _ClassVar[int]
    LAST_IS_FINAL_FIELD_NUMBER: _ClassVar[int]
    LAST_STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    key_id: bytes
    created_at: int
    attempt_limit: int
    oprf_key: OprfKey
    registration_record: bytes
    sealed_backup_key: bytes
    stretching: Argon2id
    last_blinded_element: bytes
    last_is_final: bool
    last_started_at: int
    def __init__(self, key_id: _Optional[bytes] = ..., created_at: _Optional[int] = ..., attempt_limit: _Optional[int] = ..., oprf_key: _Optional[_Union[OprfKey, _Mapping]] = ..., registration_record: _Optional[bytes] = ..., sealed_backup_key: _Optional[bytes] = ..., stretching: _Optional[_Union[Argon2id, _Mapping]] = ..., last_blinded_element: _Optional[bytes] = ..., last_is_final: _Optional[bool] = ..., last_started_at: _Optional[int] = ...) -> None: ...

class OprfKey(_message.Message):
    __slots__ = ("public_key", "wrapped")
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    WRAPPED_FIELD_NUMBER: _ClassVar[int]
    public_key: bytes
    wrapped: bytes
    def __init__(self, public_key: _Optional[bytes] = ..., wrapped: _Optional[bytes] = ...) -> None: ...

class Argon2id(_message.Message):
    __slots__ = ("memory_kib", "passes", "lanes")
    MEMORY_KIB_FIELD_NUMBER: _ClassVar[int]
    PASSES_FIELD_NUMBER: _ClassVar[int]
    LANES_FIELD_NUMBER: _ClassVar[int]
    memory_kib: int
    passes: int
    lanes: int
    def __init__(self, memory_kib: _Optional[int] = ..., passes: _Optional[int] = ..., lanes: _Optional[int] = ...) -> None: ...

class Destroyed(_message.Message):
    __slots__ = ("destroyed_at", "cause")
    DESTROYED_AT_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    destroyed_at: int
    cause: Cause
    def __init__(self, destroyed_at: _Optional[int] = ..., cause: _Optional[_Union[Cause, str]] = ...) -> None: ...

class Deleted(_message.Message):
    __slots__ = ("deleted_at",)
    DELETED_AT_FIELD_NUMBER: _ClassVar[int]
    deleted_at: int
    def __init__(self, deleted_at: _Optional[int] = ...) -> None: ...

class RegistrationState(_message.Message):
    __slots__ = ("key_id", "generation", "expires_at", "oprf_key", "stretching")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    OPRF_KEY_FIELD_NUMBER: _ClassVar[int]
    STRETCHING_FIELD_NUMBER: _ClassVar[int]
    key_id: bytes
    generation: int
    expires_at: int
    oprf_key: OprfKey
    stretching: Argon2id
    def __init__(self, key_id: _Optional[bytes] = ..., generation: _Optional[int] = ..., expires_at: _Optional[int] = ..., oprf_key: _Optional[_Union[OprfKey, _Mapping]] = ..., stretching: _Optional[_Union[Argon2id, _Mapping]] = ...) -> None: ...

class RecoveryState(_message.Message):
    __slots__ = ("key_id", "serial", "expires_at", "expected_client_mac")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_CLIENT_MAC_FIELD_NUMBER: _ClassVar[int]
    key_id: bytes
    serial: int
    expires_at: int
    expected_client_mac: bytes
    def __init__(self, key_id: _Optional[bytes] = ..., serial: _Optional[int] = ..., expires_at: _Optional[int] = ..., expected_client_mac: _Optional[bytes] = ...) -> None: ...
