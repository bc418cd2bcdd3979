"""What `strongroom-vault init --new` makes around a vault's keys: a folder with all it needs.

The token comes first and the settings last. Each file appears whole or not at all, and replaces no
other. So after a crash at any point the same command goes on, and a folder with settings has
everything else.
"""

from __future__ import annotations

import errno
import os
import socket
import tomllib
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from strongroom_protocol.addresses import BadAddress, host_and_port, parse_address, pinned_as
from strongroom_vault.errors import OperatorError
from strongroom_vault.operator import development_ca, issuer, softhsm
from strongroom_vault.platform.files import others_can_write, remove_drafts, write_new
from strongroom_vault.platform.locks import lock_exclusively
from strongroom_vault.settings import loading
from strongroom_vault.settings.template import HsmToken, Wanted, settings_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_vault.settings.config import Settings

SETTINGS_FILE: Final = "strongroom-vault.toml"
TOKEN_FOLDER: Final = "token"  # noqa: S105 -- a folder's name
_OURS: Final = frozenset(
    (
        TOKEN_FOLDER,
        development_ca.CA_CERTIFICATE_FILE,
        development_ca.CA_KEY_FILE,
        development_ca.CERTIFICATE_FILE,
        development_ca.KEY_FILE,
        issuer.KEY_FILE,
        issuer.SET_FILE,
    )
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What an operator chose.

    Attributes:
        vault_id: the vault's id.
        address: host:port by which clients call it.
        listen: host:port to listen at; None for all of this machine's, or for `address` where that
            is this machine alone.
        hsm: None for a SoftHSM token in the folder.
        certificate_file, key_file: of the TLS certificate; None for files in the folder.
        jwks: path or https URL of the JWK set; None for a file in the folder.
        is_self_signed: make that certificate, for development.
        has_own_issuer: make that JWK set, and a key that signs access tokens, for development.
    """

    vault_id: str
    address: str
    listen: str | None = None
    hsm: HsmToken | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    jwks: str | None = None
    is_self_signed: bool = False
    has_own_issuer: bool = False


def make(folder: Path, choice: Choice) -> Path:
    """Make everything but the vault's keys where it is missing; return the settings' path.

    Raises:
        OperatorError: the vault cannot be made as chosen; what was there is unchanged.
    """
    folder = folder.absolute()
    address = _checked_address(choice.address)
    wanted = _wanted(folder, choice, address)
    _checked_settings(wanted, folder)
    try:
        with _locked(folder):
            remove_drafts(folder)
            settings_file = folder / SETTINGS_FILE
            if settings_file.exists():
                _require_same(loading.load(settings_file, {}), choice.vault_id, address)
            else:
                _require_ours(folder)
                _require_free(wanted.listen)
            if choice.hsm is None:
                token = softhsm.ensure_token(folder / TOKEN_FOLDER)
                wanted = wanted.with_token(
                    HsmToken(token.module, softhsm.LABEL, token.pin_file, token.environment)
                )
            if choice.is_self_signed and not wanted.certificate_file.exists():
                development_ca.create_self_signed(folder, _hosts(address))
            if choice.has_own_issuer:
                issuer.ensure_issuer(folder)
            if not settings_file.exists():
                write_new(settings_file, settings_text(wanted).encode(), 0o600)
    except OSError as error:
        raise OperatorError(f"cannot make a vault in {folder}: {error}") from error
    return settings_file


def missing(settings: Settings) -> Iterator[str]:
    """Say which files a vault lacks before it can serve, one sentence for each."""
    listen, jwks_file = settings.listen, settings.access_tokens.jwks_file
    if not listen.certificate_file.exists() or not listen.key_file.exists():
        yield (
            f"a TLS certificate: its chain in {listen.certificate_file}, its key (mode 0600) in"
            f" {listen.key_file}; for development --self-signed makes them"
        )
    if jwks_file is not None and not jwks_file.exists():
        yield (
            f"the JWK set of your identity provider: in {jwks_file}, or its URL as jwks_url in the"
            " settings; for development --development-issuer makes one"
        )


def _wanted(folder: Path, choice: Choice, address: str) -> Wanted:
    """Return what the settings will say; a SoftHSM token is still to be made."""
    if not str(folder).isprintable():
        raise OperatorError("a folder whose name has control characters cannot be used")
    softhsm_token = HsmToken(Path("/"), softhsm.LABEL, folder / TOKEN_FOLDER / "user.pin")
    return Wanted(
        vault_id=choice.vault_id,
        public_address=address,
        listen=choice.listen or _listen_for(address),
        token=choice.hsm or softhsm_token,
        folder=folder,
        certificate_file=choice.certificate_file or folder / development_ca.CERTIFICATE_FILE,
        key_file=choice.key_file or folder / development_ca.KEY_FILE,
        jwks=choice.jwks or str(folder / issuer.SET_FILE),
        is_development=choice.is_self_signed or choice.has_own_issuer,
    )


def _checked_address(text: str) -> str:
    try:
        return parse_address(text)
    except BadAddress as error:
        raise OperatorError(f"--address: {error} {error.hint}") from error


def _checked_settings(wanted: Wanted, folder: Path) -> None:
    """Refuse wrong settings before anything is made."""
    loading.parse(tomllib.loads(settings_text(wanted)), {}, folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other commands out of the folder, which is made if it is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        name = _name_of(owner)
        raise OperatorError(
            f"{folder} belongs to the user {name}, whose vault it would be: run this as that user"
            f" (runuser -u {name} -- strongroom-vault init --new ...)"
        )
    if others_can_write(folder):
        raise OperatorError(f"others can write in {folder}: choose a folder that is yours alone")
    lock = lock_exclusively(folder, f"another command is making a vault in {folder}")
    try:
        yield
    finally:
        os.close(lock)


def _name_of(user: int) -> str:
    import pwd  # noqa: PLC0415 -- for this sentence alone

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _require_same(settings: Settings, vault_id: str, address: str) -> None:
    """Refuse to change the vault that the folder has: this command run again must mean that one."""
    existing = (settings.vault.id, settings.listen.public_address or settings.listen.address)
    if existing != (vault_id, address):
        raise OperatorError(
            f"there is another vault already: {existing[0]} at {existing[1]}. Choose an empty"
            " folder"
        )


def _require_ours(folder: Path) -> None:
    """A folder without settings must be empty, except for what an interrupted run left."""
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if foreign := names - _OURS:
        raise OperatorError(
            f"{folder} is not empty: it has {min(foreign)}. Choose an empty folder, or a new one"
        )


def _listen_for(address: str) -> str:
    """Listen at every address, unless clients are on this machine and call it by a local one."""
    host, port = host_and_port(address)
    if pinned_as(address) != address or host == "localhost":
        return address
    return f"[::]:{port}" if _has_ipv6() else f"0.0.0.0:{port}"


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def _require_free(listen: str) -> None:
    """Refuse an address now at which the vault could not listen later.

    A name may stand for an address that this machine lacks, as localhost for ::1, if it stands for
    another one too.
    """
    try:
        host, port = host_and_port(parse_address(listen))
    except BadAddress as error:
        raise OperatorError(f"--listen: {error} {error.hint}") from error
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise OperatorError(f"cannot listen at {listen}: {error.strerror}") from error
    refused = [_refusal(family, place) for family, _, _, _, place in addresses]
    if errno.EADDRINUSE in refused:
        raise OperatorError(f"another program listens at {listen}: choose another port")
    if 0 not in refused:
        raise OperatorError(
            f"cannot listen at {listen} ({os.strerror(refused[0])}): name another address or port"
            " with --listen"
        )


def _refusal(family: int, place: tuple[object, ...]) -> int:
    """Return why nothing can listen at an address, as an errno; 0 if it can."""
    try:
        with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            probe.listen(1)
    except OSError as error:
        return error.errno or errno.EINVAL
    return 0


def _hosts(address: str) -> tuple[str, ...]:
    host, _ = host_and_port(address)
    return tuple(dict.fromkeys((host, *development_ca.HERE)))
