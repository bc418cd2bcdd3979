"""Why a vault gives no answer, in words for a person."""

from __future__ import annotations

import pytest

from strongroom import UnreachableCause
from strongroom.causes import describe

CAUSE = UnreachableCause
WAITING_MAY_HELP = {
    CAUSE.LOOKUP_FAILED,
    CAUSE.NO_ROUTE,
    CAUSE.REFUSED,
    CAUSE.TIMED_OUT,
    CAUSE.PROXY,
    CAUSE.NO_ANSWER,
}


def test_which_causes_a_person_has_to_mend_first() -> None:
    assert {cause for cause in CAUSE if not cause.is_lasting} == WAITING_MAY_HELP


@pytest.mark.parametrize("cause", CAUSE)
def test_each_names_where_it_is(cause: UnreachableCause) -> None:
    message, hint = describe(cause, "vault.example:7443", "", "the detail")
    assert "vault.example" in message
    assert message.endswith(".")
    assert hint
    assert "{" not in message + hint


def test_the_host_is_named_without_its_port() -> None:
    message, _ = describe(CAUSE.UNKNOWN_HOST, "[2001:db8::1]:7443")
    assert message == "There is no host named [2001:db8::1]."


def test_a_proxy_is_named_once() -> None:
    proxy = "proxy.example:80 (https_proxy)"
    _, hint = describe(CAUSE.REFUSED, "vault.example:7443", proxy)
    assert hint.endswith(f"The connection goes through the proxy {proxy}.")
    message, hint = describe(CAUSE.PROXY, "vault.example:7443", proxy, "it answers 403")
    assert message == f"The proxy {proxy} does not lead to vault.example:7443: it answers 403."
    assert proxy not in hint
    for cause in (CAUSE.UNKNOWN_PROXY, CAUSE.PROXY_REFUSES):
        message, hint = describe(cause, "vault.example:7443", proxy, "it answers 403")
        assert proxy in message
        assert proxy not in hint


def test_port_443_is_explained_where_another_one_may_be_meant() -> None:
    for cause in CAUSE:
        _, hint = describe(cause, "vault.example:443", "", "the detail")
        is_explained = "without a port means port 443" in hint
        assert is_explained == (
            cause in {CAUSE.REFUSED, CAUSE.TIMED_OUT, CAUSE.NOT_A_VAULT, CAUSE.NO_ANSWER}
        )
        _, hint = describe(cause, "vault.example:7443", "", "the detail")
        assert "443" not in hint.replace("7443", "")
