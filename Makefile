# `make run` and `make test` need Python 3.11 or newer only. `make package` and `make test-package`
# need Python 3.13, Lambda's version: set PYTHON_3_13=/path/to/it if it isn't found.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
BROWSER_STAMP := .venv/.installed-browser
TOOLS := build/tools-venv
BUILDER := build/dist-venv
STAGE ?= dev
CLIENT := client/js
PAGE := client/web
PYTHON_CLIENT := client/python/src
GATEWAY := local/gateway

# The slowest first.
CHECKS := check-types check-security check-imports check-requirements check-lint check-format

# Each target starts many processes with the same modules, which are compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install run test test-cluster test-timing test-full test-package test-client test-browser
.PHONY: check $(CHECKS) audit format mutants bench pictures screenshots package dist clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## create the virtual environment, in .venv

$(STAMP): requirements.txt requirements-local.txt requirements-dev.txt $(GATEWAY)/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tickless needs Python 3.11 or newer: set PYTHON=/path/to/it"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $(STAMP)

run: install ## run Tickless on http://localhost:8000, with an embedded Valkey
	@exec $(BIN)/python -m local $(ARGS)

test: install check ## run the checks and all tests but those of clusters, failovers and bounds of time
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest -m "not cluster and not failover and not timing" --numprocesses 3 --dist worksteal --cov --cov-report= $(ARGS)
	$(BIN)/python -m tests.coverage_floors

test-cluster: install ## run the tests on a Redis Cluster, and those of failing servers
	$(BIN)/python -m pytest -m "(cluster or failover) and not timing" --numprocesses 2 $(ARGS)

test-timing: install ## run the tests that compare wall-clock time with a bound; for an idle machine
	$(BIN)/python -m pytest -m timing $(ARGS)

test-full: install ## run the end-to-end tests at full size, and print their measurements
	TICKLESS_FULL=1 $(BIN)/python -m pytest tests/e2e -s $(ARGS)

test-package: install ## test the package for AWS and chalice-gateway's wheel; needs Python 3.13
	$(BIN)/python -m pytest tests/package $(ARGS)

test-client: install $(CLIENT)/node_modules/.package-lock.json $(PAGE)/node_modules/.package-lock.json ## check and test the browser client and the page; needs Node 18 or newer
	$(BIN)/python -m tests.client.recorded > $(CLIENT)/test/recorded.json
	cd $(CLIENT) && npm run --silent check && npm test --silent
	cd $(PAGE) && npm run --silent check && npm test --silent

%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

test-browser: $(BROWSER_STAMP) $(CLIENT)/node_modules/.package-lock.json ## test the pages in a browser; needs Chromium, and Node 18 or newer
	$(BIN)/mypy tests/browser/*.py
	$(BIN)/python -m pytest tests/browser -m "not timing" --numprocesses 2 --dist worksteal $(ARGS)
	$(BIN)/python -m pytest tests/browser -m timing $(ARGS)

$(BROWSER_STAMP): requirements-browser.txt $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

check: install ## check format, lint, types, architecture and requirements
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target $(CHECKS)

check-types:
	$(BIN)/mypy

check-security:
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml app.py chalicelib

check-format:
	$(BIN)/ruff format --check .

check-lint:
	$(BIN)/ruff check .

check-imports:
	PYTHONPATH=$(PYTHON_CLIENT) $(BIN)/lint-imports

check-requirements:
	$(BIN)/deptry chalicelib --requirements-files requirements.txt
	$(BIN)/deptry chalicelib local client/python/src --requirements-files requirements-local.txt
	$(BIN)/deptry .
	cd $(GATEWAY) && $(CURDIR)/$(BIN)/deptry src

audit: $(TOOLS)/.installed ## check the requirements for known vulnerabilities; queries pypi.org
	$(TOOLS)/bin/pip-audit --strict --requirement requirements.txt --no-deps --disable-pip

$(TOOLS)/.installed: requirements-tools.txt requirements-dev.txt requirements-local.txt requirements.txt
	$(PYTHON) -m venv --clear $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

format: install ## format the code, and fix what can be fixed automatically
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

mutants: $(TOOLS)/.installed ## run mutation tests of the core and of access control
	$(TOOLS)/bin/python -m tests.mutants

bench: install ## run the benchmarks
	$(BIN)/python -m bench $(ARGS)

screenshots: $(BROWSER_STAMP) ## take the README's screenshots; needs Chromium
	$(BIN)/python -m tests.browser.screenshots

pictures: $(TOOLS)/.installed ## draw the pictures of docs/clocks.md
	$(TOOLS)/bin/python -m pictures

package: install ## build the package for AWS in build/package/STAGE; needs Python 3.13
	$(BIN)/python -m infra --stage $(STAGE)

dist: $(BUILDER)/.installed ## build wheel and sdist of chalice-gateway in build/dist
	rm -rf build/dist
	$(BUILDER)/bin/python -m build --outdir build/dist $(GATEWAY)

$(BUILDER)/.installed: requirements-build.txt
	$(PYTHON) -m venv --clear $(BUILDER)
	$(BUILDER)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean: ## delete the environment and the tools' caches; keeps data
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache mutants .coverage
	rm -rf $(PAGE)/node_modules $(CLIENT)/node_modules $(CLIENT)/types $(CLIENT)/test/recorded.json
