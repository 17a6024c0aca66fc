# Everything that people and CI do. On a fresh machine with git, make and any Python 3, each target sets itself up.

.DEFAULT_GOAL := help
PY := .venv/bin/python
BIN := .venv/bin
PYTEST_ARGS ?=
# Byte code is kept, whatever the shell says: tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test check format docs bench lock clean slurm-up slurm-down

help: ## Tell what there is.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: ## Make .venv from the lock; done by every other target.
	@sh tools/bootstrap.sh

demo: setup ## The main job on real data: pictures and products in swath-demo/.
	@SWATH_HOME=$(CURDIR)/swath-demo/home $(BIN)/swath demo --output swath-demo

test: setup ## All tests.
	$(BIN)/pytest -n auto -m "not slurm" $(PYTEST_ARGS)
	$(BIN)/pytest -m slurm $(PYTEST_ARGS)

check: setup ## What must hold before a commit: style, types, layers, tests.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto -q -m "not slurm" $(PYTEST_ARGS)
	$(BIN)/pytest -q -m slurm $(PYTEST_ARGS)

format: setup ## Write the code as the style wants it.
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

slurm-up: setup ## A real Slurm of three nodes on this machine (Debian, as root), or RELEASE=trixie's; tests use it.
	@$(PY) tests/slurm/testbed.py start $(RELEASE)
	@$(PY) tests/slurm/testbed.py status

slurm-down: setup ## End it.
	@$(PY) tests/slurm/testbed.py stop

docs: setup ## The documentation, into site/.
	$(PY) docs/generate.py
	$(BIN)/mkdocs build --strict --quiet

bench: setup ## The benchmarks beside their peers; they print tables and write benchmarks/RESULTS.md.
	@.tools/uv/bin/uv pip install --quiet --python $(PY) --require-hashes --requirement benchmarks/requirements.lock
	@$(PY) benchmarks/run_all.py

lock: setup ## Write requirements.lock anew.
	.tools/uv/bin/uv pip compile --universal --python-version 3.12 --generate-hashes --no-emit-index-url \
	  --no-header --group dev --quiet --upgrade --output-file requirements.lock pyproject.toml
	.tools/uv/bin/uv pip compile --universal --python-version 3.12 --generate-hashes --no-emit-index-url \
	  --no-header --group dev --group bench --constraint requirements.lock --quiet --upgrade \
	  --output-file benchmarks/requirements.lock pyproject.toml

clean: ## Delete what these targets made.
	rm -rf .venv .tools site dist swath-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
