# `make run` and `make test` need Debian or Ubuntu, Python 3.11 to 3.13 and make; each builds .venv on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CONFIG ?= configs/quickstart.yaml
# Tests wait for servers, for a cluster and for other processes: where there are few cores, one more has work.
WORKERS ?= $(shell cores=$$(nproc); echo $$((cores < 3 ? cores + 1 : cores)))
COMPILE := uv pip compile --constraint - --universal --no-emit-index-url --generate-hashes -q pyproject.toml

# What needs no training, server, browser or cluster: under two minutes.
QUICK := config data detection evaluation materializers models promotion reporting stacks steps \
	repository/test_docs.py repository/test_habits.py repository/test_words.py test_errors.py test_file_hashes.py

.PHONY: run check test coverage lint ui serve lock release clean
.DEFAULT_GOAL := run

run: $(READY)  ## run the pipeline on the built-in synthetic faces
	@$(BIN)/ferkit run $(CONFIG)

test: lint  ## everything that CI checks
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

check: lint  ## linters and the quick tests, before each commit
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile $(addprefix tests/,$(QUICK))

# Python 3.12 and later can tell which lines run at hardly any cost.
coverage: $(READY)  ## the tests once more, with the share of lines that they run
	COVERAGE_CORE=$$($(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")') \
	  $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

ui: $(READY)  ## open the MLflow UI on this checkout's runs
	@$(BIN)/ferkit ui

serve: $(READY)  ## open the page on the promoted model, or on the shipped models
	@$(BIN)/ferkit serve

# backports-strenum 1.3 says Requires-Python <3.11, an upper bound that uv leaves aside and pip does not.
lock:  ## resolve the dependencies again, without naming an index
	echo 'backports-strenum<1.3' | $(COMPILE) --group dev --extra dlib --extra export --extra ray --extra s3 -o requirements.lock
	echo 'backports-strenum<1.3' | $(COMPILE) --extra kubernetes -o requirements-kubernetes.lock
	echo 'backports-strenum<1.3' | $(COMPILE) --extra kubeflow -o requirements-kubeflow.lock

release: test  ## VERSION=0.2.0: the version set in every file that names it, committed, tagged; dist/ built and checked
	@[ -n "$(VERSION)" ] || { echo "which version? make release VERSION=0.2.0" >&2; exit 1; }
	$(BIN)/bump-my-version bump --new-version $(VERSION)
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*
	@echo "next: git push --follow-tags, and $(BIN)/twine upload dist/*"

clean:  ## remove the environment and all state of this checkout
	rm -rf $(VENV) .ferkit

# Only another lock needs the libraries again; pyproject.toml alone, just our own entry points.
$(READY): $(VENV)/.locked pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# uv takes seconds where pip takes minutes; pip knows registries that only its own settings name. Libraries are compiled
# here, as pip does it: where Python may write no bytecode, each process would take a minute to import them.
$(VENV)/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "ferkit needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  package=python$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -q && apt-get install -qy $$package; \
	  else echo "$(PYTHON) has no venv module. Run: sudo apt-get install $$package" >&2; exit 1; fi; }
	@echo "making $(VENV), once: a minute or so"
	@$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@
