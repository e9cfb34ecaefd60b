# Everything runs in .venv, which the first target that needs it creates with the runtime
# dependencies only. Other targets add the tools that they need: the extras in setup.cfg.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BIOME := $(VENV)/node_modules/.bin/biome
BENCH := .venv-bench
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
RELEASE := $(VENV)/.installed-release
TRIAL := $(VENV)/trial
CAMPAIGNS := tests/checkpoint tests/training/test_resume.py tests/config/test_sources.py \
	tests/cli/test_cli_endurance.py tests/cli/test_cli_campaigns.py tests/cli/test_cli_mpi.py
SWEEPS := tests/nn/test_gradients.py tests/report/test_script.py tests/test_benchmarks.py \
	tests/training/test_data_parallel.py tests/training/test_memory.py tests/training/test_trainer.py
NUMERICAL := tests/nn tests/evaluation tests/training tests/test_flags.py tests/test_generation.py \
	tests/test_novelty.py tests/test_sampling.py tests/test_spelling.py tests/test_threads.py

.DEFAULT_GOAL := help
.PHONY: help install demo test check kernels torch pythons dist bench bench-mpi compare results picture pictures soak clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][^:]*:.*## / {printf "  %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(DEV) ## create .venv with charrnn and its development tools

$(DEV): EXTRA := [dev]
$(RELEASE): EXTRA := [release]
$(RUN) $(DEV) $(RELEASE): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(EXTRA)'
	touch $(RUN) $@

demo: $(RUN) ## train on fables for half a minute, and show samples
	$(BIN)/charrnn demo --force
	@echo 'In this folder, charrnn is $(BIN)/charrnn.'

# Bytecode is kept even if the caller's environment says otherwise. Without it, each of pytest's
# processes would have to rewrite all tests and Hypothesis again.
test: $(DEV) ## run the tests (under 3 minutes on two cores)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --quiet --numprocesses 2 --dist worksteal

check: $(DEV) ## lint, formatting, import rules and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy --platform darwin
	$(BIN)/mypy --platform win32
	@if command -v npm >/dev/null; then $(MAKE) --silent $(BIOME) && $(BIOME) check \
		--error-on-warnings --indent-style=space --line-width=100 charrnn/report/*.js charrnn/report/*.css; \
	else echo 'left out: the script and style of the report page (npm is not installed)'; fi

# The linter of the page's script and style.
$(BIOME): charrnn/report/package.json
	cp $< $(VENV)/
	npm install --prefix $(VENV) --silent --no-package-lock --no-fund --no-audit
	touch $@

kernels: $(DEV) ## run the numerical tests under each BLAS kernel
	$(BIN)/python tests/kernels.py --quiet --numprocesses 2 $(NUMERICAL)

torch: $(BENCH)/.installed ## compare results with PyTorch's, which it installs
	$(BENCH)/bin/python -m pytest --quiet tests/test_pytorch.py

pythons: $(RELEASE) ## run the tests under each Python, and old packages
	PATH="$$PATH$$(printf ':%s' $$(pyenv root 2>/dev/null)/versions/*/bin)" $(BIN)/tox run

dist: $(RELEASE) ## build an sdist and a wheel, offline, and try the wheel
	rm -rf build dist *.egg-info $(TRIAL)
	$(BIN)/python -m build --quiet --no-isolation
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m venv $(TRIAL)
	$(TRIAL)/bin/python -m pip install --quiet --no-index --no-deps dist/*.whl
	diff -r -x __pycache__ -x configs -x corpora -x package.json charrnn $(TRIAL)/lib/python*/site-packages/charrnn
	diff -r configs $(TRIAL)/lib/python*/site-packages/charrnn/configs
	cd $(TRIAL) && export PYTHONPATH=$$(echo $(CURDIR)/$(VENV)/lib/python*/site-packages) && \
		bin/charrnn --version && \
		bin/charrnn train $(CURDIR)/corpora/fables.txt --config tiny --steps 3 --output trial.npz && \
		bin/charrnn sample --model trial.npz --length 20

bench: $(BENCH)/.installed ## compare speed with PyTorch and JAX, which it installs
	$(BENCH)/bin/python benchmarks/bench.py

$(BENCH)/.installed: benchmarks/requirements.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check \
		--requirement benchmarks/requirements.txt --editable '.[test]'
	touch $@

bench-mpi: $(DEV) ## measure what training over MPI costs
	$(BIN)/python benchmarks/mpi.py

compare: $(RUN) ## compare optimisers and cells (CORPUS=..., MINUTES=...)
	$(BIN)/python benchmarks/compare.py $(CORPUS) $(if $(MINUTES),--minutes $(MINUTES))

results: $(RUN) corpora/stdlib.txt ## train and score the rows of the README's results table
	$(BIN)/python benchmarks/results.py

picture: $(DEV) ## draw docs/terminal.svg, the picture in the README, and docs/wave.svg
	$(BIN)/python docs/terminal.py
	$(BIN)/python docs/wave.py

pictures: $(DEV) ## take the pictures of docs/lesson.md, with a browser
	$(BIN)/python docs/pictures.py

soak: $(DEV) ## run the long reliability tests and whole sweeps (about 40 minutes)
	$(BIN)/python -m pytest --quiet -m '' --capture=no $(CAMPAIGNS)
	$(BIN)/python -m pytest --quiet -m soak $(SWEEPS)

corpora/stdlib.txt: $(RUN) ## make a corpus of Python's standard library
	$(BIN)/python corpora/gather_stdlib.py $@

clean: ## remove everything that make and Python have produced
	rm -rf $(VENV) $(BENCH) .tox build dist *.egg-info \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	rm -f demo.npz corpora/stdlib.txt
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
