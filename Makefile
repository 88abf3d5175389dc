# Clearway: everything a checkout needs, in one environment at .venv.
#
#   PYTHON=python3.12   another interpreter      UV=            use pip, though uv is installed
#   PYTEST_ARGS="-k x"  more for pytest          WORKERS=4      test processes

PYTHON  ?= python3
UV      ?= $(shell command -v uv 2>/dev/null)
# More than there are cores: much of a test is waiting, for a worker to be missed, for a page, for another process.
WORKERS ?= 3
KILLS   ?= 200

VENV := .venv
BIN  := $(VENV)/bin
BASE := $(VENV)/.base
DEV  := $(VENV)/.dev

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types imports format crash bench lock clean
.DELETE_ON_ERROR:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(BASE) ## run the demonstration, no keys and no services needed
	@$(BIN)/clearway demo $(ARGS)

test: $(DEV) ## run the tests (PYTEST_ARGS="-k gate -x")
	@$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

check: lint types imports ## check style, types and the direction of imports

lint: $(DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(DEV)
	@$(BIN)/basedpyright --pythonpath $(BIN)/python

imports: $(DEV)
	@$(BIN)/lint-imports --no-logo

format: $(DEV) ## format the code and mend what can be mended
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

crash: $(DEV) ## kill real processes mid-action and look for losses and doubles (KILLS=200)
	@$(BIN)/python -m tests.crash.run --kills $(KILLS) $(ARGS)

bench: $(DEV) ## measure commits, latency and throughput
	@$(BIN)/python -m tests.bench.run $(ARGS)

lock: ## lock the requirements again, hashes included (needs uv; ARGS=--upgrade takes new versions)
	@test -n "$(UV)" || { echo "make lock needs uv on PATH (pip install uv)."; exit 1; }
	@$(LOCK) --all-extras --group dev -o requirements/dev.txt $(ARGS)
	@$(LOCK) --extra postgres --extra demo --group build -c requirements/dev.txt -o requirements/base.txt $(ARGS)
	@! grep -n '://' requirements/*.txt

clean: ## remove the environment, caches and build output; data stays
	@rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests docs -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# The environment. `demo` needs the smaller lock only; the larger one contains it at the same versions.

LOCK = "$(UV)" pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

# $(call install,FILE): hash-checked requirements first, then the project itself with the backend that is among them.
ifneq ($(UV),)
INSTALL = "$(UV)" pip install -q --python $(BIN)/python
else
INSTALL = $(BIN)/python -m pip install -qq
endif

define install
	@$(if $(UV),,$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null)
	@$(INSTALL) --require-hashes -r $(1)
	@$(INSTALL) --no-deps --no-build-isolation -e .
endef

$(BASE): requirements/base.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the demonstration needs into $(VENV) …"
	$(call install,requirements/base.txt)
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing the development tools into $(VENV) …"
	$(call install,requirements/dev.txt)
	@touch $@ $(BASE)

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "There is no $(PYTHON). Install Python 3.11 or later, or name one: make PYTHON=python3.12 …"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$("$(PYTHON)" -V 2>&1); Clearway needs Python 3.11 or later."; \
		echo "Install one (Debian, Ubuntu: apt-get install python3.12 python3.12-venv), then: make PYTHON=python3.12 …"; \
		exit 1; }
ifneq ($(UV),)
	@"$(UV)" venv -q --python "$(PYTHON)" $(VENV)
else
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments here: apt-get install python3-venv"; \
		echo "(for another interpreter its own package, such as python3.12-venv), or install uv."; exit 1; }
	@"$(PYTHON)" -m venv $(VENV)
endif
