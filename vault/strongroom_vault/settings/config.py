"""The settings: one TOML file, each value overridable by the environment. Pure parsing.

    [token] pin_file = "user.pin"      STRONGROOM_VAULT_TOKEN_PIN_FILE=/run/user.pin

Secrets are named by path only. A value out of its range, or a name that is not known, is refused
(`refusals.py` says how). What Kubernetes says of services is passed over.
`docs/settings.example.toml` shows every setting.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from strongroom_protocol.labels import ATTEMPT_LIMIT_MAX
from strongroom_protocol.opaque.ksf import RFC9106_SECOND, Argon2id
from strongroom_vault.errors import OperatorError
from strongroom_vault.settings import refusals
from strongroom_vault.settings.token_settings import TokenSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENVIRONMENT_PREFIX: Final = refusals.ENVIRONMENT_PREFIX
SETTINGS_FILE: Final = f"{ENVIRONMENT_PREFIX}CONFIG"
_OF_A_SERVICE: Final = re.compile(
    f"{ENVIRONMENT_PREFIX}([A-Z0-9_]+_)?"
    r"(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
"""What Kubernetes gives every container beside a service named strongroom-vault or
strongroom-vault-*, but for the variable that ends with PORT alone."""


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
    """`[access_tokens]`: whose access tokens are believed: one of `jwks_file` and `jwks_url`.

    Attributes:
        jwks_file: path of a JWK set.
        jwks_url: https, of the JWK set itself: no redirection is followed.
        issuer: what `iss` must be, if it is set.
    """

    jwks_file: Path | None = None
    jwks_url: Annotated[str, _text(r"https://\S+", "a URL that begins with https://")] | None = None
    issuer: str | None = None


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


_SECTIONS: Final = {field.name: field.type for field in msgspec.structs.fields(Settings)}
_NAMES: Final = {
    section: tuple(field.name for field in msgspec.structs.fields(kind))
    for section, kind in _SECTIONS.items()
}


def load(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Relative paths are relative to the file's folder.

    Raises:
        OperatorError: no such file, or what is wrong in it.
    """
    try:
        tables = tomllib.loads(_read(path))
    except RecursionError as error:
        raise OperatorError(f"cannot read the settings {path}: they are nested too deep") from error
    except tomllib.TOMLDecodeError as error:
        raise OperatorError(f"cannot read the settings {path}: not TOML: {error}") from error
    except ValueError as error:  # Python reads no more than 4,300 digits
        raise OperatorError(
            f"cannot read the settings {path}: a number has too many digits"
        ) from error
    try:
        return parse(tables, environment, path.parent.absolute())
    except OperatorError as error:
        problems = str(error).splitlines()
        shown = f" {error}" if len(problems) == 1 else "".join(f"\n  {line}" for line in problems)
        raise OperatorError(f"in the settings {path}:{shown}") from error


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        hint = f"Name the settings with --config FILE or {SETTINGS_FILE}."
        raise OperatorError(f"there are no settings at {path}", hint) from error
    except PermissionError as error:
        hint = "Run the command as the vault's own user (vault-operator does)."
        raise OperatorError(f"cannot read the settings {path}: this user may not", hint) from error
    except OSError as error:
        raise OperatorError(f"cannot read the settings {path}: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise OperatorError(
            f"cannot read the settings {path}: not UTF-8 (line {line})", "Save the file as UTF-8."
        ) from error


def parse(tables: dict[str, Any], environment: Mapping[str, str], folder: Path) -> Settings:
    """Return the settings of a parsed file, with the environment's values over it.

    Raises:
        OperatorError: everything that is wrong in them, a line each.
    """
    problems = list(_override(tables, environment))
    sections: dict[str, Any] = {}
    for section, kind in _SECTIONS.items():
        table = tables.pop(section, {})
        if isinstance(table, dict):
            sections[section] = _converted(section, kind, table, folder, problems)
        else:
            problems.append(refusals.no_table(section, table))
    problems += (refusals.unknown_table(name, tables[name], _NAMES) for name in tables)
    settings = None if problems else Settings(**sections)
    if settings is not None:
        problems += _contradictions(settings)
    if settings is None or problems:
        raise OperatorError("\n".join(problems))
    return settings


def _converted(
    section: str,
    kind: Any,  # noqa: ANN401 -- a section's class
    table: dict[str, Any],
    folder: Path,
    problems: list[str],
) -> Any:  # noqa: ANN401 -- a section
    """Return a table's values as a section; None if there are problems, which are added."""
    values: dict[str, Any] = {}
    before = len(problems)
    for field in msgspec.structs.fields(kind):
        if field.name not in table:
            if field.required:
                problems.append(refusals.missing(section, field.name, field.type))
            continue
        value = table.pop(field.name)
        try:
            values[field.name] = _convert(value, field.type, folder)
        except msgspec.ValidationError:
            problems.append(refusals.wrong_value(section, field.name, field.type, value))
    problems += (refusals.unknown(section, name, _NAMES) for name in table)
    return kind(**values) if len(problems) == before else None


def _convert(value: Any, kind: Any, folder: Path) -> Any:  # noqa: ANN401 -- of any type
    def path(_: type, text: object) -> Path:
        if not isinstance(text, str) or not text or "\0" in text:
            raise TypeError
        return folder / text

    converted = msgspec.convert(value, kind, strict=False, dec_hook=path)
    if isinstance(converted, str) and not _is_text(value):
        raise msgspec.ValidationError
    return converted


def _is_text(value: object) -> bool:
    """Whether a value can be written as UTF-8: a variable of the environment may have any bytes."""
    return isinstance(value, str) and value.isprintable()


def _override(tables: dict[str, Any], environment: Mapping[str, str]) -> Iterator[str]:
    """Put `STRONGROOM_VAULT_<TABLE>_<NAME>` into its table; yield what is wrong in the names.

    Lists are separated by commas. White space around a value is not part of it: whoever takes one
    from a file has its line end too.
    """
    settings = {
        refusals.variable(section, name): (section, name)
        for section, names in _NAMES.items()
        for name in names
    }
    for variable, value in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == SETTINGS_FILE:
            continue
        if variable not in settings:
            if not _is_of_a_service(variable, value):
                yield refusals.unknown_variable(variable, _NAMES)
            continue
        section, name = settings[variable]
        is_list = name == "back_off_s"
        parts = [part.strip() for part in value.split(",")]
        table = tables.setdefault(section, {})
        if isinstance(table, dict):  # else it will be refused
            table[name] = [part for part in parts if part] if is_list else value.strip()


def _is_of_a_service(variable: str, value: str) -> bool:
    """Whether Kubernetes says with a variable where a service is."""
    if _OF_A_SERVICE.fullmatch(variable):
        return True
    return variable.endswith("_PORT") and re.match("(tcp|udp|sctp)://", value) is not None


def _contradictions(settings: Settings) -> Iterator[str]:
    """What is allowed by itself, but not together."""
    vault, tokens = settings.vault, settings.access_tokens
    if vault.minimum_attempt_limit > vault.attempt_limit:
        yield (
            f"{refusals.named('vault', 'minimum_attempt_limit')} is"
            f" {vault.minimum_attempt_limit}, which is above attempt_limit, {vault.attempt_limit}"
        )
    if (tokens.jwks_file is None) == (tokens.jwks_url is None):
        names = (refusals.named("access_tokens", f"jwks_{end}") for end in ("file", "url"))
        count = "none" if tokens.jwks_file is None else "both"
        yield f"one of {' and '.join(names)} is needed, and {count} of them is given"
