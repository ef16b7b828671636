# Tidings: `make run` starts everything on this machine, `make test` tests it, `make check` reads the code.
# Needs Python 3.11 or later with its venv module, and nothing else: where Node 20.19 or later is missing, .ci/node brings it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
# Each has servers of its own. The suite waits for processes half of the time.
TEST_WORKERS ?= 2
# How pytest ends when PYTEST_ARGS leave nothing of one of the two halves.
NONE_CHOSEN := 5
BENCH_ARGS ?=
SCENARIO ?= smoke
LOAD_ARGS ?=

CLIENT := src/client
NPM := PATH="$$(.ci/node $(VENV)):$$PATH"; cd $(CLIENT); npm
BROWSER := src/tidings/browser/files/manifest.json
# With the folders: one whose file was deleted is newer.
CLIENT_SOURCES := $(shell find $(CLIENT)/build $(CLIENT)/packages/*/src 2>/dev/null) \
	$(wildcard $(CLIENT)/*.json $(CLIENT)/packages/*/*.json)
EXAMPLES := $(CLIENT)/examples
EXAMPLES_BUILT := $(EXAMPLES)/dist/.built
EXAMPLE_SOURCES := $(shell find $(EXAMPLES) \( -name node_modules -o -name dist \) -prune -o -type f -print 2>/dev/null)

.PHONY: help setup browser examples run test check infrastructure audit fmt lock bench bench-long load clean
# Node may be installed into the environment, which must be whole by then.
.NOTPARALLEL:

help:
	@echo "make run     install, start PostgreSQL, Valkey and Tidings on this machine; Ctrl-C stops all"
	@echo "make test    install, run every test on servers of their own (PYTEST_ARGS='-k stream' narrows it)"
	@echo "make check   ruff, mypy --strict, direction of imports; the browser's types and sizes; Dockerfile, compose file, manifests, workflows, shell"
	@echo "make audit   careless infrastructure (make infrastructure: that alone), and what is known against dependencies"
	@echo "make fmt     format and fix what can be fixed"
	@echo "make bench   how fast the core is, beside its peers, in 10 minutes (BENCH_ARGS=all, or 'fanout --rounds 5'); make bench-long takes longer"
	@echo "make load    many people at once, and nothing unaccounted for (SCENARIO=smoke; HOST=… KEY=… for a product that runs; LOAD_ARGS=--list)"
	@echo "make setup   install for development        make lock    renew the locks        make browser   build the browser's files"
	@echo "make examples  build the examples of src/client/examples (make test does)"
	@echo "make clean   remove what make made, except the state of make run (.state)"

# The environment. `make run` needs the smaller lock only; a development environment holds that too.
$(VENV)/.made:
	@.ci/make-venv $(VENV)

$(VENV)/.runs: $(VENV)/.made requirements.lock pyproject.toml
	@if [ ! $(VENV)/.develops -nt requirements-dev.lock ]; then .ci/install $(VENV) requirements.lock; fi
	@touch $@

$(VENV)/.develops: $(VENV)/.made requirements-dev.lock pyproject.toml
	@.ci/install $(VENV) requirements-dev.lock
	@touch $@ $(VENV)/.runs

setup: $(VENV)/.develops

# What the API serves at /client, and the npm packages. npm leaves its hidden lock when all is installed.
$(CLIENT)/node_modules/.package-lock.json: $(CLIENT)/package-lock.json | $(VENV)/.runs
	@echo "Installing ($<) …"
	@$(NPM) ci --ignore-scripts --no-progress --loglevel=error >/dev/null
	@touch $@

$(BROWSER): $(CLIENT)/node_modules/.package-lock.json $(CLIENT_SOURCES)
	@echo "Building the browser's files …"
	@$(NPM) run --silent build

browser: $(BROWSER)

# The inbox in pages of several frameworks, which only the tests need. From the packages as they are published.
$(EXAMPLES)/node_modules/.package-lock.json: $(EXAMPLES)/package-lock.json | $(VENV)/.runs
	@echo "Installing ($<) …"
	@$(NPM) ci --prefix examples --ignore-scripts --no-progress --loglevel=error >/dev/null
	@touch $@

$(EXAMPLES_BUILT): $(EXAMPLES)/node_modules/.package-lock.json $(BROWSER) $(EXAMPLE_SOURCES)
	@echo "Building the examples …"
	@$(NPM) run --prefix examples --silent build
	@touch $@

examples: $(EXAMPLES_BUILT)

run: $(VENV)/.runs $(BROWSER)
	@exec $(BIN)/tidings run

test: setup $(BROWSER) $(EXAMPLES_BUILT)
	@$(NPM) test --silent
	@.ci/system-packages
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder -m "not alone" $(PYTEST_ARGS) || [ $$? -eq $(NONE_CHOSEN) ]
	@$(BIN)/python -m pytest -m alone $(PYTEST_ARGS) || [ $$? -eq $(NONE_CHOSEN) ]

check: setup $(BROWSER)
	@$(NPM) run --silent check
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@.ci/monitoring
	@.ci/manifests $(BIN)
	@$(BIN)/hadolint Dockerfile k8s/load/Dockerfile
	@$(BIN)/docker-compose --profile backups config --quiet
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/actionlint
	@$(BIN)/zizmor --offline --quiet --no-progress .github
	@$(BIN)/shellcheck .ci/* k8s/make-secret k8s/components/valkey-sentinel/*.sh

# In an environment of its own: it is larger than the one for development, and slow.
$(VENV)/audit/.made: requirements-audit.lock | $(VENV)/.develops
	@echo "Installing ($<) …"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/audit
	@VIRTUAL_ENV=$(VENV)/audit $(BIN)/uv pip sync --quiet --require-hashes $<
	@touch $@

infrastructure: $(VENV)/audit/.made
	@.ci/infrastructure $(VENV)/audit

audit: infrastructure
	@PATH="$$(.ci/node $(VENV)):$$PATH" .ci/advisories $(VENV)/audit

# On an idle machine, as root if peers are to be installed. A figure that does not hold ends it with 1.
bench: setup
	@$(BIN)/python -m loadtests $(BENCH_ARGS)

bench-long: setup
	@$(BIN)/python -m loadtests --long $(BENCH_ARGS)

# Against a product of its own, or the one at HOST. A threshold that is broken ends it with 1; reports are in .load/.
load: setup
	@$(BIN)/python -m loadtests.scenarios $(SCENARIO) $(LOAD_ARGS)

fmt: setup
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

# The locks hold every hash and no address of any registry: the machine's own settings say where packages come from.
lock: setup
	@.ci/lock $(BIN)/uv

clean:
	@rm -rf $(CLIENT)/node_modules $(CLIENT)/packages/*/dist $(CLIENT)/packages/*/*.tsbuildinfo $(dir $(BROWSER))
	@rm -rf $(EXAMPLES)/node_modules $(EXAMPLES)/dist
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
