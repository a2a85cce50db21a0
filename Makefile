# odse: everything a newcomer needs is `make demo` and `make test`. Both do their own set-up.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
LOCK = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes pyproject.toml
OUT ?= demo
TILE ?= $(or $(ODSE_TEST_DATA),../shared/data)/01_odse_toy_tile_nl

.PHONY: help demo nl test lint types contracts format docs bench lock clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/run.stamp  ## simulate a pilot area, map it, say where catalogue and page are
	$(BIN)/odse demo --out $(OUT)

nl: $(VENV)/run.stamp  ## maps of a real tile in the Netherlands; TILE=folder of its data (see examples/)
	$(BIN)/odse run examples/nl_tile.yaml --out out/nl --data quarters=$(TILE) --data terrain=$(TILE)/static \
	  --data samples=$(TILE)/samples/samples_train.gpkg

test: $(VENV)/test.stamp lint types contracts  ## all checks: lint, types, contracts, doc examples, tests
	$(BIN)/python -m pytest

lint: $(VENV)/test.stamp  ## rules and format of the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/test.stamp  ## strict types of src/
	$(BIN)/mypy

contracts: $(VENV)/test.stamp  ## which room may import which
	$(BIN)/lint-imports --no-cache

format: $(VENV)/test.stamp  ## give the code its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/test.stamp  ## write docs/reference/command-line.md from the commands themselves
	$(BIN)/python tools/help_pages.py > docs/reference/command-line.md

bench: $(VENV)/bench.stamp  ## time against peers; writes benchmarks/results/latest.json
	$(BIN)/python -m benchmarks.run

lock: $(VENV)/made.stamp  ## resolve the dependencies anew, with hashes
	$(PIP) uv
	$(LOCK) --upgrade -o requirements/run.txt
	$(LOCK) --extra test -c requirements/run.txt -o requirements/test.txt
	$(LOCK) --extra test --extra bench -c requirements/test.txt -o requirements/bench.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --group build -c requirements/test.txt -o requirements/build.txt

clean:  ## remove what was made here, but not the demo
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/made.stamp:
	@bash tools/system.sh venv $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The build backend is locked like everything else, so nothing is fetched that has no hash here.
$(VENV)/run.stamp: requirements/run.txt requirements/build.txt pyproject.toml | $(VENV)/made.stamp
	$(PIP) --require-hashes -r requirements/run.txt
	$(PIP) --require-hashes -r requirements/build.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/test.stamp: requirements/test.txt tools/system.sh $(VENV)/run.stamp
	@bash tools/system.sh tests
	$(PIP) --require-hashes -r requirements/test.txt
	@touch $@

$(VENV)/bench.stamp: requirements/bench.txt $(VENV)/test.stamp
	@bash tools/system.sh bench
	$(PIP) --require-hashes -r requirements/bench.txt
	@touch $@
