# Everything that is needed is set up by make itself, in .venv and build. `make` alone lists the targets.

VENV   := .venv
PY     := $(VENV)/bin/python
BUILD  := build
TORCH  ?= torch==2.13.0
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP    := $(PY) -m pip --disable-pip-version-check -qq
PYTEST_ARGS ?=
# Two test processes, a file of tests in one of them, the browser's last. PYTEST_ARGS='-n 0' makes it one process.
SPREAD := -n 2 --dist loadfile --no-loadscope-reorder
LAB_ARGS    ?=

export PIP_ROOT_USER_ACTION := ignore
export HF_HUB_DISABLE_TELEMETRY := 1
export DO_NOT_TRACK := 1
# Configuration, kernels and history of the person at the keyboard stay out of what make runs.
export JUPYTER_CONFIG_DIR := $(CURDIR)/$(BUILD)/jupyter/config
export JUPYTER_DATA_DIR := $(CURDIR)/$(BUILD)/jupyter/data
export JUPYTER_RUNTIME_DIR := $(CURDIR)/$(BUILD)/jupyter/runtime
export JUPYTERLAB_SETTINGS_DIR := $(CURDIR)/$(BUILD)/jupyter/settings
export JUPYTERLAB_WORKSPACES_DIR := $(CURDIR)/$(BUILD)/jupyter/workspaces
export IPYTHONDIR := $(CURDIR)/$(BUILD)/jupyter/ipython
unexport JUPYTER_PATH JUPYTER_CONFIG_PATH PYTHONPATH PYTHONHOME
unexport PYTHONDONTWRITEBYTECODE  # each of a hundred processes would compile all modules anew

.DEFAULT_GOAL := help
.PHONY: help demo lab test check format bench browser docs walk clean distclean
.DELETE_ON_ERROR:

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1 - /p' $(MAKEFILE_LIST) | awk -F ' - ' '{ printf "  %-16s %s\n", $$1, $$2 }'

demo: $(VENV)/.lab  ## run the quickstart notebook; pictures, latents and HTML land in build/demo
	@mkdir -p $(IPYTHONDIR)  # IPython warns where its parent is not there
	@HF_HUB_OFFLINE=1 $(PY) tests/tools/demo.py notebooks/01-quickstart.ipynb $(BUILD)/demo

lab: $(VENV)/.lab  ## open the quickstart notebook in JupyterLab
	@mkdir -p $(IPYTHONDIR)
	@$(PY) tests/tools/quiet_lab.py $(JUPYTERLAB_SETTINGS_DIR)
	$(PY) -m jupyterlab --ServerApp.root_dir=notebooks --LabApp.default_url=/lab/tree/01-quickstart.ipynb \
		--LabApp.extension_manager=readonly $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS)

test: check browser  ## lint, type check and run all tests; PYTEST_ARGS go to pytest
	HF_HUB_OFFLINE=1 $(PY) -m pytest $(SPREAD) $(PYTEST_ARGS)

check: $(VENV)/.test  ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(VENV)/.test  ## let ruff lay out the code and mend what it can
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

bench: $(VENV)/.test  ## print the benchmarks
	HF_HUB_OFFLINE=1 $(PY) -m tests.benchmarks

docs: $(VENV)/.docs  ## build the documentation site, strictly; it is in build/site
	@$(PY) tests/tools/docs.py

walk: $(VENV)/.test  ## build the wheel, install it in an environment of its own and use it as a stranger would
	@$(PY) tests/tools/walk.py

browser: $(VENV)/.test  ## install Chromium for the browser tests, where that can be done
	@sh tests/tools/browser.sh $(PY)

clean:  ## remove what was made, but keep the environment
	rm -rf $(BUILD) dist .hypothesis .mypy_cache .pytest_cache .ruff_cache notebooks/out
	rm -f notebooks/*.png notebooks/*.safetensors

distclean: clean  ## remove the environment too
	rm -rf $(VENV)

# Torch comes first and alone: its version must be exact, or pip may fetch another build of it along with the rest.
$(VENV)/.torch:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none was found." \
		"Install it, or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "$(PYTHON) is no Python 3.11 or newer." \
		"Name another: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Making the environment in $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV) || { echo "$(PYTHON) cannot make virtual environments." \
		"On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing $(TORCH) (the first time this takes a few minutes) ..."
	@$(PIP) install '$(TORCH)'
	@touch $@

$(VENV)/.lab: $(VENV)/.torch pyproject.toml tests/constraints.txt
	@echo "Installing jupyter_latents and JupyterLab ..."
	@$(PIP) install --constraint tests/constraints.txt --editable '.[lab]'
	@touch $@

# The tests need JupyterLab too, so this one installation stands for both.
$(VENV)/.test: $(VENV)/.torch pyproject.toml tests/constraints.txt
	@echo "Installing jupyter_latents, JupyterLab and what the tests need ..."
	@$(PIP) install --constraint tests/constraints.txt --editable '.[test]'
	@touch $(VENV)/.lab $@

$(VENV)/.docs: $(VENV)/.test
	@echo "Installing what the documentation site needs ..."
	@$(PIP) install --constraint tests/constraints.txt --editable '.[docs,test]'
	@touch $@
