"""Why a vault gives no answer: the closed list of causes, and how each is said to a person."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class UnreachableCause(StrEnum):
    """Why a vault gives no answer."""

    UNKNOWN_HOST = "unknown_host"
    """The name of the host does not exist."""
    LOOKUP_FAILED = "lookup_failed"
    """Whether it exists cannot be learnt at the moment."""
    NO_ROUTE = "no_route"
    """The network knows no way there."""
    REFUSED = "refused"
    """The host refuses the connection: nothing listens on that port."""
    TIMED_OUT = "timed_out"
    """The connection is neither accepted nor refused."""
    PROXY = "proxy"
    """The proxy of the environment is away, or does not lead there at the moment."""
    UNKNOWN_PROXY = "unknown_proxy"
    """The proxy's host does not exist."""
    PROXY_REFUSES = "proxy_refuses"
    """The proxy does not allow it: it wants a login, say, or has a rule against it."""
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    """No trusted root vouches for the certificate."""
    CERTIFICATE_EXPIRED = "certificate_expired"
    """The certificate's time is over, by this device's clock."""
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    """The certificate's time has not begun, by this device's clock."""
    CERTIFICATE_OTHER_NAME = "certificate_other_name"
    """The certificate is for another host name."""
    CERTIFICATE_REFUSED = "certificate_refused"
    """The certificate is not good for another reason, which the message names."""
    NOT_A_VAULT = "not_a_vault"
    """Something else than a vault answers there: without TLS, or without HTTP/2."""
    NO_ANSWER = "no_answer"
    """The connection is made, and the call is not answered; or nothing is known."""

    @property
    def is_lasting(self) -> bool:
        """Whether trying again cannot help before a person has mended something."""
        return self in _LASTING


_LASTING: Final = frozenset(
    {
        UnreachableCause.UNKNOWN_HOST,
        UnreachableCause.UNKNOWN_PROXY,
        UnreachableCause.PROXY_REFUSES,
        UnreachableCause.CERTIFICATE_UNTRUSTED,
        UnreachableCause.CERTIFICATE_EXPIRED,
        UnreachableCause.CERTIFICATE_NOT_YET_VALID,
        UnreachableCause.CERTIFICATE_OTHER_NAME,
        UnreachableCause.CERTIFICATE_REFUSED,
        UnreachableCause.NOT_A_VAULT,
    }
)

_NETWORK: Final = "Check this device's network, and try again."
_CLOCK: Final = (
    "Check the date and time of this device. If they are right, tell the vault's operator."
)

_OWN_ROOT: Final = (
    "If the vault's operator gave you a certificate file, pass it as ca_certificates. Else do not"
    " go on: this may not be the vault."
)

_TEXTS: Final[dict[UnreachableCause, tuple[str, str]]] = {
    UnreachableCause.UNKNOWN_HOST: (
        "There is no host named {host}.",
        "Check the spelling of the vault's address.",
    ),
    UnreachableCause.LOOKUP_FAILED: (
        "The name {host} cannot be looked up at the moment.",
        _NETWORK,
    ),
    UnreachableCause.NO_ROUTE: ("The network has no route to {address}.", _NETWORK),
    UnreachableCause.REFUSED: (
        "The vault does not answer: {address} refuses the connection.",
        "Check the port in the vault's address. If it is right, the vault is down: try later.",
    ),
    UnreachableCause.TIMED_OUT: (
        "The vault does not answer: no connection to {address} could be made in time.",
        "Check the network and the vault's address, and try again.",
    ),
    UnreachableCause.PROXY: (
        "The proxy {proxy} does not lead to {address}: {detail}.",
        "Check the proxy, or name {host} in the environment variable no_proxy to do without it.",
    ),
    UnreachableCause.UNKNOWN_PROXY: (
        "The proxy {proxy} on the way to {address} does not exist: there is no host of that name.",
        "Check the proxy, or name {host} in the environment variable no_proxy to do without it.",
    ),
    UnreachableCause.PROXY_REFUSES: (
        "The proxy {proxy} refuses the way to {address}: {detail}.",
        "Ask whoever runs it, or name {host} in the environment variable no_proxy to go without.",
    ),
    UnreachableCause.CERTIFICATE_UNTRUSTED: (
        "The TLS certificate of {address} is not trusted: {detail}.",
        _OWN_ROOT,
    ),
    UnreachableCause.CERTIFICATE_EXPIRED: (
        "The TLS certificate of {address} has expired.",
        _CLOCK,
    ),
    UnreachableCause.CERTIFICATE_NOT_YET_VALID: (
        "The TLS certificate of {address} is not valid yet.",
        _CLOCK,
    ),
    UnreachableCause.CERTIFICATE_OTHER_NAME: (
        "The TLS certificate of {address} is not for the name {host}.",
        "Check the vault's address: the host must be one of those that its certificate names.",
    ),
    UnreachableCause.CERTIFICATE_REFUSED: (
        "The TLS certificate of {address} is not accepted: {detail}.",
        "Tell the vault's operator.",
    ),
    UnreachableCause.NOT_A_VAULT: (
        "What answers at {address} is not a vault: {detail}.",
        "Check the port in the vault's address; another service may be there.",
    ),
    UnreachableCause.NO_ANSWER: (
        "The vault at {address} does not answer.",
        "Check the network and the vault's address, and try again.",
    ),
}


_OF_THE_PROXY: Final = frozenset(
    {UnreachableCause.PROXY, UnreachableCause.UNKNOWN_PROXY, UnreachableCause.PROXY_REFUSES}
)
_PERHAPS_ANOTHER_PORT: Final = frozenset(
    {
        UnreachableCause.REFUSED,
        UnreachableCause.TIMED_OUT,
        UnreachableCause.NOT_A_VAULT,
        UnreachableCause.NO_ANSWER,
    }
)
_HTTPS_PORT: Final = (
    " An https:// address without a port means port 443, and a vault often has another one, such as"
    " 7443."
)


def describe(
    cause: UnreachableCause, address: str, proxy: str = "", detail: str = ""
) -> tuple[str, str]:
    """Return the message and the hint for a person.

    Args:
        cause: why there is no answer.
        address: host:port of the vault.
        proxy: what stands between, without its password; empty for nothing.
        detail: what the cause leaves open, in a few words.
    """
    message, hint = _TEXTS[cause]
    known = {
        "address": address,
        "host": address.rpartition(":")[0],
        "proxy": proxy,
        "detail": detail,
    }
    hint = hint.format(**known)
    if cause in _PERHAPS_ANOTHER_PORT and address.endswith(":443"):
        hint += _HTTPS_PORT
    if cause not in _OF_THE_PROXY:
        hint += by_way_of(proxy)
    return message.format(**known), hint


def by_way_of(proxy: str) -> str:
    """Return the sentence that a hint ends with where a proxy stands between, or nothing."""
    return f" The connection goes through the proxy {proxy}." if proxy else ""
