# Everything is set up by the targets themselves: a virtual environment from uv.lock, and uv itself in .tools.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
UV := .tools/bin/uv
# sam build looks for python3.13 on the path; the virtual environment has it.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0

HOST_ARCHITECTURE := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
SOURCES := template.yaml $(shell find functions shared layers -name '*.py' -o -name '*.toml' -o -name requirements.txt -o -path '*/api/*.json' -o -path '*/api/docs/*')
CONFIG ?= dev
ARCHITECTURE ?= arm64
STACK ?= darkroom-$(CONFIG)
COMPILE := python -m compileall -q -f --invalidation-mode unchecked-hash

.PHONY: help setup demo run test check format lock build deploy audit catalog problems openapi lint-openapi secrets soak fuzz bench clean

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.ready ## Make the virtual environment

demo: .aws-sam/local/.ready ## See three jobs go the whole way on this machine
	python -m local demo

run: .aws-sam/local/.ready ## Keep the whole system up on this machine
	python -m local run

test: .aws-sam/local/.ready ## Run every test
	python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(PYTEST_OPTIONS)

check: .aws-sam/local/.ready ## The gate: format, lint, imports, types, lock, template, build, tests
	ruff format --check .
	ruff check .
	PYTHONPATH=shared lint-imports --no-cache --no-logo
	mypy
	$(MAKE) --no-print-directory openapi && git diff --exit-code -- shared/darkroom/api/openapi.json
	$(MAKE) --no-print-directory lint-openapi
	$(UV) lock --check
	$(MAKE) --no-print-directory requirements && git diff --exit-code -- layers
	sam validate --lint --region us-east-1
	$(MAKE) --no-print-directory build
	$(MAKE) --no-print-directory test

format: .venv/.ready ## Format the code and fix what can be fixed
	ruff check --fix-only -q .
	ruff format .

lock: .tools/.ready ## Resolve the dependencies anew and write the layers' requirements
	$(UV) lock
	$(MAKE) --no-print-directory requirements

.PHONY: requirements
requirements: .tools/.ready
	$(UV) export -q --frozen --no-default-groups --no-emit-project -o layers/dependencies/requirements.txt > /dev/null
	$(UV) export -q --frozen --only-group media --no-emit-project -o layers/media/requirements.txt > /dev/null

build: .venv/.ready ## Build everything that is deployed (CONFIG=dev or prod), for arm64
	sam build --config-env $(CONFIG)
	$(COMPILE) .aws-sam/build
	python -m tools.check_build .aws-sam/build $(ARCHITECTURE)

deploy: build ## Deploy (CONFIG=dev or prod)
	sam deploy --config-env $(CONFIG)

audit: .venv/.ready ## Audit the ledger: of `make run`, or of a deployed stack (STACK=darkroom-prod)
	PYTHONPATH=shared python -m tools.audit $(if $(filter-out file,$(origin STACK) $(origin CONFIG)),$(STACK))

catalog: .venv/.ready ## Check every generation template, and print them with their prices
	PYTHONPATH=shared python -m tools.catalog

problems: .venv/.ready ## Write docs/problems.md from the table of problems
	PYTHONPATH=shared python -m tools.problems > docs/problems.md

openapi: .venv/.ready ## Write docs/openapi.json from the routes
	PYTHONPATH=shared python -m tools.openapi

lint-openapi: .venv/.ready ## Lint docs/openapi.json with Redocly and Spectral (needs npm)
	python -m tools.lint_openapi

secrets: .venv/.ready ## Put REPLICATE_API_TOKEN and its webhook secret into the deployed stack
	python -m tools.put_secrets $(STACK)

soak: .venv/.ready ## Run 100,000 steps of random schedules and crashes
	PYTHONPATH=shared python -m tests.simulation.soak

fuzz: .aws-sam/local/.ready ## Ask the running API what nobody thought of (EXAMPLES=200 of each operation)
	PYTHONPATH=shared python -m tests.fuzz

bench: .aws-sam/local/.ready ## Measure cold starts, and trace one job
	python -m tests.bench
	PYTHONPATH=shared python -m tests.bench.trace_job

clean: ## Take away everything that was made
	rm -rf .venv .tools .aws-sam demo-output .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.tools/.ready:
	python3 -m venv .tools
	.tools/bin/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	touch $@

.venv/.ready: .tools/.ready uv.lock pyproject.toml
	$(UV) sync -q --frozen
	touch $@

# What a deployment would hold, for the processor of this machine.
.PHONY: build-local
build-local: .aws-sam/local/.ready ## Build the same for this machine

.aws-sam/local/.ready: .venv/.ready $(SOURCES)
	sam build --parameter-overrides Architecture=$(HOST_ARCHITECTURE) --build-dir .aws-sam/local --cache-dir .aws-sam/cache-local --cached --parallel
	$(COMPILE) .aws-sam/local
	python -m tools.check_build .aws-sam/local $(HOST_ARCHITECTURE)
	touch $@
