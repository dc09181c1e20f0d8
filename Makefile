# The tasks of this repository. `make help` lists them; `make up` and `make test` are the two that matter most.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest

# Test processes. Tests with servers mostly wait, so there may be more of them than cores.
WORKERS ?= 3
SKIPPED := build/skipped-tests.txt
MEASURED := tests/unit tests/contract tests/integration
OTHERS := $(filter-out $(MEASURED) tests/cluster tests/support,$(patsubst %/__init__.py,%,$(wildcard tests/*/__init__.py)))

.DEFAULT_GOAL := help
.PHONY: help up check test coverage mutants lint docs bench bench-autoscaler lock manifests clean

help: ## List these targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(STAMP) ## Start everything on this machine: Valkey, Postgres, API, flusher, NGINX. ARGS="--port 9000" are its options.
	@exec $(BIN)/likewise up $(ARGS)

check: lint ## Run linters, type checks, import contracts, unit and contract tests: no servers, less than two minutes.
	$(PYTEST) tests/unit tests/contract --numprocesses=logical

# With COVERAGE=1, the tests that count for it run first and are measured, and the run fails below the limit.
test: export LIKEWISE_TEST_SKIPPED := $(abspath $(SKIPPED))
test: lint ## Run every test: eight minutes, and twelve more with a cluster. ARGS="tests/faults -x" runs some; COVERAGE=1 measures coverage as well.
	@rm -f $(SKIPPED)
ifdef ARGS
	$(PYTEST) $(ARGS)
else ifdef COVERAGE
	$(PYTEST) $(MEASURED) --numprocesses=$(WORKERS) --cov
	$(PYTEST) $(OTHERS) --numprocesses=$(WORKERS)
	$(PYTEST) tests/cluster --numprocesses=2
else
	$(PYTEST) --ignore=tests/cluster --numprocesses=$(WORKERS)
	$(PYTEST) tests/cluster --numprocesses=2
endif
	@test ! -e $(SKIPPED) || { echo 'Skipped in all runs:'; cat $(SKIPPED); }

coverage: $(STAMP) ## Measure branch coverage of unit, contract and integration tests. Fails below the limit in pyproject.toml.
	$(PYTEST) $(MEASURED) --numprocesses=$(WORKERS) --cov --cov-report=html:build/coverage --cov-report=term

mutants: $(STAMP) ## Change the pure parts of the code in small ways, and list the changes that no test detects.
	$(BIN)/python -m tests.support.runner.mutants $(ARGS)

lint: $(STAMP) ## Run linters, type checks and import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell

docs: $(STAMP) ## Build the documentation site into build/docs. A warning is an error.
	$(BIN)/sphinx-build --builder html --fail-on-warning --keep-going --quiet docs build/docs

bench: $(STAMP) ## Measure the costs of a like on this machine.
	$(BIN)/python -m bench $(ARGS)

bench-autoscaler: $(STAMP) ## Compare the autoscaler with others in the simulator.
	$(BIN)/python -m bench.autoscaler $(ARGS)

lock: ## Regenerate the lock files: for development on every Python from 3.11, for the image, and for a peer of the bench.
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock
	uv pip compile pyproject.toml --extra tracing --constraint requirements.lock --universal --python-version 3.13 --generate-hashes --no-emit-index-url --no-header -o requirements-image.lock
	cd bench/peers/granian_incr && uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock

manifests: $(STAMP) ## Write k8s/base from the chart.
	$(BIN)/python k8s/render.py

clean: ## Remove the virtual environment and what was built.
	rm -rf $(VENV) build mutants *.egg-info

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Likewise needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}; try make PYTHON=python3.13")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
