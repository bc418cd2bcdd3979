import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("vault_id", "identity_public_key", "version", "started_at", "serving", "token_workers", "token_workers_ready", "token_workers_replaced", "commits", "changes")
    VAULT_ID_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    TOKEN_WORKERS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_WORKERS_READY_FIELD_NUMBER: _ClassVar[int]
    TOKEN_WORKERS_REPLACED_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    vault_id: str
    identity_public_key: bytes
    version: str
    started_at: _timestamp_pb2.Timestamp
    serving: bool
    token_workers: int
    token_workers_ready: int
    token_workers_replaced: int
    commits: int
    changes: int
    def __init__(self, vault_id: _Optional[str] = ..., identity_public_key: _Optional[bytes] = ..., version: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., serving: _Optional[bool] = ..., token_workers: _Optional[int] = ..., token_workers_ready: _Optional[int] = ..., token_workers_replaced: _Optional[int] = ..., commits: _Optional[int] = ..., changes: _Optional[int] = ...) -> None: ...
