# `make run` and `make test` need Python 3.11 or newer, and nothing else; `make package` and
# `make test-package` need Python 3.13, Lambda's: PYTHON_3_13=/path/to/it, if it isn't found.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
BROWSER_STAMP := .venv/.installed-browser
TOOLS := build/tools-venv
STAGE ?= dev
CLIENT := client/js
PAGE := client/web
PYTHON_CLIENT := client/python/src

.PHONY: help install run test test-cluster test-full test-package test-client test-browser
.PHONY: check audit format mutants bench pictures screenshots package clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## the environment, in .venv

$(STAMP): requirements.txt requirements-local.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tickless needs Python 3.11 or newer; say PYTHON=/path/to/it"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $(STAMP)

run: install ## Tickless, with a page to open on http://localhost:8000 and a Valkey of its own
	@exec $(BIN)/python -m local $(ARGS)

test: install check ## lint, types, architecture, and every test but those of clusters and failovers
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest -m "not cluster and not failover" --numprocesses 3 --dist worksteal --cov --cov-report= $(ARGS)
	$(BIN)/python -m tests.coverage_floors

test-cluster: install ## what runs on a Redis Cluster, and what becomes of it when servers fall
	$(BIN)/python -m pytest -m "cluster or failover" --numprocesses 2 $(ARGS)

test-full: install ## the end-to-end tests with as much as is promised, and the figures they tell
	TICKLESS_FULL=1 $(BIN)/python -m pytest tests/e2e -s $(ARGS)

test-package: install ## what AWS would be given: its template, its rights, and the package at work
	$(BIN)/python -m pytest tests/package $(ARGS)

test-client: install $(CLIENT)/node_modules/.package-lock.json $(PAGE)/node_modules/.package-lock.json ## the browser client and the page: types, tests, size; needs Node 18 or newer
	$(BIN)/python -m tests.client.recorded > $(CLIENT)/test/recorded.json
	cd $(CLIENT) && npm run --silent check && npm test --silent
	cd $(PAGE) && npm run --silent check && npm test --silent

%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

test-browser: $(BROWSER_STAMP) $(CLIENT)/node_modules/.package-lock.json ## pages in a real browser; needs Chromium, and Node 18 or newer
	$(BIN)/mypy tests/browser/*.py
	$(BIN)/python -m pytest tests/browser $(ARGS)

$(BROWSER_STAMP): requirements-browser.txt $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

check: install ## lint, types, architecture, requirements
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=$(PYTHON_CLIENT) $(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml app.py chalicelib
	$(BIN)/deptry chalicelib --requirements-files requirements.txt
	$(BIN)/deptry chalicelib local client/python/src --requirements-files requirements-local.txt
	$(BIN)/deptry .

audit: $(TOOLS)/.installed ## whether what Lambda runs has known vulnerabilities; asks pypi.org
	$(TOOLS)/bin/pip-audit --strict --requirement requirements.txt --no-deps --disable-pip

$(TOOLS)/.installed: requirements-tools.txt requirements-dev.txt requirements-local.txt requirements.txt
	$(PYTHON) -m venv --clear $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

format: install ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

mutants: $(TOOLS)/.installed ## how many faults put into the core, and into what guards it, the tests find
	$(TOOLS)/bin/python -m tests.mutants

bench: install ## what a switch costs, beside the least it could cost
	$(BIN)/python -m bench $(ARGS)

screenshots: $(BROWSER_STAMP) ## photograph the page for the README anew; needs Chromium
	$(BIN)/python -m tests.browser.screenshots

pictures: $(TOOLS)/.installed ## draw the pictures of docs/clocks.md anew
	$(TOOLS)/bin/python -m pictures

package: install ## what AWS deploys, in build/package/STAGE; needs Python 3.13
	$(BIN)/python -m infra --stage $(STAGE)

clean: ## forget the environment and what the tools left behind; data stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache mutants .coverage
	rm -rf $(PAGE)/node_modules $(CLIENT)/node_modules $(CLIENT)/types $(CLIENT)/test/recorded.json
