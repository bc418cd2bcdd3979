"""Loads gRPC so that it writes nothing to stderr: what it has to say is told by typed errors.

gRPC reads GRPC_VERBOSITY once, when it is loaded. Whoever set it, or loaded gRPC before, has chosen
otherwise. The environment stays as it was: it is the application's, and its children inherit it.
"""

from __future__ import annotations

import os
import sys

_VERBOSITY = "GRPC_VERBOSITY"
_must_silence = "grpc" not in sys.modules and not {_VERBOSITY, "GRPC_TRACE"} & os.environ.keys()
if _must_silence:
    os.environ[_VERBOSITY] = "NONE"
try:
    import grpc
    import grpc.aio
finally:
    if _must_silence:
        os.environ.pop(_VERBOSITY, None)

__all__ = ["grpc"]
