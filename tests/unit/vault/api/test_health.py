"""Watchers of health at the moments that a real connection meets by chance alone."""

from __future__ import annotations

from typing import Any, cast

from grpc_health.v1 import health_pb2

from strongroom_vault.api.health import Health

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Caller:
    """A watcher; the vault goes down while the first answer is on its way to it."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self.told: list[int] = []

    async def write(self, answer: Any) -> None:
        self.told.append(answer.status)
        if len(self.told) == 1:
            self._health.close()


async def test_who_is_being_told_while_the_vault_goes_down_hears_of_that_too() -> None:
    health = Health(("",))
    health.set(serving=True)
    caller = Caller(health)
    await health.Watch(health_pb2.HealthCheckRequest(), cast("Any", caller))
    assert caller.told == [SERVING, NOT_SERVING]
    assert health.watchers == 0
