"""What the settings may say: one class for each table of the file, one field for each setting.

`loading.py` reads them. `docs/settings.example.toml` shows every setting.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from strongroom_protocol.labels import ATTEMPT_LIMIT_MAX
from strongroom_protocol.opaque.ksf import RFC9106_SECOND, Argon2id
from strongroom_vault.settings.token_settings import TokenSettings


def _text(pattern: str, description: str) -> msgspec.Meta:
    return msgspec.Meta(
        pattern=rf"\A(?:{pattern})\Z", extra_json_schema={"description": description}
    )


VaultId = Annotated[
    str,
    _text(
        r"[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?",
        "1 to 64 characters of a-z, 0-9, . and -, the first and the last a letter or digit",
    ),
]
_PORT: Final = (
    r"0*([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
Address = Annotated[
    str,
    _text(
        rf"(\[[0-9A-Fa-f:.%a-z]+\]|[^:\[\]\s/]+):{_PORT}",
        "host:port, for example 127.0.0.1:7443 or [::]:7443",
    ),
]
Limit = Annotated[int, msgspec.Meta(ge=1, le=ATTEMPT_LIMIT_MAX)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=366 * 24 * 3600)]


_SECONDS_EACH: Final = {
    "description": (
        "a list of whole numbers of seconds, such as [60, 3600], each from 1 to 31622400 (366 days)"
    )
}


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class Vault(_Section, frozen=True):
    """`[vault]`: who the vault is and how many attempts it allows.

    Attributes:
        id: 1 to 64 characters of [a-z0-9.-]; access tokens carry it as `aud`.
        attempt_limit: how many attempts in a row may fail; a client may ask for fewer.
        minimum_attempt_limit: the fewest that a client may ask for.
        back_off_s: seconds to wait after the third, fourth, ... failed attempt; empty for none.
        sweep_period_s: how long one walk over all records takes, which destroys spent keys.
    """

    id: VaultId
    attempt_limit: Limit = 10
    minimum_attempt_limit: Limit = 3
    back_off_s: Annotated[tuple[Seconds, ...], msgspec.Meta(extra_json_schema=_SECONDS_EACH)] = ()
    sweep_period_s: Seconds = 3600


class Stretching(_Section, frozen=True):
    """`[stretching]`: Argon2id for new keys, not below the second choice of RFC 9106."""

    memory_kib: Annotated[int, msgspec.Meta(ge=65536, le=1024 * 1024)] = RFC9106_SECOND.memory_kib
    passes: Annotated[int, msgspec.Meta(ge=3, le=16)] = RFC9106_SECOND.passes
    lanes: Annotated[int, msgspec.Meta(ge=1, le=16)] = RFC9106_SECOND.lanes

    def argon2id(self) -> Argon2id:
        """Return the parameters as OPAQUE takes them."""
        return Argon2id(self.memory_kib, self.passes, self.lanes)


class Token(_Section, frozen=True):
    """`[token]`: the PKCS#11 token and its workers.

    Attributes:
        module: path of the PKCS#11 module.
        label: of the token.
        pin_file: path of the file with the user PIN; only token workers read it.
        residency: where the OPRF key of a new registration is kept: "wrapped" in its record, or in
            the "token", which can destroy it but needs room for every account's.
        workers: how many processes use the token, each in its own session.
        call_timeout_s: after this long in one call a worker is replaced.
        environment: variables that the module needs, such as SOFTHSM2_CONF.
    """

    module: Path
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    pin_file: Path
    residency: Literal["wrapped", "token"] = "wrapped"
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    call_timeout_s: Annotated[float, msgspec.Meta(ge=0.5, le=120)] = 10.0
    environment: dict[str, str] = {}

    def for_workers(self) -> TokenSettings:
        """Return what token workers need to know."""
        return TokenSettings(str(self.module), self.label, str(self.pin_file), self.environment)


class Store(_Section, frozen=True):
    """`[store]`: where the records are."""

    path: Path


class Listen(_Section, frozen=True):
    """`[listen]`: where applications and operators reach the vault.

    Attributes:
        address: host:port; port 0 takes a free one.
        public_address: host:port by which clients call the vault, for invites; unless it is set,
            `address`.
        certificate_file: PEM, the server's certificate and its chain.
        key_file: PEM, readable by its owner alone.
        admin_socket: path of the operators' Unix socket.
        max_connections: from applications at once; more are closed as they come. Fewer if the
            process may not open so many files.
        max_connection_age_s: an older connection is closed once its calls are done; clients open a
            new one by themselves.
        max_in_flight: requests at once; more are refused, uncharged.
        max_in_flight_per_account: of these, for one account.
        reflection: whether gRPC reflection is offered.
    """

    address: Address
    certificate_file: Path
    key_file: Path
    admin_socket: Path
    public_address: Address | None = None
    max_connections: Annotated[int, msgspec.Meta(ge=2, le=100_000)] = 2048
    max_connection_age_s: Annotated[int, msgspec.Meta(ge=1, le=24 * 3600)] = 300
    max_in_flight: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 512
    max_in_flight_per_account: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 16
    reflection: bool = False


class AccessTokens(_Section, frozen=True):
    """`[access_tokens]`: whose access tokens are accepted: one of `jwks_file` and `jwks_url`.

    Attributes:
        jwks_file: path of a JWK set.
        jwks_url: https, of the JWK set itself: no redirection is followed.
        issuer: what `iss` must be, if it is set.
    """

    jwks_file: Path | None = None
    jwks_url: Annotated[str, _text(r"https://\S+", "a URL that begins with https://")] | None = None
    issuer: Annotated[str, msgspec.Meta(min_length=1)] | None = None


class Metrics(_Section, frozen=True):
    """`[metrics]`: where Prometheus asks, over plain HTTP; nowhere unless it is set.

    Attributes:
        address: host:port, for example 127.0.0.1:9464.
    """

    address: Address | None = None


class Traces(_Section, frozen=True):
    """`[traces]`: which OpenTelemetry collector gets traces; none unless it is set.

    Attributes:
        endpoint: http(s)://host:port, OTLP over gRPC; needs the extra `traces`.
        ratio: how many of all calls are traced.
    """

    endpoint: (
        Annotated[str, _text(r"https?://\S+", "a URL that begins with http:// or https://")] | None
    ) = None
    ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.01


class Settings(_Section, frozen=True):
    """The whole file."""

    vault: Vault
    token: Token
    store: Store
    listen: Listen
    access_tokens: AccessTokens
    stretching: Stretching = Stretching()
    metrics: Metrics = Metrics()
    traces: Traces = Traces()
