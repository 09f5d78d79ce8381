# One entry for everything. Each target sets up .venv first, and again only when pyproject.toml changes.
#   make demo | test | lint | bench | bench-cluster | sim | acceptance | venv | clean
.DEFAULT_GOAL := test
.DELETE_ON_ERROR:
.PHONY: demo test lint bench bench-cluster sim acceptance venv clean

# The first interpreter that is new enough; `make PYTHON=/path/to/python3 ...` decides otherwise.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$python && break; done)

VENV := .venv
STAMP := $(VENV)/.stamp
RUN := $(VENV)/bin/python -m

# Programs written as a user would write them, kept outside this repository; the list is what the present state of work can pass.
ACCEPTANCE ?= ../shared/acceptance
ACCEPTANCE_PROGRAMS ?= 01_objects.py 02_crash.py 03_retwis.py 04_resume.py 05_automata.py 06_cluster.py 07_sandbox.py

# Examples that each property, and each crash scenario, is tried with in a campaign.
SIM_EXAMPLES ?= 10000
SIM_TESTS = $(or $(wildcard tests/property tests/crash tests/simulation),tests)

demo: $(STAMP)
	$(RUN) ssms demo

test: $(STAMP)
	$(RUN) pytest tests

lint: $(STAMP)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy

bench: $(STAMP)
	$(RUN) benchmarks $(BENCH) $(addprefix --skip ,$(CLUSTER_BENCHMARKS))

# What needs Ray: about a quarter of an hour. `make bench BENCH=--quick` sees that they work.
CLUSTER_BENCHMARKS := bare_ray cluster_calls cluster_failures cluster_moves compute_modes disaggregated

bench-cluster: $(STAMP)
	$(RUN) benchmarks $(BENCH) $(addprefix --only ,$(CLUSTER_BENCHMARKS))

sim: $(STAMP)
	SIM_EXAMPLES=$(SIM_EXAMPLES) $(RUN) pytest $(SIM_TESTS)

acceptance: $(STAMP)
	@test -d "$(ACCEPTANCE)" || { echo "make: no folder $(ACCEPTANCE): no acceptance program was run; say ACCEPTANCE=<folder>" >&2; exit 1; }
	@failed=; \
	for program in $(ACCEPTANCE_PROGRAMS); do \
		echo "== $$program"; \
		$(VENV)/bin/python "$(ACCEPTANCE)/$$program" || failed="$$failed $$program"; \
	done; \
	test -z "$$failed" || { echo "make: acceptance failed:$$failed" >&2; exit 1; }

venv: $(STAMP)

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python >= 3.11 found: install one, or say make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' || { echo "make: $(PYTHON) is not Python >= 3.11: $$("$(PYTHON)" --version 2>&1)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' || { echo "make: $(PYTHON) cannot make virtual environments: install its venv package (Debian: python3-venv)" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(RUN) pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# .venv stays: it follows pyproject.toml by itself, and costs minutes on a slow line.
clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .bench
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
