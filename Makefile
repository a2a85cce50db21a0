# odse: everything a newcomer needs is `make demo` and `make test`. Both do their own set-up.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo

.PHONY: help demo test lint types contracts bench lock clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/run.stamp  ## simulate a pilot area, map it, say where catalogue and page are
	$(BIN)/odse demo --out $(OUT)

test: $(VENV)/test.stamp lint types contracts  ## lint, types, import contracts, doc examples, tests
	$(BIN)/python -m pytest

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .

types: $(VENV)/test.stamp
	$(BIN)/mypy

contracts: $(VENV)/test.stamp
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/bench.stamp  ## time against peers; writes benchmarks/results/latest.json
	$(BIN)/python -m benchmarks.run

lock: $(VENV)/made.stamp  ## resolve the dependencies anew, with hashes
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes pyproject.toml --extra test -c requirements/run.txt -o requirements/test.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes pyproject.toml --extra test --extra bench -c requirements/test.txt -o requirements/bench.txt

clean:  ## remove what was made here, but not the demo
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/made.stamp:
	@bash tools/system.sh venv $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(VENV)/made.stamp
	$(BIN)/python -m pip install -q --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install -q --no-deps -e .
	@touch $@

$(VENV)/test.stamp: requirements/test.txt $(VENV)/run.stamp tools/system.sh
	@bash tools/system.sh tests
	$(BIN)/python -m pip install -q --require-hashes -r requirements/test.txt
	@touch $@

$(VENV)/bench.stamp: requirements/bench.txt $(VENV)/test.stamp
	@bash tools/system.sh bench
	$(BIN)/python -m pip install -q --require-hashes -r requirements/bench.txt
	@touch $@
