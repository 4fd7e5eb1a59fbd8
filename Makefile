.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1
export PYTHONPATH := $(CURDIR)

DATA ?=
CONTRACT ?= contracts/advisor.yaml
UNTIL ?=
LIMIT ?=
WORLD ?= build/world
PORT ?= 8080
WORKERS ?= auto
SEEDS ?= 20

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(VENV)/.dev ## Build .venv with everything, development included

demo: $(VENV)/.local ## The whole loop on a laptop; DATA=file.csv CONTRACT=contract.yaml [UNTIL=day] for your own leads
	@./leadscore demo --contract $(CONTRACT) --world $(WORLD) $(if $(DATA),--data $(DATA)) $(if $(UNTIL),--until $(UNTIL)) $(if $(LIMIT),--limit $(LIMIT))

serve: $(VENV)/.local ## Keep the sandbox up and print a ready curl line; PORT=8080
	@./leadscore serve --world $(WORLD) --port $(PORT)

test: $(VENV)/.dev ## All tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile; status=$$?; \
	if [ $$status = 0 ]; then echo "make test: everything that ran passed; what was skipped says why above."; \
	else echo "make test: FAILED (pytest exit $$status); see the failures above."; fi; exit $$status

check: $(VENV)/.dev ## Lint, format, types, import rules; no secret, person or machine in a file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m deploy.scan
	@echo "make check: lint, format, types, import rules and files are clean."

emulators: ## Install the BigQuery emulator for its wire tests (needs Python 3.13; the tests skip without it)
	@for python in python3.13 $$HOME/.pyenv/versions/3.13*/bin/python; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then found=$$python; break; fi; done; \
	if [ -z "$$found" ]; then echo "make emulators: there is no Python 3.13 here, so the wire tests of BigQuery will skip."; exit 0; fi; \
	$$found -m venv $(VENV)-bigquery && $(VENV)-bigquery/bin/pip install --disable-pip-version-check -qq --require-hashes \
	  -r requirements/bigquery_emulator.txt && echo "make emulators: the BigQuery emulator is in $(VENV)-bigquery."

bench: $(VENV)/.dev ## Measure, each path beside the reference way
	@$(BIN)/python -m tests.bench

bench-asof: $(VENV)/.dev ## Asks to vectors, up to a million, beside pandas; one ask against half a million advisors
	@$(BIN)/python -m tests.bench.asof

bench-train: $(VENV)/.dev ## Families x strategies x periods, beside refitting from DataFrames
	@$(BIN)/python -m tests.bench.train

bench-truth: $(VENV)/.dev ## Does the sealed interval hold the truth? SEEDS=20 markets with a fresh large draw of each
	@$(BIN)/python -m tests.bench.truth --seeds $(SEEDS)

bench-audit: $(VENV)/.dev ## Is every planted leak found, and none where there is none?
	@$(BIN)/python -m tests.bench.audit

faults: $(VENV)/.dev ## Make the sandbox misbehave in every way; the end must be that of a quiet run
	@$(BIN)/python -m tests.faults

bench-parity: $(VENV)/.dev ## Serve 10,000 leads and ask again for every vector as training asks
	@$(BIN)/python -m tests.bench.parity

bundle: $(VENV)/.local ## The functions' source as one zip, the same bytes for the same source
	@mkdir -p build && $(BIN)/python -m infra.bundle build/bundle | tee build/bundle.path

boot: bundle ## Boot every entry point of the bundle alone, in an empty environment
	@$(BIN)/python -m deploy.boot "$$(cat build/bundle.path)"

bench-gate: $(VENV)/.dev ## How often the gate ships equal models, and a better one, beside "higher wins"
	@$(BIN)/python -m tests.bench.gate

infra: $(VENV)/.dev ## Plan, test and break the infrastructure with real terraform and no cloud
	@$(BIN)/python -m tests.infra.report

lock: ## Compile requirements/*.in to *.txt with hashes
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet pip-tools
	@cd requirements && for set in functions job local dev bench; do \
	  echo "compiling $$set.txt"; \
	  ../$(VENV)-lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --annotation-style=line --output-file $$set.txt $$set.in; done
	@echo "requirements/bigquery_emulator.txt is compiled the same way under Python 3.13."

clean: ## Remove what was built
	rm -rf build $(VENV) $(VENV)-* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "This needs Python 3.11 as $(PYTHON); install it, or say PYTHON=/path/to/python3.11."; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else f"This needs Python 3.11, not {v[0]}.{v[1]}; say PYTHON=/path/to/python3.11.")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.local: requirements/local.txt | $(VENV)/bin/python
	@echo "Installing what the sandbox needs into $(VENV) (about a minute) ..."
	@$(BIN)/pip install --disable-pip-version-check -qq --require-hashes -r requirements/local.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.local
	@echo "Installing what the checks need into $(VENV) ..."
	@$(BIN)/pip install --disable-pip-version-check -qq --require-hashes -r requirements/dev.txt
	@touch $@


.PHONY: faults help emulators install demo serve test check bench bench-asof bench-train bench-truth bench-audit bench-parity bench-gate infra bundle boot lock clean
