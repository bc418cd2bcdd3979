"""The gRPC surface: who may call, with what, how often; messages to use cases and back.

Runs in the event loop. Only here and in `server` may a gRPC server be known; only `auth` and
`key_sets` know JWT.
"""
