# The front door. `make demo` and `make test` need nothing but Python 3.11 or newer and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help install demo run check test peers bench clean
help:            ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

install: $(VENV)/.installed  ## create .venv with pinned versions
$(VENV)/.installed: deploy/requirements.txt tests/requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r deploy/requirements.txt -r tests/requirements.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install    ## ship sample logs of six services over the real protocol, show what is stored
	@$(BIN)/python -m benchmarks.demo

run: install     ## start the server with config/ptingest.yaml
	$(BIN)/ptingest --config config/ptingest.yaml

check: install   ## format, lint, types, floors
	$(BIN)/ruff format --check ptingest tests benchmarks
	$(BIN)/ruff check ptingest tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check      ## check, then every test; PTINGEST_PEERS=require makes missing peers an error
	$(BIN)/python -m pytest

bench: install   ## measure; results go to benchmarks/history.jsonl
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) build dist
