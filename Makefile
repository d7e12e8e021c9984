# Every target says what it does: make help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MLFLOW_VENV := .venv-mlflow
export COUNTERSIGN_MLFLOW_PYTHON ?= $(CURDIR)/$(MLFLOW_VENV)/bin/python
OPENLINEAGE_VENV := .venv-openlineage
export COUNTERSIGN_TEST_OPENLINEAGE_PYTHON ?= $(CURDIR)/$(OPENLINEAGE_VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup dev demo check fix test fast bench dist lock screenshot statements policy-schema clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1	\2/' | expand -t 14

setup: $(VENV)/.runtime ## Make .venv with what the product needs

dev: $(VENV)/.dev ## Add to .venv what checks and tests need

demo: setup ## Load the sample history, sign off, audit, and open the console
	@$(BIN)/countersign demo

check: dev ## Format, lint, strict types, import contracts; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: dev ## Format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: check $(MLFLOW_VENV)/.ready $(OPENLINEAGE_VENV)/.ready ## Run the checks, then every test: what CI runs
	$(BIN)/pytest -n 2 --dist loadfile

fast: dev ## The tests that need no outside server, in about a minute
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow and not peer"

fuzz: dev ## Look for inputs that break a reader (SECONDS=60 in all)
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60)

bench: dev $(MLFLOW_VENV)/.ready ## Print the table of budgets with measured numbers
	$(BIN)/python -m tests.bench

peers: .peers/sigstore-js/.ready .peers/tlog ## Fetch the verifiers of others that tests use (npm, Go)

dist: dev ## Build the wheel and an offline wheelhouse into dist/
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist
	$(BIN)/pip download --quiet --no-deps --require-hashes --requirement requirements/runtime.txt --dest dist/wheelhouse
	cp dist/*.whl dist/wheelhouse/

lock: ## Resolve the locked requirements anew (needs uv)
	tools/relock.sh

statements: dev ## Write docs/statements anew: schemas and vectors
	$(BIN)/python -m tests.unit.policies.sample_statements

policy-schema: dev ## Write the schemas of policies and their cases in docs anew
	$(BIN)/countersign policy schema > docs/policy.schema.json
	$(BIN)/countersign policy schema --cases > docs/policy-cases.schema.json

screenshot: setup ## Draw docs/console.svg from the demonstration
	$(BIN)/python tools/screenshot.py docs/console.svg

clean: ## Remove what these targets made
	rm -rf $(VENV) $(MLFLOW_VENV) $(OPENLINEAGE_VENV) .peers dist .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/.base:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.base requirements/runtime.txt requirements/build.txt pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements/runtime.txt --requirement requirements/build.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements/dev.txt
	@touch $@

$(MLFLOW_VENV)/.ready: requirements/sample.txt
	$(PYTHON) -m venv $(MLFLOW_VENV)
	$(MLFLOW_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements/sample.txt
	@touch $@

$(OPENLINEAGE_VENV)/.ready: requirements/openlineage.txt
	$(PYTHON) -m venv $(OPENLINEAGE_VENV)
	$(OPENLINEAGE_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements/openlineage.txt
	@touch $@

.peers/sigstore-js/.ready: tests/peers/sigstore-js/package.json tests/peers/sigstore-js/package-lock.json
	mkdir -p $(@D)
	cp $^ $(@D)/
	npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund
	@touch $@

.peers/tlog: tests/peers/tlog/main.go tests/peers/tlog/go.mod tests/peers/tlog/go.sum
	go build -C tests/peers/tlog -o $(CURDIR)/$@ .
