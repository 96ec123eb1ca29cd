# `make run` and `make test` need Python 3.11 or newer, and nothing else.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help install run test test-cluster check format mutants bench clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## the environment, in .venv

$(STAMP): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tickless needs Python 3.11 or newer; say PYTHON=/path/to/it"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $(STAMP)

run: install ## Tickless on http://localhost:8000, with a Valkey of its own
	@exec $(BIN)/python -m local $(ARGS)

test: install check ## lint, types, architecture, and every test but for failovers
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest -m "not failover" --numprocesses 2 --cov --cov-report= $(ARGS)
	$(BIN)/python -m tests.coverage_floors

test-cluster: install ## what runs on a Redis Cluster, and what becomes of it when servers fall
	$(BIN)/python -m pytest -m "cluster or failover" --numprocesses 2 $(ARGS)

check: install ## lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

mutants: install ## how many faults put into the core the tests find
	$(BIN)/python -m tests.mutants

bench: install ## what a switch costs, beside the least it could cost
	$(BIN)/python -m bench $(ARGS)

clean: ## forget the environment and what the tools left behind; data stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache mutants .coverage
