"""The tests that every worker runs when it starts refuse a token that lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from strongroom_protocol.opaque.group import GENERATOR, Element, add
from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.self_test import check_key, check_keys, check_secrets

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken


class LyingKey:
    """The generator's own key (1 times everything), but for what a test spoils."""

    public_key = GENERATOR
    is_non_extractable = True

    def __init__(self, *, wrong_from: int = 99, extractable: bool = False) -> None:
        self._wrong_from = wrong_from
        self._calls = 0
        self.is_non_extractable = not extractable

    def evaluate(self, point: Element) -> Element:
        self._calls += 1
        return point if self._calls < self._wrong_from else add(point, GENERATOR)


def test_a_good_token_passes(token: OpenToken) -> None:
    check_keys(token.keys)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"wrong_from": 1}, "public key is wrong"),
        ({"wrong_from": 2}, "known point is wrong"),
        ({"wrong_from": 3}, "do not add up"),
        ({"extractable": True}, "it is extractable"),
    ],
)
def test_a_key_that_lies_is_named(options: dict[str, Any], problem: str) -> None:
    key: Any = LyingKey(**options)
    with pytest.raises(OperatorError, match=f"the spare key: .*{problem}"):
        check_key(key, "the spare key")
    check_key(LyingKey())  # type: ignore[arg-type]  # an honest one


@pytest.mark.parametrize(
    ("secrets", "problem"),
    [
        ([b"short"] * 3, "not a function"),
        ([bytes(32), b"\1" * 32, bytes(32)], "not a function"),
        ([bytes(32)] * 3, "does not depend"),
    ],
)
def test_secrets_that_do_not_depend_on_their_labels_are_refused(
    token: OpenToken, monkeypatch: pytest.MonkeyPatch, secrets: list[bytes], problem: str
) -> None:
    monkeypatch.setattr(token.keys, "derive_secret", lambda _label: secrets.pop(0))
    with pytest.raises(OperatorError, match=problem):
        check_secrets(token.keys)


def test_a_token_that_makes_the_same_key_twice_is_refused(
    token: OpenToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = token.keys.oprf_keys.generate(resident=False)
    monkeypatch.setattr(token.keys.oprf_keys, "generate", lambda **_: stored)
    with pytest.raises(OperatorError, match="same key twice"):
        check_keys(token.keys)
