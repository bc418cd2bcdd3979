"""Points of P-256 from the textbook twin, for tests of the group and of multiplication."""

from __future__ import annotations

from typing import Final

import p256_twin as twin
from hypothesis import strategies as st

from strongroom_protocol.opaque.group import GENERATOR, ORDER, PRIME, Element

SCALARS: Final = st.one_of(
    st.integers(1, ORDER - 1), st.integers(1, 40), st.integers(ORDER - 40, ORDER - 1)
)
MINUS_GENERATOR: Final = Element(GENERATOR.x, PRIME - GENERATOR.y)


def element(k: int) -> Element:
    """k * G, from the twin."""
    point = twin.times(k, twin.G)
    assert point is not None
    return Element(*point)


def negative(point: Element) -> Element:
    return Element(point.x, PRIME - point.y)
