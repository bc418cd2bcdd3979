"""The protocols name what grpcio really has."""

from __future__ import annotations

import inspect

import grpc

from strongroom_vault.api.grpc_types import Context, Handler


def test_grpcios_context_has_every_method() -> None:
    methods = {name for name in vars(Context) if not name.startswith("_")}
    assert "abort" in methods
    for name in methods:
        ours, theirs = getattr(Context, name), getattr(grpc.aio.ServicerContext, name)
        assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs), name


def test_grpcios_handler_has_every_attribute() -> None:
    handler: object = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    assert Handler.__annotations__
    for name in Handler.__annotations__:
        assert hasattr(handler, name), name
