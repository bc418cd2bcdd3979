# make demo   the whole story on this machine: a vault, a backup, a lost device
# make test   every check and test, as CI runs them
# make fuzz   1,000,000 calls of garbage, 10,000 connections; an hour
# make flood  what honest clients feel beside floods, and what floods hold; a quarter of an hour
# make bench  what the vault costs on this machine: tables, bench/out/bench.json, plots
# make dist   wheel and source package in dist/, checked
# make mutants  changes the pure modules in many small ways, and counts what no test notices
# make fresh  make demo and make test on bare Debian 12 and 13, in folders (as root; an hour)
#
# PYTHON=python3.13 makes .venv with that Python. make fresh takes ONLY=bookworm|trixie,
# AS=root|user and RUN=demo|test.
BIN := .venv/bin
V := vault/strongroom_vault
# What decides and proves without I/O is covered whole.
PURE := protocol/strongroom_protocol/opaque/*,$V/records/*.py,$V/ledger/merkle.py,$V/ledger/head.py,$V/ledger/audit.py

# A developer's Python settings hide what a bare machine shows.
unexport $(filter PYTHON%,$(.VARIABLES))

.PHONY: demo test bench flood fuzz fresh dist mutants setup setup-vault check lint types imports house \
	drawing protos protos-check unit clean

demo: setup-vault
	$(BIN)/strongroom-vault demo

test: setup check unit

bench: setup
	$(BIN)/python bench/run.py

flood: setup
	PYTHONPATH=tests/support $(BIN)/python bench/flood.py

fuzz: setup
	STRONGROOM_FUZZ=1000000 $(BIN)/python -m pytest --timeout=7200 tests/attack/test_fuzz.py

fresh:
	scripts/fresh.sh

dist: setup
	scripts/dist.sh

mutants: setup
	scripts/mutants.sh

setup:
	@PYTHON='$(PYTHON)' scripts/setup.sh dev

setup-vault:
	@PYTHON='$(PYTHON)' scripts/setup.sh vault

check: lint types imports house protos-check

lint:
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports

# Sizes, mirrored tests, and the drawing of docs/architecture.md.
house:
	$(BIN)/python scripts/house.py
	$(BIN)/python scripts/drawing.py --check

drawing:
	$(BIN)/python scripts/drawing.py

protos:
	scripts/protos.sh

protos-check:
	scripts/protos-check.sh

unit:
	$(BIN)/pytest -n 2 --cov --cov-report=term
	$(BIN)/coverage report --fail-under=100 --include='$(PURE)'

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* node_modules
