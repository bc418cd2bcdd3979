"""What a diagnosis finds out about a vault that does not answer, and when it ends."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest
from tls_servers import certificate, says, serving, shakes_hands

from strongroom import UnreachableCause
from strongroom.diagnosis import Diagnosis, Finding
from strongroom.proxies import Proxy

if TYPE_CHECKING:
    from pathlib import Path

CAUSE = UnreachableCause
AT_ONCE_S = 10.0


def test_a_name_that_cannot_be_looked_up_now_may_be_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    found = Diagnosis("vault.example:1", None, None).result()
    assert found.cause is CAUSE.LOOKUP_FAILED
    assert not found.cause.is_lasting


def test_a_family_that_the_system_does_not_know_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel without IPv6, and a name with addresses of both families."""
    pem = certificate(tmp_path)
    with serving(shakes_hands(pem, "http/1.1")) as port:
        unknown = (socket.AF_DECnet, socket.SOCK_STREAM, 0, "", ("", 0))
        known = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [unknown, known])
        found = Diagnosis(f"localhost:{port}", pem.read_bytes(), None).result()
    assert found.cause is CAUSE.NOT_A_VAULT


def test_a_search_ends_in_time_and_says_how_far_it_came(tmp_path: Path) -> None:
    """A host that takes the connection and then says nothing, such as a vault that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        search = Diagnosis(address, certificate(tmp_path).read_bytes(), None, 0.3)
        assert search.result() == Finding(CAUSE.NO_ANSWER)
        assert time.monotonic() - began < AT_ONCE_S
        search.future.result(AT_ONCE_S)  # its thread ends too


def test_each_cause_has_words() -> None:
    for cause in CAUSE:
        error = Diagnosis("localhost:1", None, None, 0).error(Finding(cause, "the detail"))
        assert "localhost" in str(error)
        assert "{" not in str(error) + error.hint
        assert error.hint


def test_a_proxys_name_that_cannot_be_looked_up_now_may_be_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lookup(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    proxy = Proxy("proxy.example", 80, "", "https_proxy")
    found = Diagnosis("vault.example:1", None, proxy).result()
    assert found == Finding(CAUSE.PROXY, "its name cannot be looked up at the moment")
    assert not found.cause.is_lasting


@pytest.mark.parametrize("status", ["408", "425", "429", "500", "502", "503", "504"])
def test_a_proxy_that_may_answer_otherwise_is_asked_again(status: str) -> None:
    with serving(says(f"HTTP/1.1 {status} No\r\n\r\n".encode())) as port:
        proxy = Proxy("127.0.0.1", port, "", "https_proxy")
        found = Diagnosis("vault.example:1", None, proxy).result()
    assert found == Finding(CAUSE.PROXY, f"it answers {status}")
