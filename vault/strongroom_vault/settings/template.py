"""The text of a new vault's settings file: what was chosen, and every other setting explained."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class HsmToken:
    """A PKCS#11 token, as in `[token]`."""

    module: Path
    label: str
    pin_file: Path
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The values of a new settings file; see `config`.

    Attributes:
        folder: where the store and the admin socket go.
        jwks: path or https URL of the JWK set.
        is_development: whether the file must say that the vault is for development.
    """

    vault_id: str
    public_address: str
    listen: str
    token: HsmToken
    folder: Path
    certificate_file: Path
    key_file: Path
    jwks: str
    is_development: bool

    def with_token(self, token: HsmToken) -> Wanted:
        """Return the same with another token."""
        return replace(self, token=token)


_DEVELOPMENT: Final = """#
# FOR DEVELOPMENT: the TLS certificate or the issuer of access tokens was made by this command. Put
# your own in place before anybody's backups depend on this vault.
"""

_TEXT: Final = """\
# Settings of a Strongroom vault, made by `strongroom-vault init --new`. Lines that begin with #
# show what holds without them. Each value can be overridden by the environment:
# STRONGROOM_VAULT_<TABLE>_<NAME>, for example STRONGROOM_VAULT_LISTEN_ADDRESS.
{development}
[vault]
id = {vault_id}
# attempt_limit = 10          # wrong passwords in a row until a key is destroyed
# minimum_attempt_limit = 3   # a client may ask for fewer attempts, down to this
# back_off_s = []             # seconds to wait after the third, fourth, ... wrong password
# sweep_period_s = 3600       # spent keys are destroyed within this time

[token]
module = {module}
label = {label}
pin_file = {pin_file}
{environment}\
# residency = "wrapped"       # where OPRF keys rest: "wrapped" in records, or in the "token"
# workers = 2                 # processes, each with a session of its own
# call_timeout_s = 10.0

[store]
path = {store}

[listen]
address = {listen}
public_address = {public_address}  # by which clients call it; invites name it
certificate_file = {certificate_file}
key_file = {key_file}
admin_socket = {admin_socket}
# max_connections = 2048      # more are closed as they come
# max_connection_age_s = 300  # an older one is closed once its calls are done
# max_in_flight = 512         # requests at once; more are refused, uncharged
# max_in_flight_per_account = 16
# reflection = false

[access_tokens]
{jwks}
# issuer = "https://issuer.example"  # what `iss` must be

[stretching]                  # Argon2id for new keys; each key keeps its own
# memory_kib = 65536
# passes = 3
# lanes = 4

[metrics]                     # for Prometheus, over plain HTTP; none unless it is set
# address = "127.0.0.1:9464"

[traces]                      # for an OpenTelemetry collector; needs strongroom[vault,traces]
# endpoint = "http://127.0.0.1:4317"
# ratio = 0.01
"""


def settings_text(wanted: Wanted) -> str:
    """Return the file's text. Nothing in it is secret."""
    token = wanted.token
    variables = ", ".join(f"{name} = {_quoted(text)}" for name, text in token.environment.items())
    jwks_setting = "jwks_url" if wanted.jwks.startswith("https://") else "jwks_file"
    return _TEXT.format(
        development=_DEVELOPMENT if wanted.is_development else "",
        vault_id=_quoted(wanted.vault_id),
        module=_quoted(token.module),
        label=_quoted(token.label),
        pin_file=_quoted(token.pin_file),
        environment=f"environment = {{ {variables} }}\n" if variables else "",
        store=_quoted(wanted.folder / "vault.db"),
        listen=_quoted(wanted.listen),
        public_address=_quoted(wanted.public_address),
        certificate_file=_quoted(wanted.certificate_file),
        key_file=_quoted(wanted.key_file),
        admin_socket=_quoted(wanted.folder / "admin.sock"),
        jwks=f"{jwks_setting} = {_quoted(wanted.jwks)}",
    )


def _quoted(value: object) -> str:
    """Return a TOML string: JSON's, except that TOML does not allow DEL in it."""
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
