# Each target installs what it needs: uv into .tools, and the packages of uv.lock into .venv.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
UV := .tools/bin/uv
# sam build searches the path for python3.13, which is in the virtual environment.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
# Some container images forbid Python to keep compiled modules. Each process of the tests then
# compiles a thousand modules, and rewrites the assertions of all tests.
unexport PYTHONDONTWRITEBYTECODE

HOST_ARCHITECTURE := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
SOURCES := template.yaml workflow.asl.yaml tools/deployment/api_descriptions.py tools/deployment/build.py $(shell find functions shared layers -name '*.py' -o -name '*.toml' -o -name requirements.txt -o -path '*/api/*.json' -o -path '*/api/docs/*')
CONFIG ?= dev
STACK ?= darkroom-$(CONFIG)
# Empty unless STACK or CONFIG is given. The commands about ledgers then use the local stack.
NAMED_STACK = $(if $(filter-out file,$(origin STACK) $(origin CONFIG)),$(STACK))
COMPILE := python -m compileall -q -f --invalidation-mode unchecked-hash
PYTEST := python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: help setup demo run events invoke sam-local test test-fast browser coverage coverage-data coverage-report check lint lint-python lint-files lint-web generated format lock \
	requirements build build-local builds deploy deploy-built deploy-check admin token smoke audit repair variables catalog catalog-check problems failures openapi lint-openapi vendor web-types web-examples screenshots web sizes \
	secrets soak chaos fuzz sabotage bench clean linux scan licenses vulnerabilities sbom

help: ## Show this list
	@awk -F ':.*## ' '/^## /{printf "\n%s\n", substr($$0, 4)} /^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## Run it on this machine

demo: linux .aws-sam/local/.ready ## Run three jobs from the request to the files, then stop
	python -m local demo

run: linux .aws-sam/local/.ready ## Run the whole system until Ctrl+C (other ports: PORT=, AWS_PORT=, REPLICATE_PORT=)
	python -m local run

events: linux .aws-sam/local/.ready ## Fill the sample events in, beside `make run`, for sam local
	PYTHONPATH=shared python -m tools.events

invoke: linux .aws-sam/local/.ready ## Invoke one function beside `make run` (FUNCTION=api EVENT=submit_job)
	@PYTHONPATH=shared python -m tools.invoke '$(FUNCTION)' '$(EVENT)'

sam-local: linux .aws-sam/local/.ready ## Invoke every sample event with `sam local` (needs Docker)
	PYTHONPATH=shared python -m tools.sam_local

## Develop

setup: .venv/.ready ## Create the virtual environment (every other target does this, too)

test: .aws-sam/local/.ready ## Run all tests (PYTEST_OPTIONS="tests/unit -x" selects some)
	$(PYTEST) $(PYTEST_OPTIONS)

test-fast: .venv/.ready ## Run the tests that are not slow, in less than a minute
	python -m pytest --numprocesses 2 --dist loadfile -m "not slow" tests/unit tests/integration $(PYTEST_OPTIONS)

browser: .aws-sam/local/.ready ## Test the gallery in Chromium, print sizes and times, and the scores of Lighthouse
	python -m pytest -s tests/browser tests/browser/measure_times.py $(PYTEST_OPTIONS)
	python -m tests.browser.lighthouse

check: ## Run the gate: all of lint, build and coverage. A change that passes can be merged
	$(MAKE) --no-print-directory generated
	$(MAKE) --no-print-directory --jobs 3 --output-sync=target lint-files lint-python lint-web scan builds
	$(MAKE) --no-print-directory coverage

lint: generated lint-files lint-python lint-web scan ## Check generated files, format, lint, imports, types, lock file, template and GitHub workflows

lint-python: .venv/.ready
	ruff format --check .
	ruff check .
	PYTHONPATH=shared lint-imports --no-cache --no-logo
	mypy

lint-web: .venv/.ready ## Check types, format and rules of the gallery (needs npm)
	python -m tools.web.lint check

lint-files: .venv/.ready
	$(UV) lock --check
	$(MAKE) --no-print-directory lint-openapi
	sam validate --lint --region us-east-1
	zizmor --offline --strict-collection --quiet .github

# It writes files, so it runs before the builds and not beside them.
generated: .venv/.ready
	$(MAKE) --no-print-directory requirements && git diff --exit-code -- layers
	$(MAKE) --no-print-directory openapi && git diff --exit-code -- shared/darkroom/api/openapi.json
	$(MAKE) --no-print-directory vendor web-types && git diff --exit-code -- web/vendor web/api.d.ts

coverage: ## Run all tests, list the branches that no test reaches, and fail below the minimum
	rm -f .coverage .coverage.*
	$(MAKE) --no-print-directory coverage-data
	$(MAKE) --no-print-directory coverage-report

format: .venv/.ready ## Format the code and apply the fixes of the linter
	ruff check --fix-only -q .
	ruff format .
	python -m tools.web.lint format

lock: .tools/.ready ## Update uv.lock and the requirements of the layers after a change of pyproject.toml
	$(UV) lock
	$(UV) pip compile -q --universal --generate-hashes --no-header --python-version 3.13 \
		tools/deploy_check/requirements.in -o tools/deploy_check/requirements.txt
	$(MAKE) --no-print-directory requirements

catalog: .venv/.ready ## Check all templates and print their prices
	PYTHONPATH=shared python -m tools.catalog

catalog-check: .venv/.ready ## Compare each template with its provider's model (REPLICATE_API_TOKEN=r8_…, or STACK as in `audit`)
	@PYTHONPATH=shared python -m tools.check_catalog $(NAMED_STACK)

problems: .venv/.ready ## Write docs/problems.md
	PYTHONPATH=shared python -m tools.problems > docs/problems.md

failures: .venv/.ready ## Write docs/failures.md
	PYTHONPATH=shared python -m tools.failures > docs/failures.md

openapi: .venv/.ready ## Write docs/openapi.json
	PYTHONPATH=shared python -m tools.openapi

lint-openapi: .venv/.ready ## Lint docs/openapi.json with Redocly and Spectral (needs npm)
	python -m tools.lint_openapi

vendor: .venv/.ready ## Fetch the packages of the gallery again, as web/vendor/vendor.json pins them (needs npm)
	python -m tools.web.vendor

web-types: .venv/.ready ## Write web/api.d.ts, the types of the API, from docs/openapi.json (needs npm)
	python -m tools.web.lint types

web-examples: .venv/.ready ## Draw the example images of the template cards again
	PYTHONPATH=shared python -m tools.web.examples

screenshots: .aws-sam/local/.ready ## Write the screenshots of the README (needs Chromium)
	python -m tools.web.screenshots

scan: .venv/.ready .tools/scan/.ready ## Scan for insecure settings, insecure code and secrets (needs npm)
	python -m tools.scan

licenses: .venv/.ready ## Write docs/licenses.md
	python -m tools.licenses > docs/licenses.md

sizes: .aws-sam/local/.ready ## Print the unzipped size of each function, and fail above 200 MB
	@python -m tools.sizes .aws-sam/local

clean: ## Delete everything that the other targets create
	rm -rf .venv .tools .aws-sam demo-output .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

## Test for longer

sabotage: .venv/.ready ## Break each important condition once, and require a test to fail (ONLY="webhook-*" selects)
	python -m tests.sabotage $(foreach pattern,$(ONLY),'$(pattern)')

soak: .venv/.ready ## Run random schedules and crashes (SOAK_STEPS=100000, SOAK_SEED=7 repeats a run)
	PYTHONPATH=shared python -m tests.simulation.soak

chaos: .aws-sam/local/.ready ## Run 300 jobs over HTTP while webhooks are lost and invocations killed
	PYTHONPATH=shared python -m tests.simulation.chaos

fuzz: .aws-sam/local/.ready ## Send random requests to the running API (EXAMPLES=200 for each operation)
	PYTHONPATH=shared python -m tests.fuzz

vulnerabilities: .tools/scan/.ready ## Look up known vulnerabilities of every package at PyPI
	$(UV) export -q --frozen --no-emit-project -o .tools/scan/requirements.txt > /dev/null
	.tools/scan/bin/pip-audit --strict --require-hashes --disable-pip -r .tools/scan/requirements.txt

bench: .aws-sam/local/.ready ## Measure cold starts, jobs, queues, links, and images against sharp (needs npm)
	python -m tests.bench
	PYTHONPATH=shared python -m tests.bench.trace_job
	PYTHONPATH=shared python -m tests.bench.queue
	PYTHONPATH=shared python -m tests.bench.links
	PYTHONPATH=shared python -m tests.bench.decoding
	PYTHONPATH=shared python -m tests.bench.video_decoding
	PYTHONPATH=shared python -m tests.bench.compare_with_sharp
	PYTHONPATH=shared python -m tests.bench.sharp_costs

## Deploy

build: .venv/.ready ## Build for AWS (CONFIG=dev or prod, PARAMETERS="Architecture=x86_64")
	CONFIG=$(CONFIG) python -m tools.deployment build

deploy: .venv/.ready ## Check, build and deploy (CONFIG=dev or prod, PARAMETERS="Name=value …")
	CONFIG=$(CONFIG) python -m tools.deployment check
	CONFIG=$(CONFIG) python -m tools.deployment build
	CONFIG=$(CONFIG) python -m tools.deployment deploy

deploy-built: .venv/.ready ## Check, and deploy what `make build` has built
	CONFIG=$(CONFIG) python -m tools.deployment deploy

admin: .venv/.ready ## Create the first administrator (CONFIG=dev or prod, EMAIL=…)
	python -m tools.admin $(STACK) $(EMAIL)

token: .venv/.ready ## Print an ID token of a user of the deployed stack (EMAIL=…)
	@python -m tools.sign_in $(STACK) $(EMAIL)

smoke: .venv/.ready ## Run one job on the deployed stack, and check its ledger and files
	python -m tools.smoke $(STACK)

web: .venv/.ready ## Upload the gallery to the deployed stack, and print its URL (needs Gallery=true)
	PYTHONPATH=shared python -m tools.web.upload $(STACK)

deploy-check: .aws-sam/local/.ready .tools/ministack/.ready ## Deploy to MiniStack, an emulator of AWS, and run a job there
	PYTHONPATH=shared python -m tools.deploy_check

sbom: .tools/.ready ## Write the list of the layers' packages to .aws-sam/sbom.json (CycloneDX 1.5)
	mkdir -p .aws-sam
	$(UV) export -q --frozen --no-default-groups --group media-inputs --group media-outputs --format cyclonedx1.5 -o .aws-sam/sbom.json > /dev/null

secrets: .venv/.ready ## Store the providers' secrets from the environment in the deployed stack
	python -m tools.put_secrets $(STACK)

audit: .venv/.ready ## Audit the ledger of `make run` (AWS_PORT=4566), or of a deployed stack (STACK=darkroom-prod)
	PYTHONPATH=shared python -m tools.audit $(if $(filter command,$(firstword $(origin TABLE))),--table $(TABLE),$(NAMED_STACK))

repair: .venv/.ready ## Show the repair of the ledger's counters (APPLY=1 writes it; STACK as in `audit`)
	PYTHONPATH=shared python -m tools.repair $(NAMED_STACK) $(if $(APPLY),--apply)

variables: .venv/.ready ## Print shell variables with the names of a stack's resources (STACK as in `audit`)
	@python -m tools.variables $(NAMED_STACK)

# ---- Parts of the targets above ----

# Fail before the build, which takes minutes.
linux:
	@[ "$$(uname -s)" = Linux ] || { echo "The local stack runs only on Linux, because AWS's Lambda emulator does." \
	"docs/macos-and-windows.md has the ways on other systems." >&2; exit 1; }

build-local: .aws-sam/local/.ready

# Both builds write .aws-sam/build.toml, so one follows the other.
builds: .aws-sam/local/.ready
	$(MAKE) --no-print-directory build

# Run the tests that PYTEST_OPTIONS selects. The data is in $COVERAGE_FILE, or in .coverage. The
# marker no_cover stops the tracer, but a run without a tracer is a fifth faster. Status 5 of pytest
# means that it selected no test.
coverage-data: .aws-sam/local/.ready
	$(PYTEST) -m no_cover $(PYTEST_OPTIONS) || [ $$? -eq 5 ]
	$(PYTEST) -m "not no_cover" --cov --cov-report= --cov-fail-under=0 $(PYTEST_OPTIONS) || [ $$? -eq 5 ]

# Combine the data files, if there are several, and report.
coverage-report: .venv/.ready
	if compgen -G '.coverage.*' > /dev/null; then coverage combine --quiet; fi
	coverage report

requirements: .tools/.ready
	$(UV) export -q --frozen --no-default-groups --no-emit-project -o layers/dependencies/requirements.txt > /dev/null
	$(UV) export -q --frozen --only-group media-inputs --no-emit-project -o layers/media_inputs/requirements.txt > /dev/null
	$(UV) export -q --frozen --only-group media-outputs --no-emit-project -o layers/media_outputs/requirements.txt > /dev/null

.tools/.ready:
	python3 -m venv .tools
	.tools/bin/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	touch $@

.tools/scan/.ready: .tools/.ready tools/scan/uv.lock tools/scan/pyproject.toml
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.tools/scan $(UV) sync -q --frozen --project tools/scan
	touch $@

.venv/.ready: .tools/.ready uv.lock pyproject.toml
	$(UV) sync -q --frozen
	touch $@

# MiniStack needs other versions of packages than Darkroom.
.tools/ministack/.ready: .venv/.ready tools/deploy_check/requirements.txt
	$(UV) venv -q --allow-existing --python .venv/bin/python .tools/ministack
	$(UV) pip sync -q --python .tools/ministack/bin/python tools/deploy_check/requirements.txt
	touch $@

# The build that a deployment would contain, for the processor of this machine.
.aws-sam/local/.ready: .venv/.ready $(SOURCES)
	sam build --parameter-overrides Architecture=$(HOST_ARCHITECTURE) --build-dir .aws-sam/local --cache-dir .aws-sam/cache-local --cached --parallel
	$(COMPILE) .aws-sam/local
	python -m tools.deployment.build .aws-sam/local
	python -m tools.check_build .aws-sam/local $(HOST_ARCHITECTURE)
	touch $@
