"""How many connections leave enough descriptors to all else."""

from __future__ import annotations

import pytest

from strongroom_vault.api.bounds import connections_within
from strongroom_vault.errors import OperatorError


@pytest.mark.parametrize(
    ("descriptors", "wanted", "workers", "connections"),
    [(65536, 2048, 2, 2048), (1024, 2048, 2, 944), (1024, 2048, 64, 448), (96, 2048, 2, 16)],
)
def test_connections(descriptors: int, wanted: int, workers: int, connections: int) -> None:
    assert connections_within(descriptors, wanted, workers) == connections


@pytest.mark.parametrize(("descriptors", "wanted"), [(95, 2048), (0, 2048), (81, 2)])
def test_hardly_any(descriptors: int, wanted: int) -> None:
    with pytest.raises(OperatorError, match="needs 80 and one for each connection"):
        connections_within(descriptors, wanted, 2)
