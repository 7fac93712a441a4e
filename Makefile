# The front door. `make demo` and `make test` need nothing but Python 3.11 or newer and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install -q --disable-pip-version-check
# Processes that share the tests: most tests wait more than they work.
BESIDE ?= 3
CODE   := ptingest tests benchmarks docs
HASHED := .peers/uv/bin/uv pip compile -q --no-config --universal --python-version 3.11 \
          --no-header --no-annotate --generate-hashes
SBOM   := .peers/sbom/bin/python -m cyclonedx_py environment --pyproject pyproject.toml \
          --mc-type application --output-reproducible --output-format JSON
# Hundreds of servers are started from this folder; each would compile it anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help runtime install demo run format check unit test peers image-test pythons hashes sbom coverage browsers fuzz torture bench docs build clean
help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

runtime: $(VENV)/.runtime     ## create .venv with what the program itself needs, pinned
$(VENV)/.runtime: deploy/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("ptingest needs Python 3.11 or newer, $(PYTHON) is %s; name another: make PYTHON=python3.11 ..." % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r deploy/requirements.txt -c tests/requirements.txt hatchling editables
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

install: $(VENV)/.installed   ## the same and all that checks and tests need
$(VENV)/.installed: $(VENV)/.runtime tests/requirements.txt
	$(PIP) -r tests/requirements.txt
	@touch $@

demo: runtime    ## ship sample logs of six services over the real protocol, show what is stored; KEEP=1 leaves it running
	@$(BIN)/python -m benchmarks.demo $(if $(KEEP),--keep)

run: runtime     ## start the server with config/ptingest.yaml; its data is in config/data
	@echo 'For other commands in this folder:  export PTINGEST_CONFIG=config/ptingest.yaml'
	$(BIN)/ptingest --config config/ptingest.yaml

format: install  ## format the code, and mend what the linter can mend
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

check: install   ## format, lint, types, floors
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: install    ## every test that needs no process and no peer, in a minute
	$(BIN)/python -m pytest -n $(BESIDE) --timeout 300 --unit

test: check      ## check, then every test; PTINGEST_PEERS=require makes missing peers an error
	$(BIN)/python -m pytest -n $(BESIDE) --timeout 300

peers: install   ## all tests with Elasticsearch 8.13, 8.19, 9.5 and OpenSearch 2.19, 3.9, of which `make test` runs a part
	$(BIN)/python -m pytest -n $(BESIDE) --timeout 300 --every-release tests/peers

image-test: install ## build the image and run it and the stack of deploy in a Docker engine of its own (as root on Debian)
	$(BIN)/python -m pytest --image -rP --timeout 1800 tests/image

pythons: install ## `make unit` on each claimed version of Python that is found; PYTHONS="PATH ..." names more
	$(BIN)/python -m tests.pythons $(if $(PYTHONS),--python $(PYTHONS))

coverage: install ## the same with what they covered, line by line; it takes twice the time
	$(BIN)/python -m coverage run -m pytest --unit --timeout 300; failed=$$?; \
	$(BIN)/python -m coverage report && exit $$failed

browsers:        ## install Chromium and its driver from Debian, where missing and allowed (as root)
	tests/browser/install.sh

torture: install ## break everything while events pass; EVENTS in each scenario, SEED to replay
	$(BIN)/python -m tests.torture $(if $(EVENTS),--events $(EVENTS)) $(if $(SEED),--seed $(SEED))

fuzz: install    ## coverage-guided fuzzing, SECONDS=60 for each target, TARGETS="pipeline query" for some
	$(PIP) -r tests/fuzz/requirements.txt
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(TARGETS)

bench: install   ## measure, this run beside the last (benchmarks/history.jsonl); EVERYTHING=1 for the slow ones
	$(BIN)/python -m benchmarks.run $(if $(EVERYTHING),--everything)

docs: runtime    ## write docs/settings.md, commands.md and metrics.md anew from the code
	$(BIN)/python -m docs.generate

hashes:          ## write deploy/hashed anew: the hashes of every file of each pinned version
	$(PYTHON) -m venv .peers/uv
	.peers/uv/bin/python -m pip install -q --disable-pip-version-check uv==0.13.9
	$(HASHED) -o deploy/hashed/runtime.txt --no-deps deploy/requirements.txt
	$(HASHED) -o deploy/hashed/build.txt -c tests/requirements.txt deploy/hashed/build.in

sbom: runtime    ## what .venv holds of what the program needs, as CycloneDX, in build/sbom.cdx.json
	$(PYTHON) -m venv .peers/sbom
	.peers/sbom/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r deploy/hashed/build.txt
	mkdir -p build
	$(SBOM) --output-file build/sbom.cdx.json $(BIN)/python

build: runtime   ## the source distribution and the wheel, in dist/
	$(BIN)/python -m hatchling build

clean:
	rm -rf $(VENV) .peers build dist
