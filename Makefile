# Everything the project does, in one list: `make` prints it.

PYTHON ?= python3
COHORT ?= data/simulated
MODEL ?= models:/tms-response@champion
RUN ?= $(shell ls -td runs/*/ 2>/dev/null | head -n 1)

BIN := .venv/bin
READY := .venv/.ready
SIMULATED := data/simulated/cohort.toml
CODE := data_schemas features serving training tms_response.py tests .ci/readme.py $(wildcard benchmarks examples docs/gallery)
PIP := $(BIN)/python -m pip --disable-pip-version-check
EXACT := --require-hashes --no-deps --only-binary :all:
COMPILE := $(BIN)/uv pip compile pyproject.toml --generate-hashes --no-emit-index-url --no-header --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup train test check report serve ui bento bench gallery nightly year schemas lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## Make .venv from requirements.lock; every other target does it when needed

train: $(READY) $(if $(filter data/simulated,$(COHORT:/=)),$(SIMULATED)) ## Train on COHORT=folder (default: simulated) DATA= OUT= CONFIG=
	@folder="$(COHORT)"; [ -d "$$folder" ] || folder=$$(dirname "$$folder"); \
	if [ -f "$$folder/fetch.py" ]; then $(BIN)/python "$$folder/fetch.py"; fi
	@$(BIN)/tms-response train "$(COHORT)" $(if $(DATA),--data "$(DATA)") $(if $(OUT),--out "$(OUT)") $(if $(CONFIG),--config "$(CONFIG)")

test: $(READY) ## Run the tests, each file in one process, as many at once as there are cores (4 at most)
	@$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

check: $(READY) ## Format, lint, types, import direction, file lengths, locks and schemas
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(PIP) check
	$(BIN)/python -m pytest --quiet tests/test_project.py

report: $(READY) ## Rebuild report.html of the newest run, or of RUN=folder
	@$(BIN)/tms-response report "$(or $(RUN),runs)"

serve: $(READY) ## Serve the champion, or MODEL=folder, on this machine; ACCESS=none asks for no key
	@exec $(BIN)/tms-response serve --model "$(MODEL)" $(if $(filter none,$(ACCESS)),--no-access)

ui: $(READY) ## Open MLflow on this machine
	@MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
		exec $(BIN)/mlflow ui --host 127.0.0.1 --workers 1 --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"

bento: $(READY) ## Package MODEL with the code that serves it, into bento/ or OUT=
	@$(if $(OUT),,rm -rf bento)
	@$(BIN)/python -m serving.bento "$(MODEL)" --out "$(abspath $(or $(OUT),bento))"

bench: $(READY) ## Run benchmarks/*.py, which rewrite benchmarks/results.md
	@for name in $(sort $(notdir $(basename $(wildcard benchmarks/*.py)))); do $(BIN)/python -m "benchmarks.$$name" || exit 1; done

gallery: $(READY) ## Retake the pictures of docs/gallery from the newest run, or from RUN=folder
	@PYTHONPATH=tests $(BIN)/python -m docs.gallery.make_gallery "$(or $(RUN),runs)"

nightly: $(READY) ## Run the slow proofs
	@$(BIN)/python -m pytest -m nightly --timeout 0

year: $(READY) ## Live a simulated year: three hospitals, faults, a drift, an update
	@$(BIN)/python -m pytest tests/year -m year --capture no --timeout 900

schemas: $(READY) ## Rewrite data_schemas/json and the README's field table
	@$(BIN)/python -m data_schemas.export

lock: $(READY) ## Rewrite the lock files from pyproject.toml; UPGRADE=1 takes newer versions
	$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements-serving.lock
	$(COMPILE) $(if $(UPGRADE),--upgrade) --all-extras --group dev --constraint requirements-serving.lock --output-file requirements.lock

clean: ## Remove everything that was made, except .venv
	rm -rf data/simulated runs updates bento mlruns mlartifacts mlflow.db* build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

$(SIMULATED): | $(READY)
	@rm -rf data/simulated
	@$(BIN)/tms-response simulate data/simulated

# Where pip was told of a registry of its own, pip installs; elsewhere uv, which is faster.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'error: Python 3.11 or newer is needed; name one with PYTHON=...' >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ echo 'error: this Python cannot make environments; on Debian install python3-venv.' >&2; exit 1; }
	@echo 'Setting up .venv: one to two minutes, 1.3 GB.'
	@awk '/^[a-z0-9]/ { wanted = /^uv==/ } wanted && !/#/' requirements.lock > .venv/uv.txt
	@if $(PIP) config list | grep -E '\.(index-url|no-index|proxy)=' >/dev/null \
		|| ! $(PIP) install --quiet $(EXACT) --requirement .venv/uv.txt \
		|| ! $(BIN)/uv pip install --quiet --python $(BIN)/python $(EXACT) --compile-bytecode --requirements requirements.lock; \
	then echo 'Installing with pip.'; $(PIP) install --quiet $(EXACT) --requirement requirements.lock; fi
	@$(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@
