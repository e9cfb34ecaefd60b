# Everything runs in a virtual environment of its own, made by the first target that needs it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
STAMP := $(VENV)/.installed
CAMPAIGNS := tests/checkpoint tests/test_resume.py tests/test_configfile.py \
	tests/cli/test_cli_endurance.py

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench compare results picture soak clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][^:]*:.*## / {printf "  %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv and install charrnn and its development tools into it

$(STAMP): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(STAMP) ## train a small model on fables for half a minute, with samples on the way
	$(BIN)/charrnn demo --force
	@echo 'In this folder, charrnn is $(BIN)/charrnn.'

test: $(STAMP) ## run the tests (under 3 minutes on two cores)
	$(BIN)/python -m pytest --quiet --numprocesses 2

check: $(STAMP) ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(BENCH)/.installed ## compare speed with PyTorch, JAX and the classic loop (installs them)
	$(BENCH)/bin/python benchmarks/bench.py

$(BENCH)/.installed: benchmarks/requirements.txt setup.cfg
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check \
		--requirement benchmarks/requirements.txt --editable .
	touch $@

compare: $(STAMP) ## compare optimisers and cells (CORPUS=..., MINUTES=... of each); a few minutes
	$(BIN)/python benchmarks/compare.py $(CORPUS) $(if $(MINUTES),--minutes $(MINUTES))

results: $(STAMP) corpora/stdlib.txt ## train and score the rows of the README's results table
	$(BIN)/python benchmarks/results.py

picture: $(STAMP) ## run the README's first commands in a terminal and draw docs/terminal.svg
	$(BIN)/python docs/terminal.py

soak: $(STAMP) ## run the long campaigns: kills, faults, flipped bits, fuzzing (20 minutes at most)
	$(BIN)/python -m pytest --quiet -m '' --capture=no $(CAMPAIGNS)

corpora/stdlib.txt: $(STAMP) ## gather the installed Python's own sources into a corpus
	$(BIN)/python corpora/gather_stdlib.py $@

clean: ## remove everything that make and Python produced
	rm -rf $(VENV) $(BENCH) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	rm -f demo.npz corpora/stdlib.txt
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
