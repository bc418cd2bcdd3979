"""The TLS certificate: read at start and at SIGHUP, used for every new connection from then on.

Open connections keep the one that they began with. A new certificate that cannot be used is
refused, and the vault keeps the old one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import grpc
import structlog

from strongroom_vault.api import tls_files
from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from strongroom_vault.settings.config import Listen

log = structlog.get_logger()


class Certificates:
    """The server's certificate and key, as gRPC asks for them at each handshake."""

    def __init__(self, listen: Listen) -> None:
        """Read both files.

        Raises:
            OperatorError: one cannot be read, others can read the key, or the two do not match.
        """
        self._listen = listen
        self._initial, self.ends_at = _read(listen)
        self._fresh: deque[grpc.ServerCertificateConfiguration] = deque(maxlen=1)

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials that always use the newest certificate."""
        return grpc.dynamic_ssl_server_credentials(
            self._initial,
            self._fetch,  # type: ignore[arg-type]  # None is allowed, says its documentation
            require_client_authentication=False,
        )

    def reload(self) -> str:
        """Read both files again; if they cannot be used, keep the old ones and return why."""
        # Both files are read and compared before anything changes: half written ones leave the
        # vault with the certificate that it has.
        try:
            configuration, self.ends_at = _read(self._listen)
        except OperatorError as error:
            log.error("certificate kept", problem=str(error))  # noqa: TRY400 -- a sentence says it
            return str(error)
        self._fresh.append(configuration)
        log.info("certificate reloaded", ends_at=self.ends_at)
        return ""

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Answer gRPC at a handshake; None if nothing has changed."""
        # None as often as possible. Any other answer makes gRPC's core (1.85) swap credentials
        # without a lock: if many handshakes do that at once, a reference count drops below zero and
        # the process aborts. `popleft` gives a new certificate to one handshake alone; gRPC keeps
        # it for all later ones.
        try:
            return self._fresh.popleft()
        except IndexError:
            return None


def _read(listen: Listen) -> tuple[grpc.ServerCertificateConfiguration, float]:
    files = tls_files.read_both(listen)
    pair = (files.key_pem, files.chain_pem)
    configuration = grpc.ssl_server_certificate_configuration([pair])
    return configuration, files.certificate.not_valid_after_utc.timestamp()
