"""The settings: one TOML file, each value overridable by the environment. Pure parsing.

    [token] pin_file = "user.pin"      STRONGROOM_VAULT_TOKEN_PIN_FILE=/run/user.pin

Secrets are named by path only. A value out of its range, or a name that is not known, is refused.
`docs/settings.example.toml` shows every setting.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from strongroom.opaque.ksf import RFC9106_SECOND, Argon2id
from strongroom_vault.errors import OperatorError
from strongroom_vault.labels import ATTEMPT_LIMIT_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT_PREFIX: Final = "STRONGROOM_VAULT_"

VaultId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$")]
Limit = Annotated[int, msgspec.Meta(ge=1, le=ATTEMPT_LIMIT_MAX)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=366 * 24 * 3600)]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class Vault(_Section, frozen=True):
    """`[vault]`: who the vault is and how many attempts it allows.

    Attributes:
        id: 1 to 64 characters of [a-z0-9.-]; access tokens carry it as `aud`.
        attempt_limit: attempts in a row that may fail; a client may ask for fewer.
        minimum_attempt_limit: the fewest that a client may ask for.
        back_off_s: seconds to wait after the third, fourth, ... failed attempt; empty for none.
        sweep_period_s: how long one walk over all records takes that destroys spent keys.
    """

    id: VaultId
    attempt_limit: Limit = 10
    minimum_attempt_limit: Limit = 3
    back_off_s: tuple[Seconds, ...] = ()
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
        residency: where the OPRF key of a new registration rests: "wrapped" in its record, or in
            the "token", where it can be destroyed, if it has room for all accounts.
        workers: processes, each with a session of its own.
        call_timeout_s: after this long in one call a worker is replaced.
        environment: what the module looks for in its environment, such as SOFTHSM2_CONF.
    """

    module: Path
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    pin_file: Path
    residency: Literal["wrapped", "token"] = "wrapped"
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    call_timeout_s: Annotated[float, msgspec.Meta(ge=0.5, le=120)] = 10.0
    environment: dict[str, str] = {}


class Store(_Section, frozen=True):
    """`[store]`: where the records are."""

    path: Path


class Listen(_Section, frozen=True):
    """`[listen]`: where applications and operators reach the vault.

    Attributes:
        address: host:port; port 0 takes a free one.
        public_address: host:port by which clients call the vault, for invites, where that is
            another one.
        certificate_file: PEM, the server's certificate and its chain.
        key_file: PEM, readable by its owner alone.
        admin_socket: path of the operators' Unix socket.
        max_connections: from applications at once; more are closed as they come. Fewer if the
            process may not open so many files.
        max_connection_age_s: an older connection is closed once its calls are done; clients make a
            new one by themselves.
        max_in_flight: requests at once; more are refused, uncharged.
        max_in_flight_per_account: of these, for one account.
        reflection: whether gRPC reflection is offered.
    """

    address: Annotated[str, msgspec.Meta(pattern=r"^.+:[0-9]{1,5}$")]
    certificate_file: Path
    key_file: Path
    admin_socket: Path
    public_address: Annotated[str, msgspec.Meta(pattern=r"^.+:[0-9]{1,5}$")] | None = None
    max_connections: Annotated[int, msgspec.Meta(ge=2, le=100_000)] = 2048
    max_connection_age_s: Annotated[int, msgspec.Meta(ge=1, le=24 * 3600)] = 300
    max_in_flight: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 512
    max_in_flight_per_account: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 16
    reflection: bool = False


class AccessTokens(_Section, frozen=True):
    """`[access_tokens]`: whose access tokens are believed: one of `jwks_file` and `jwks_url`.

    Attributes:
        jwks_file: path of a JWK set.
        jwks_url: https, of the JWK set itself: no redirection is followed.
        issuer: what `iss` must be, if it is set.
    """

    jwks_file: Path | None = None
    jwks_url: Annotated[str, msgspec.Meta(pattern=r"^https://")] | None = None
    issuer: str | None = None


class Metrics(_Section, frozen=True):
    """`[metrics]`: where Prometheus asks, over plain HTTP; nowhere unless it is set.

    Attributes:
        address: host:port, for example 127.0.0.1:9464.
    """

    address: Annotated[str, msgspec.Meta(pattern=r"^.+:[0-9]{1,5}$")] | None = None


class Traces(_Section, frozen=True):
    """`[traces]`: which OpenTelemetry collector gets traces; none unless it is set.

    Attributes:
        endpoint: http(s)://host:port, OTLP over gRPC; needs the extra `traces`.
        ratio: how many of all calls are traced.
    """

    endpoint: Annotated[str, msgspec.Meta(pattern=r"^https?://")] | None = None
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


def load(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Relative paths are relative to the file's folder.

    Raises:
        OperatorError: no such file, or what is wrong in it.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OperatorError(f"cannot read the settings {path}: {error}") from error
    return parse(tables, environment, path.parent.absolute())


def parse(tables: dict[str, Any], environment: Mapping[str, str], folder: Path) -> Settings:
    """Return the settings of a parsed file, with the environment's values over it.

    Raises:
        OperatorError: what is wrong in them.
    """
    _override(tables, environment)
    try:
        settings = msgspec.convert(
            tables, Settings, strict=False, dec_hook=lambda _, text: folder / text
        )
    except msgspec.ValidationError as error:
        raise OperatorError(f"in the settings: {error}") from error
    _check(settings)
    return settings


def _override(tables: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Put `STRONGROOM_VAULT_<TABLE>_<NAME>` into its table; lists are separated by commas."""
    sections = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    known = tuple(f"{ENVIRONMENT_PREFIX}{section.upper()}_" for section in sections)
    for variable, value in environment.items():
        if not variable.startswith(known):
            continue  # STRONGROOM_VAULT_CONFIG; what an orchestrator says of a service of this name
        section, name = _setting(variable, sections)
        is_list = name == "back_off_s"
        parsed = [part for part in value.split(",") if part] if is_list else value
        tables.setdefault(section, {})[name] = parsed


def _setting(variable: str, sections: Mapping[str, Any]) -> tuple[str, str]:
    rest = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
    for section, kind in sections.items():
        name = rest.removeprefix(section + "_")
        if name != rest and name in {field.name for field in msgspec.structs.fields(kind)}:
            return section, name
    raise OperatorError(f"the environment variable {variable} names no setting")


def _check(settings: Settings) -> None:
    vault, tokens = settings.vault, settings.access_tokens
    if vault.minimum_attempt_limit > vault.attempt_limit:
        raise OperatorError("minimum_attempt_limit is above attempt_limit")
    if (tokens.jwks_file is None) == (tokens.jwks_url is None):
        raise OperatorError("[access_tokens] needs one of jwks_file and jwks_url")
