# `make repro` and `make test` are for people; both make a virtual environment if there is none.
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)

repro: $(VENV)/installed
	dvc repro

# test: at every commit, and in CI. test-all: the tests marked `slow` too.
test: TESTS = -m "not slow"
test test-all: $(VENV)/installed
	ruff check .
	ruff format --check .
	mypy
	python -m benchmarks stale
	pytest -n 2 --dist loadfile --no-loadscope-reorder -rs $(TESTS)

# As root on Debian or Ubuntu: a Slurm of this one machine, installed where it is missing.
test-slurm: $(VENV)/installed
	TEST_SLURM=1 pytest -rs tests/slurm

$(VENV)/installed: pyproject.toml constraints.txt
	test -d $(VENV) || python3 -m venv $(VENV)
	pip install --quiet --constraint constraints.txt --editable '.[dev,browser]'
	touch $@

.PHONY: repro test test-all test-slurm
