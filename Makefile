# Two commands matter: `make up` runs everything here, `make test` proves it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: up test bench bench-autoscaler lint docs lock manifests clean

up: $(STAMP)
	@exec $(BIN)/likewise up $(ARGS)

test: $(STAMP) lint
	$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),--ignore=tests/cluster)
	$(if $(ARGS),,$(BIN)/python -m pytest tests/cluster --numprocesses=2) # which mostly wait

bench: $(STAMP)
	$(BIN)/python -m bench $(ARGS)

bench-autoscaler: $(STAMP)
	$(BIN)/python -m bench.autoscaler $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell

docs: $(STAMP) ## builds the site into build/docs; warnings are errors
	$(BIN)/sphinx-build --builder html --fail-on-warning --keep-going --quiet docs build/docs

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Likewise needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}; try make PYTHON=python3.13")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

lock: ## writes both locks anew: for development on every Python from 3.11, and for the image
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock
	uv pip compile pyproject.toml --extra tracing --constraint requirements.lock --universal --python-version 3.13 --generate-hashes --no-emit-index-url --no-header -o requirements-image.lock

manifests: $(STAMP) ## writes k8s/base from the chart
	$(BIN)/python k8s/render.py

clean:
	rm -rf $(VENV) build *.egg-info
