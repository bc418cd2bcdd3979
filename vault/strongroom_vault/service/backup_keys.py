"""All use cases of one vault, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom_vault.platform.clock import now_ms
from strongroom_vault.records import policy
from strongroom_vault.service.context import Context
from strongroom_vault.service.keys import AccountKeys
from strongroom_vault.service.recovery import Recovery
from strongroom_vault.service.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_protocol.answers import VaultParameters
    from strongroom_vault.ledger.group_commit import Ledger
    from strongroom_vault.service.context import TokenWorkers
    from strongroom_vault.service.derived_keys import Keys
    from strongroom_vault.service.resident_keys import ResidentKeys


class BackupKeyService:
    """What an authenticated account can do with the vault, by use case."""

    def __init__(
        self,
        parameters: VaultParameters,
        keys: Keys,
        ledger: Ledger,
        token: TokenWorkers,
        *,
        residents: ResidentKeys,
        makes_resident_keys: bool = False,
        back_off: tuple[int, ...] = (),
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Put the use cases together.

        Args:
            parameters: what anybody may know of the vault.
            keys: the derived secrets.
            ledger: the records.
            token: its workers.
            residents: the OPRF keys that stay in the token.
            makes_resident_keys: whether new OPRF keys stay there.
            back_off: seconds to wait after the third, fourth, ... failed attempt.
            clock: the time in ms since the Unix epoch.
        """
        rules = policy.Rules(back_off, serving_since=clock())
        self._context = context = Context(parameters, keys, ledger, token, rules, clock)
        self.parameters = parameters
        self.registration = Registration(
            context, residents, makes_resident_keys=makes_resident_keys
        )
        self.recovery = Recovery(context)
        self.keys = AccountKeys(context)

    @property
    def under_way(self) -> int:
        """How many requests that may be charged are still under way."""
        return len(self._context.under_way)

    async def drain(self) -> None:
        """Wait until everything that has begun is finished."""
        await self._context.under_way.drain()
