# make demo   a fresh machine to a dashboard with a real dissection
# make test   everything that is quick, browser included      make test-slow   the rest
# make lint   ruff, mypy, import contracts, docs              make bench       speed, as ratios
# make docs   the documentation as a site in site/
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STORE ?= store
export GANATOMY_STORE ?= $(STORE)

# Two workers take one core each; a library that takes both makes every test several times slower.
PYTEST := OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=2 $(BIN)/python -m pytest -n 2 --dist loadfile

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.installed ## install, fetch the demo weights, dissect, open the dashboard
	@$(BIN)/ganatomy demo

test: $(VENV)/.installed-dev browser ## the quick tests, browser included (about 25 minutes on two cores)
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(VENV)/.installed-dev browser ## the long tests: crashes, statistics (about 30 minutes)
	$(PYTEST) -m slow --timeout 2400 $(ARGS)

lint: $(VENV)/.installed-dev ## ruff, mypy, import contracts, links of the docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --site-dir $(VENV)/site

docs: $(VENV)/.installed-dev ## the documentation as a site in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "Open site/index.html, or run: $(BIN)/python -m http.server --directory site"

bench: $(VENV)/.installed-dev ## speed, as ratios within one run
	$(BIN)/python -m benchmarks

browser: $(VENV)/.installed-dev
	@$(BIN)/python tests/browser/chromium.py

# A Python that runs: a version manager's shim may be on the path and yet refuse.
$(VENV)/bin/python:
	@for python in python3.12 python3.11 python3 python; do \
	  if "$$python" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$python"; exec "$$python" -m venv $(VENV); fi; done; \
	echo "Ganatomy needs Python 3.11 or 3.12 with venv; none was found on the path." >&2; exit 1

# A torch that is already in .venv stays if pyproject.toml's range admits it (a CPU build, say);
# otherwise the pinned one is installed.
PINS = -c constraints.txt $$($(BIN)/python -c 'import torch' 2>/dev/null || echo -c constraints-torch.txt)

$(VENV)/.installed: pyproject.toml constraints.txt constraints-torch.txt | $(VENV)/bin/python
	@echo "Installing (the first time takes some minutes: torch is large)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PINS) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PINS) -e '.[dev]'
	@touch $@

clean: ## remove the environment (the store stays)
	rm -rf $(VENV)

.PHONY: help demo test test-slow lint docs bench browser clean
