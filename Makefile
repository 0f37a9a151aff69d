# `make` alone lists the targets. Each does its own set-up: see scripts/setup.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= .data
LISTEN ?= 127.0.0.1:8080

.PHONY: help demo serve test test-unit test-long check lint format types layers docs lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo:  ## see the whole path once, in under two minutes (KEEP=1 leaves the server up)
	@scripts/setup run $(PYTHON) $(VENV)
	@$(BIN)/python scripts/demo.py $(if $(KEEP),--keep)

serve:  ## run a registry here (DATA=folder LISTEN=host:port)
	@scripts/setup run $(PYTHON) $(VENV)
	@$(BIN)/recipebox serve --data $(DATA) --listen $(LISTEN)

test:  ## everything that decides whether work lands: checks, then every suite, with coverage
	@scripts/setup dev $(PYTHON) $(VENV)
	@$(MAKE) --no-print-directory lint types layers
	@$(BIN)/python -m tests.tools.install
	@PATH="$(abspath $(BIN)):$$PATH" scripts/test

test-unit:  ## the unit tests alone: no sockets, under a minute
	@scripts/setup dev $(PYTHON) $(VENV)
	@$(BIN)/python -m pytest tests/unit tests/contracts -n auto -q

test-long:  ## the long forms of the random and fault suites
	@scripts/setup dev $(PYTHON) $(VENV)
	@$(BIN)/python -m tests.tools.install
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest tests --long --database sqlite --database postgresql

check:  ## what CI runs, but for the slow suites
	@$(MAKE) --no-print-directory test-unit lint types layers

lint:  ## ruff: every rule, and the format
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .

format:  ## write the format that `lint` wants
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

types:  ## mypy, strict
	@$(BIN)/mypy --no-error-summary artifacts settings resolver signing storage sandbox recipes registry web recipebox

layers:  ## imports point down only
	@$(BIN)/lint-imports --no-logo >/dev/null || $(BIN)/lint-imports --no-logo

docs:  ## write what is generated in docs/: settings, commands, schemas
	@scripts/setup dev $(PYTHON) $(VENV)
	@$(BIN)/python scripts/generate_docs.py

lock:  ## lock the dependencies anew
	@scripts/setup dev $(PYTHON) $(VENV)
	@scripts/lock $(BIN)

clean:  ## remove what was made here, the environment too
	rm -rf $(VENV) .demo .coverage* .mypy_cache .ruff_cache .pytest_cache build *.egg-info
