# Every target sets up what it needs: python3 (3.11 or newer), its venv module and make are enough to start.
# What can be given, by example:
#     make test TESTS=tests/unit FLAGS=-x
#     make test PYTHON=python3.13 VENV=build/3.13
#     make demo AIOQUEUE_URL=sqlite:////tmp/demo.db

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
TESTS ?= tests
FLAGS ?=

BIN := $(VENV)/bin
READY := $(VENV)/.ready
QUIET := --disable-pip-version-check -qq
PYTEST := $(BIN)/python -m pytest
# loadgroup: tests that share something that only one of them may use at a time name it in their xdist_group.
PARALLEL := -n $(WORKERS) --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-embedded check bench soak format wheel constraints clean

help: ## List the targets
	@echo "usage: make TARGET"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Make .venv, with everything the other targets need (they do it by themselves)

demo: $(READY) ## Run an example from start to end
	@$(BIN)/python -m examples.imports

test: $(READY) ## Run the tests: unit, contracts, models, short stories
	$(PYTEST) $(PARALLEL) $(TESTS) $(FLAGS)

test-embedded: $(READY) ## Run those of the tests that need no server
	$(PYTEST) $(PARALLEL) -m "not soak and not server" $(TESTS) $(FLAGS)

soak: $(READY) ## Run the long tests
	$(PYTEST) -m soak $(TESTS) $(FLAGS)

check: $(READY) ## Check style, types, the direction of imports and the house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q tests/unit/test_house_rules.py

format: $(READY) ## Format the code, and mend what can be mended without thinking
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## Measure how fast it is
	@$(BIN)/python -m benchmarks

wheel: $(READY) ## Build the wheel into dist/
	@$(BIN)/python -m pip $(QUIET) wheel --no-deps --wheel-dir dist .
	@ls dist/*.whl

constraints: ## Pin anew, in constraints.txt, the newest of everything we develop with
	@rm -rf build/constraints
	@$(PYTHON) -m venv build/constraints
	$(call install,build/constraints/bin,)
	@echo '# What `make` installs into .venv, on every Python we support. Written by `make constraints`.' > constraints.txt
	@build/constraints/bin/python -m pip freeze --exclude-editable | grep '^[A-Za-z0-9._-]*==' >> constraints.txt
	@rm -rf build/constraints
	@git --no-pager diff --stat constraints.txt

clean: ## Remove what was built or cached (.venv stays)
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once; again when pyproject.toml or constraints.txt change) …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || $(call fail,$(NEEDS_PYTHON))
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || $(call fail,$(NEEDS_VENV))
	$(call install,$(BIN),--constraint constraints.txt)
	@touch $@

NEEDS_PYTHON := aioqueue needs Python 3.11 or newer: make PYTHON=/path/to/one
NEEDS_VENV := $(PYTHON) cannot make a virtual environment: apt-get install python3-venv
fail = { echo "$(1)" >&2; exit 1; }

# Dependency groups need pip 25.1, which no Debian brings yet.
define install
@$(1)/python -m pip $(QUIET) install 'pip>=25.1'
@$(1)/python -m pip $(QUIET) install $(2) --editable . --group dev
endef
