# coldcase: everything that is done to this repository, from a first look to a deployment.
# `make` alone explains itself. What is made stays in target/ and .venv/.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

# ---------------------------------------------------------------- what may be set

# Profile of the deployed functions and the command line: release | dev (dev builds in a minute and runs slower).
PROFILE ?= release
# Processor to deploy for: x86_64 | arm64.
ARCHITECTURE ?= x86_64
# Name of the stack to deploy.
STACK ?= coldcase
# AWS Region to deploy into; without it, the one of your AWS configuration.
REGION ?=
# Parameters of template.yaml, e.g. PARAMS="RetentionMode=COMPLIANCE RetentionDays=730".
PARAMS ?=
# Any value: sam asks for each parameter before it deploys.
GUIDED ?=
# Further flags of cargo lambda build, e.g. --skip-target-check where Rust did not come from rustup.
DISTFLAGS ?=
# The Python that the virtual environments are made with: 3.11 or later.
PYTHON ?= python3

# ---------------------------------------------------------------- names used below

TARGET := $(or $(CARGO_TARGET_DIR),target)
BUILT = $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
# template.yaml deploys the folder of each below this one.
FUNCTIONS := respond investigate examine baseline
CODE := target/lambda
ACCOUNT := .venv/account
BUILD := .venv/build
# `sam` is happy without an account and tells nobody about it.
SAM := SAM_CLI_TELEMETRY=0 $(BUILD)/bin/sam
OFFLINE := AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
# zig, which cargo-lambda links with, is found through this environment's python.
CARGO_LAMBDA := PATH="$(CURDIR)/$(BUILD)/bin:$$PATH" cargo lambda

define need
	@command -v $(1) >/dev/null || { echo "$(1) is missing: $(2)" >&2; exit 1; }
endef

# ---------------------------------------------------------------- targets, in the order one meets them

.PHONY: help
help: ## This text
	@echo "coldcase"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Set on the command line or in the environment:"
	@awk '/^# / { text = substr($$0, 3) } \
	      /^[A-Z]+ \?=/ { value = $$0; sub(/^[A-Z]+ \?= ?/, "", value); \
	                      printf "  %-13s %s%s\n", $$1, text, value == "" ? "" : " [" value "]" }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(ACCOUNT)/.ready $(ACCOUNT)/.clouds-ready $(BUILD)/.ready ## Virtual environments for the local account and for sam (once)

.PHONY: demo
demo: build setup ## An attack in a local account, answered and sealed before your eyes
	@PYTHONPATH=tests $(ACCOUNT)/bin/python -m demo

.PHONY: demo-cloudflare
demo-cloudflare: build setup specifications ## A Worker tampered with, preserved and judged before your eyes
	@COLDCASE=$(abspath $(BUILT))/coldcase PYTHONPATH=tests $(ACCOUNT)/bin/python -m demo_clouds cloudflare

.PHONY: test
# What is tested is built once, together with the tests. Journeys wait about as long as they compute.
test: PROFILE := dev
test: export RUST_TEST_THREADS ?= 4
test: build setup specifications ## All tests, whole journeys in the local account included
	COLDCASE=$(abspath $(BUILT))/coldcase cargo test --workspace --locked --tests
	COLDCASE=$(abspath $(BUILT))/coldcase PYTHONPATH=tests $(ACCOUNT)/bin/python -m pytest -q -p no:cacheprovider -n 3 --dist loadfile tests/account tests/packages tests/desk
	$(MAKE) pages
	$(MAKE) clouds

.PHONY: clouds
clouds: PROFILE := dev
clouds: build setup specifications ## Other clouds: their stand-ins against the vendors' own types and SDKs, coldcase against both; a part of the tests
	COLDCASE=$(abspath $(BUILT))/coldcase PYTHONPATH=tests $(ACCOUNT)/bin/python -m pytest -q -p no:cacheprovider tests/clouds

.PHONY: specifications
specifications: target/specifications/cloudflare.json ## What the clouds' own SDKs say their APIs are, and Prism that holds us to it

.PHONY: pages
pages: setup tests/report/node_modules ## Reports in a headless Chromium, a part of the tests
	$(call need,node,install Node.js 20 or later)
	cargo build --quiet --locked --workspace --example pages
	$(TARGET)/debug/examples/pages $(TARGET)/reports
	cd tests/report && REPORTS=$(abspath $(TARGET))/reports node --test --test-reporter=spec
	REPORTS=$(abspath $(TARGET))/reports $(ACCOUNT)/bin/python -m pytest -q -p no:cacheprovider tests/report

.PHONY: screenshots
screenshots: tests/report/node_modules ## Pictures of a report for the README, in infra/screenshots
	cargo build --quiet --locked --workspace --example pages
	$(TARGET)/debug/examples/pages $(TARGET)/reports
	cd tests/report && REPORTS=$(abspath $(TARGET))/reports node screenshots.js

.PHONY: check
check: setup ## Formatting, lints, templates
	$(call need,cargo,install Rust from https://rustup.rs)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(OFFLINE) $(SAM) validate --lint
	$(BUILD)/bin/cfn-lint infra/*.yaml

.PHONY: build
build: ## The functions and the command line for this machine
	$(call need,cargo,install Rust from https://rustup.rs)
	cargo build --profile $(PROFILE) --locked $(if $(filter dev,$(PROFILE)),--workspace --bins,$(FUNCTIONS:%=-p %) -p cli)
	@$(foreach function,$(FUNCTIONS),$(call place,$(BUILT)/bootstrap-$(function),$(function)))

.PHONY: dist
dist: $(BUILD)/.dist-ready ## The functions for Lambda, whatever this machine is
	$(call need,cargo,install Rust from https://rustup.rs)
	$(CARGO_LAMBDA) build --release --locked $(FUNCTIONS:%=-p %) $(if $(filter arm64,$(ARCHITECTURE)),--arm64,--x86-64) $(DISTFLAGS)
	@$(foreach function,$(FUNCTIONS),$(call place,$(TARGET)/lambda/bootstrap-$(function)/bootstrap,$(function)))

.PHONY: deploy
deploy: dist $(BUILD)/.ready ## Builds for Lambda and deploys into the AWS account of your credentials
	$(SAM) deploy --template-file template.yaml --stack-name $(STACK) $(if $(REGION),--region $(REGION)) \
		--resolve-s3 --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset \
		--parameter-overrides Architecture=$(ARCHITECTURE) $(PARAMS) $(if $(GUIDED),--guided)
	@echo
	@echo "Two things that no template can see to:"
	@echo "  - a CloudTrail trail must be logging management events, or nothing ever wakes coldcase;"
	@echo "  - outside us-east-1, IAM's events need infra/events-forwarder.yaml (its first lines say how)."

.PHONY: bench
bench: build setup $(ACCOUNT)/.bench-ready ## Beside a Python responder, DuckDB, gzip, unzip and Syft; 2,000 functions
	@PYTHONPATH=tests $(ACCOUNT)/bin/python -m bench
	@PYTHONPATH=tests $(ACCOUNT)/bin/python -m bench.trail --coldcase $(BUILT)/coldcase
	@PYTHONPATH=tests $(ACCOUNT)/bin/python -m bench.package --coldcase $(BUILT)/coldcase
	@PYTHONPATH=tests $(ACCOUNT)/bin/python -m bench.baseline

.PHONY: clean
clean: ## Removes everything that was made
	rm -rf $(TARGET) target .venv .aws-sam tests/report/node_modules tests/clouds/specification/node_modules

# ---------------------------------------------------------------- what the targets stand on

# `sam build` calls these, with ARTIFACTS_DIR as the place for what it deploys.
.PHONY: build-Respond build-Investigate build-Examine build-Baseline
build-Respond: dist
	cp $(CODE)/respond/bootstrap "$(ARTIFACTS_DIR)/bootstrap"
build-Investigate: dist
	cp $(CODE)/investigate/bootstrap "$(ARTIFACTS_DIR)/bootstrap"
build-Examine: dist
	cp $(CODE)/examine/bootstrap "$(ARTIFACTS_DIR)/bootstrap"
build-Baseline: dist
	cp $(CODE)/baseline/bootstrap "$(ARTIFACTS_DIR)/bootstrap"

# Puts the program $(1) where function $(2) is deployed from. By renaming, so that a function that is
# running keeps the file it started from; of a dev build without its symbols, which are half of it.
define place
	mkdir -p $(CODE)/$(2); $(if $(filter dev,$(PROFILE)),strip -o $(CODE)/$(2)/bootstrap.new $(1),cp $(1) $(CODE)/$(2)/bootstrap.new); mv -f $(CODE)/$(2)/bootstrap.new $(CODE)/$(2)/bootstrap;
endef

tests/report/node_modules tests/clouds/specification/node_modules: %/node_modules: %/package-lock.json
	$(call need,npm,install Node.js 20 or later)
	cd $* && npm ci --silent --no-progress && touch node_modules

target/specifications/%.json: tests/clouds/specification/%.mjs tests/clouds/specification/node_modules
	$(call need,node,install Node.js 20 or later)
	node $< $@

$(ACCOUNT)/.ready: tests/account/requirements.txt
	@$(call environment,$(ACCOUNT),$<)

$(ACCOUNT)/.clouds-ready: tests/clouds/requirements.txt $(ACCOUNT)/.ready
	@$(call environment,$(ACCOUNT),$<)

$(ACCOUNT)/.bench-ready: tests/bench/requirements.txt $(ACCOUNT)/.ready
	@$(call environment,$(ACCOUNT),$<)

$(BUILD)/.ready: infra/requirements-sam.txt
	@$(call environment,$(BUILD),$<)

$(BUILD)/.dist-ready: infra/requirements-dist.txt $(BUILD)/.ready
	@$(call environment,$(BUILD),$<)

# Makes the virtual environment $(1) if it is not there and installs $(2) into it; the stamp is the
# target's file, written last.
define environment
	command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or later, or set PYTHON" >&2; exit 1; }; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: 3.11 or later is needed; set PYTHON" >&2; exit 1; }; \
	if [ ! -x $(1)/bin/pip ]; then \
		echo "making $(1)"; \
		$(PYTHON) -m venv $(1) || { rm -rf $(1); echo "no virtual environments: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }; \
	fi; \
	echo "installing $(2) into $(1)"; \
	$(1)/bin/pip install --quiet --disable-pip-version-check --requirement $(2); \
	touch $@
endef
