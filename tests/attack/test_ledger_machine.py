"""The real ledger and store against a model, with faults at every step of a commit, by Hypothesis.

Covered: a store that fails before its commit, or after it (so that the outcome is unknown); an
anchor that fails before its write, or after it; a crash at each of these; answers that get lost;
older databases put back while the vault is down; give-backs after an anchor's failure.
Not covered: damage inside of a database (test_rollback.py), real kills (test_torture.py).
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from ledgers import KEYS, VAULT_ID, MemoryAnchor, make_store
from records import active

from strongroom_vault.errors import HsmUnavailable, RollbackDetected, StoreUnavailable
from strongroom_vault.ledger import journal as journal_module
from strongroom_vault.ledger.anchor import Unanchored
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.records.policy import Decision
from strongroom_vault.store.interface import StoreError
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from strongroom_vault.ledger.head import Anchored
    from strongroom_vault.records.record import Record
    from strongroom_vault.store.interface import Commit, Snapshot

IDS = [bytes([bucket, 0]) + bytes([number]) * 30 for bucket in range(2) for number in range(2)]
FAULTS = (
    "before commit",
    "after commit",
    "after commit, and silent then",
    "before anchor",
    "after anchor",
)


class FaultyStore(SqliteStore):
    """Fails at the fault that is set, once."""

    fault = ""

    def commit(self, commit: Commit) -> None:
        if self.fault == "before commit":
            raise StoreError("the disk is full")
        super().commit(commit)
        if self.fault.startswith("after commit"):
            raise StoreError("nobody knows")

    def load(self) -> Snapshot:
        if self.fault == "after commit, and silent then":
            raise StoreError("still nobody knows")
        return super().load()


class FaultyAnchor(MemoryAnchor):
    """Fails at the fault that is set, once."""

    fault = ""

    async def advance(self, expected: Anchored, new: Anchored) -> None:
        if self.fault == "before anchor":
            raise HsmUnavailable("gone", 1.0)
        await super().advance(expected, new)
        if self.fault == "after anchor":
            raise HsmUnavailable("gone just now", 1.0)


def charge(record: Record) -> Decision[int]:
    charged = active(record.charged + 1, generation=record.generation)
    return Decision(charged, charged.charged)


def give_back(record: Record) -> Decision[int]:
    charged = active(record.charged - 1, generation=record.generation)
    return Decision(charged, charged.charged)


def read(record: Record) -> Decision[int]:
    return Decision(record, record.charged)


class LedgerMachine(RuleBasedStateMachine):
    """Charges are evaluated only when the ledger says so; no evaluation may lack its charge."""

    ledger_class: type[Ledger] = Ledger

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        made = make_store(self.folder / "vault.db")
        self.anchor = FaultyAnchor(made.value)
        self.evaluated = dict.fromkeys(IDS, 0)
        self.low = dict.fromkeys(IDS, 0)
        self.high = dict.fromkeys(IDS, 0)
        self.copies: list[Path] = []
        self.open()

    def open(self) -> None:
        self.store = FaultyStore(self.folder / "vault.db", VAULT_ID)
        self.ledger = self.ledger_class(self.store, self.anchor, KEYS, VAULT_ID)
        self.runner.run(self.ledger.start())

    def shut(self) -> None:
        self.runner.run(self.ledger.close())
        self.store.close()

    def teardown(self) -> None:
        self.shut()
        self.runner.close()
        shutil.rmtree(self.folder)

    def ask(self, name: bytes, decide: Any) -> Any:
        return self.runner.run(self.ledger.change(name, decide))

    @rule(name=st.sampled_from(IDS))
    def attempt(self, name: bytes) -> None:
        """Charge, evaluate."""
        charged = self.ask(name, charge)
        self.evaluated[name] += 1
        assert self.low[name] < charged <= self.high[name] + 1
        self.low[name] = self.high[name] = charged

    @rule(name=st.sampled_from(IDS))
    def attempt_whose_answer_is_lost(self, name: bytes) -> None:
        self.ask(name, charge)
        self.evaluated[name] += 1
        self.low[name] += 1
        self.high[name] += 1

    @rule(name=st.sampled_from(IDS), fault=st.sampled_from(FAULTS), crashes=st.booleans())
    def attempt_with_fault(self, name: bytes, fault: str, *, crashes: bool) -> None:
        """Without an answer nothing may be evaluated; the charge may be there, or is given back."""
        self.store.fault = self.anchor.fault = fault
        self.high[name] += 1
        unanchored = False
        try:
            self.ask(name, charge)
            self.evaluated[name] += 1
            self.low[name] += 1
        except (StoreUnavailable, HsmUnavailable) as error:
            unanchored = isinstance(error, Unanchored)
        self.store.fault = self.anchor.fault = ""
        if crashes:
            self.shut()
            self.open()
        elif unanchored:
            self.ask(name, give_back)
            self.high[name] -= 1
        assert self.ledger.rollback is None

    @rule()
    def restart(self) -> None:
        self.shut()
        self.open()
        assert self.ledger.rollback is None

    @rule()
    def keep_a_copy(self) -> None:
        self.shut()
        copy = self.folder / f"copy-{len(self.copies)}.db"
        shutil.copy(self.folder / "vault.db", copy)
        self.copies.append(copy)
        self.open()

    @rule(data=st.data())
    def put_a_copy_back(self, data: st.DataObject) -> None:
        """Served only if it is the newest; otherwise everything is refused and nothing changes."""
        if not self.copies:
            return
        copy = data.draw(st.sampled_from(self.copies))
        self.shut()
        newest = self.folder / "newest.db"
        shutil.copy(self.folder / "vault.db", newest)
        shutil.copy(copy, self.folder / "vault.db")
        self.open()
        if self.ledger.rollback is not None:
            for decide in (charge, read):
                with pytest.raises(RollbackDetected):
                    self.ask(IDS[0], decide)
            self.shut()
            shutil.copy(newest, self.folder / "vault.db")
            self.open()

    @invariant()
    def every_evaluation_has_its_charge(self) -> None:
        for name in IDS:
            charged = self.ask(name, read)
            assert self.evaluated[name] <= charged
            assert self.low[name] <= charged <= self.high[name]
            self.low[name] = self.high[name] = charged


class AnswersBeforeTheAnchor(Ledger):
    """Broken: takes the anchor for done."""

    async def _anchor_newest(self) -> None:
        self._anchor.held = self._journal.newest


CAUGHT = (AssertionError, RollbackDetected, BaseExceptionGroup)
"""What the machine ends in when a charge is missing or an older database was taken."""

BOUNDED = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_the_ledger_keeps_every_charge() -> None:
    run_state_machine_as_test(LedgerMachine, settings=BOUNDED)


def broken_machine(ledger_class: type[Ledger]) -> type[LedgerMachine]:
    return type("BrokenMachine", (LedgerMachine,), {"ledger_class": ledger_class})


def test_a_ledger_without_the_anchor_is_caught() -> None:
    quick = settings(BOUNDED, phases=[Phase.generate])
    with pytest.raises(CAUGHT):
        run_state_machine_as_test(broken_machine(AnswersBeforeTheAnchor), settings=quick)


def test_a_ledger_that_does_not_compare_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "check_newest", lambda head, _: head.anchored)
    quick = settings(BOUNDED, phases=[Phase.generate])
    with pytest.raises(CAUGHT):
        run_state_machine_as_test(LedgerMachine, settings=quick)
