"""What a token worker is told crosses a pipe and comes out as it was."""

from __future__ import annotations

import msgspec
import pytest

from strongroom_vault.settings.token_settings import TokenSettings


def test_it_comes_out_as_it_was() -> None:
    settings = TokenSettings("/m.so", "label", "/pin", {"SOFTHSM2_CONF": "/conf"})
    sent = msgspec.msgpack.encode(settings)
    assert msgspec.msgpack.decode(sent, type=TokenSettings) == settings


def test_nothing_is_left_out() -> None:
    sent = msgspec.msgpack.encode({"module": "/m.so", "label": "label"})
    with pytest.raises(msgspec.ValidationError, match="pin_file"):
        msgspec.msgpack.decode(sent, type=TokenSettings)
