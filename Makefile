# Every command sets up what it needs: `make demo` on a fresh machine with python3, make and git is enough.
# Written for GNU Make 3.81, which macOS ships. `make` alone lists the commands.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run demo test check permutations bench openapi picture build push lock clean

# .venv/bin leads, so `sam`, `python` and `pytest` are the pinned ones in every recipe and in what it starts.
# The uv that this Makefile may have fetched comes last: one that is installed is preferred.
export PATH := $(CURDIR)/.venv/bin:$(PATH):$(CURDIR)/.local/uv/bin
export PYTHONPATH := $(CURDIR)/layers/credits
export SAM_CLI_TELEMETRY := 0
# uv trusts the certificates that this machine trusts: a company proxy has its own.
export UV_SYSTEM_CERTS := 1

# Named in full: Make 3.81 looks a simple command up in the PATH it was started with.
PYTHON := .venv/bin/python

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: .venv/run.installed ## serve the whole stack on this machine: PORT=3000, DATA=dir keeps its state
	@$(PYTHON) -m local

demo: .venv/run.installed ## charge the product's two worked examples through HTTP and print the totals
	@$(PYTHON) -m local.demo

test: .venv/test.installed ## run all tests: ARGS="-k renewal" passes on to pytest
	$(PYTHON) -m pytest $(ARGS)

check: .venv/check.installed ## every gate before a commit: style, types, import contracts, template, tests
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/cfn-lint template.yaml
	.venv/bin/sam validate --lint
	@$(MAKE) --no-print-directory test

permutations: .venv/test.installed ## Stripe's events of eleven lives in any order and under faults, 5,000 times: PERMUTATIONS=20000
	PERMUTATIONS=$(or $(PERMUTATIONS),5000) $(PYTHON) -m pytest -q tests/simulation/test_stripe_lives.py

simulate: .venv/test.installed ## a year of a hundred accounts under faults, again and again: SEED=1 STEPS=1000000
	@$(PYTHON) -m tests.simulation --seed $(or $(SEED),1) --steps $(or $(STEPS),20000)

torture: .venv/test.installed ## the ledger and the documented pattern under lost replies and kills: what each charges
	@$(PYTHON) -m tests.torture $(ARGS)

bench: .venv/test.installed ## measure against the budgets of the design
	@$(PYTHON) -m benchmarks

openapi: .venv/run.installed ## regenerate functions/accounts/openapi.json
	@$(PYTHON) -m local.openapi

picture: .venv/test.installed ## take docs/usage-page.png anew, with the Chromium of this machine
	@$(PYTHON) -m local.picture

build: .venv/check.installed ## build what AWS would run into .aws-sam: ARGS="--parameter-overrides Architecture=x86_64"
	.venv/bin/sam build $(ARGS)

push: .venv/run.installed ## push the catalog to Stripe: ARGS="--dry-run --webhook-url https://…/stripe/webhook"
	@$(PYTHON) -m credits.payments push $(ARGS)

clean: ## remove what these commands made; data given with DATA= stays
	rm -rf .venv .aws-sam .local/uv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up. A set holds the smaller ones (check ⊃ test ⊃ run), and a stamp stands for each that is installed.

install = echo "Installing requirements/$(1).txt into .venv"; \
	if command -v uv >/dev/null; then uv pip install --quiet --python $(PYTHON) --require-hashes -r requirements/$(1).txt; \
	else $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/$(1).txt; fi

.venv/run.installed: requirements/run.txt .venv/made
	@$(call install,run)
	@touch .venv/run.installed

.venv/test.installed: requirements/test.txt .venv/made
	@$(call install,test)
	@touch .venv/run.installed .venv/test.installed

.venv/check.installed: requirements/check.txt .venv/made
	@$(call install,check)
	@touch .venv/run.installed .venv/test.installed .venv/check.installed

# By uv if there is one; else by a Python 3.13 that can make environments; else by a uv fetched for it.
.venv/made:
	@rm -rf .venv
	@command -v uv >/dev/null || python3.13 -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory .local/uv/bin/uv
	@if command -v uv >/dev/null; then uv venv --quiet --python 3.13 .venv; else python3.13 -m venv .venv; fi || { \
	  echo; \
	  echo 'InfuseOS Credits runs on Python 3.13, as its Lambda functions do, and this machine could not provide it.'; \
	  echo 'Install it and run the command again:'; \
	  echo '  Debian 13, Ubuntu 25.04 or newer   sudo apt-get install python3.13-venv'; \
	  echo '  macOS                              brew install python@3.13'; \
	  echo '  anything with pyenv                pyenv install 3.13'; \
	  exit 1; } >&2
	@touch .venv/made

# An older python3 is enough. Debian keeps venv in a package of its own, and pip in another: either serves.
# python3 may be a pyenv shim that .python-version leads to a version it does not have; then the system's own is asked.
.local/uv/bin/uv: requirements/uv.txt
	@echo 'Fetching uv (requirements/uv.txt) into .local/uv'
	@for python in python3 /usr/bin/python3; do \
	  rm -rf .local/uv; \
	  if $$python -m venv .local/uv >/dev/null 2>&1; then \
	    .local/uv/bin/python -m pip install $(PIP_UV) && exit 0; \
	  elif $$python -m pip --version >/dev/null 2>&1; then \
	    $$python -m pip install --target .local/uv $(PIP_UV) && exit 0; \
	  fi; \
	done; \
	rm -rf .local/uv; { \
	  echo; \
	  echo 'There is neither uv nor Python 3.13 here, and python3 could not fetch uv (it needs venv or pip, and a network).'; \
	  echo 'Install one of them and run the command again:'; \
	  echo '  Debian, Ubuntu   sudo apt-get install python3-venv'; \
	  echo '  macOS            brew install uv'; \
	  exit 1; } >&2

PIP_UV := --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements/uv.txt

# Pins. The largest set is resolved first and constrains the others, so that all share one version of each package. It is
# resolved for Linux; that macOS needs no other package is shown before anything else is compiled.

compile := uv pip compile --quiet --python-version 3.13 --generate-hashes --no-emit-index-url --annotation-style line \
	--custom-compile-command 'make lock'

lock: ## compile the requirements anew, with the newest versions that fit
	@command -v uv >/dev/null || $(MAKE) --no-print-directory .local/uv/bin/uv
	$(compile) --python-platform linux --upgrade requirements/check.in -o requirements/check.txt
	@mkdir -p .local
	@for platform in linux macos; do \
	  $(compile) --python-platform $$platform --no-annotate --constraints requirements/check.txt requirements/check.in \
	    -o .local/check-$$platform.txt || exit 1; \
	done; diff .local/check-linux.txt .local/check-macos.txt
	for source in requirements/test.in requirements/run.in layers/*/requirements.in; do \
	  $(compile) --python-platform linux --constraints requirements/check.txt $$source -o $${source%.in}.txt || exit 1; \
	done
	$(compile) --upgrade requirements/uv.in -o requirements/uv.txt
