# The front door. `make demo` and `make test` need nothing but Python 3.11 or newer and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Processes that share the tests: most tests wait more than they work.
BESIDE ?= 3
# Hundreds of servers are started from this folder; each would compile it anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install demo run check unit test browsers fuzz bench torture clean
help:            ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

install: $(VENV)/.installed  ## create .venv with pinned versions
$(VENV)/.installed: deploy/requirements.txt tests/requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r deploy/requirements.txt -r tests/requirements.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install    ## ship sample logs of six services over the real protocol, show what is stored; KEEP=1 leaves it running
	@$(BIN)/python -m benchmarks.demo $(if $(KEEP),--keep)

run: install     ## start the server with config/ptingest.yaml
	$(BIN)/ptingest --config config/ptingest.yaml

check: install   ## format, lint, types, floors
	$(BIN)/ruff format --check ptingest tests benchmarks
	$(BIN)/ruff check ptingest tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: install    ## every test that needs no process and no peer, in a minute
	$(BIN)/python -m pytest -n $(BESIDE) --timeout 120 --unit

test: check      ## check, then every test; PTINGEST_PEERS=require makes missing peers an error
	$(BIN)/python -m pytest -n $(BESIDE) --timeout 120

browsers:        ## install Chromium and its driver from Debian, where missing and allowed (as root)
	tests/browser/install.sh

torture: install ## break everything while events pass; EVENTS in each scenario, SEED to replay
	$(BIN)/python -m tests.torture $(if $(EVENTS),--events $(EVENTS)) $(if $(SEED),--seed $(SEED))

fuzz: install    ## coverage-guided fuzzing, SECONDS=60 for each target, TARGETS="pipeline query" for some
	$(BIN)/python -m pip install -q --disable-pip-version-check -r tests/fuzz/requirements.txt
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(TARGETS)

bench: install   ## measure, this run beside the last (benchmarks/history.jsonl); EVERYTHING=1 for the slow ones
	$(BIN)/python -m benchmarks.run $(if $(EVERYTHING),--everything)

clean:
	rm -rf $(VENV) .peers build dist
