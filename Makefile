# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.

.PHONY: help demo test isolation lint deny bench schema schedules alerts dashboards pictures validate build ci-full
.DEFAULT_GOAL := help

# Passed on to the demo: with ONCE=1 it runs every job once, shows the series and ends.
export ONCE
# To the pictures.
export OUT
# And to the proof of isolation.
export N SEED

# SAM finds cargo-lambda and its linker beside itself. It is asked for nothing but this machine's own processor here, so
# that what is built also runs; `sam build` alone builds for the one that samconfig.toml names.
SAM = PATH="$(CURDIR)/.venv-deploy/bin:$$PATH" SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-west-3 .venv-deploy/bin/sam
SAM_BUILD = --parameter-overrides Architecture=$(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)

# The end-to-end tests that the built functions have to pass. Cargo takes a filter that matches nothing for a success.
BUILT = collector_article:: collector_secrets:: metrics_api::

help: ## lists the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: ## a shop whose numbers travel from PostgreSQL to Prometheus and to Slack, until Ctrl-C (ONCE=1: once)
	@scripts/install demo
	@cargo run --quiet --locked --bin demo

test: ## all tests, against real servers
	@scripts/install test
	cargo test --locked --workspace

isolation: ## N requests through the Metrics API against a Prometheus of one customer (N=200000; SEED=1: the same again)
	@scripts/install isolation
	@cargo run --quiet --locked --release --bin isolation

lint: ## formatting and Clippy, warnings being errors, and whether schedules.yaml, alerts/ and dashboards/ are those of config/
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo run --quiet --locked --bin fanlight -- render --check
	cargo run --quiet --locked --bin fanlight -- alerts build --check
	cargo run --quiet --locked --bin fanlight -- dashboards build --check

deny: ## licences, banned crates and sources of all dependencies
	@scripts/install deny
	cargo deny --locked check bans licenses sources

bench: ## speed and memory against psql, an SQL exporter and Prometheus itself, as ratios
	@scripts/install bench
	@cargo run --quiet --locked --release --bin bench
	cargo bench --quiet --locked -p fanlight-benches --bench promql
	cargo bench --quiet --locked -p fanlight-benches --bench federation

schema: ## the JSON Schema of configuration files, into config/
	cargo run --quiet --locked --bin fanlight -- schema > config/fanlight.schema.json.new
	mv config/fanlight.schema.json.new config/fanlight.schema.json

schedules: ## schedules.yaml, from config/
	cargo run --quiet --locked --bin fanlight -- render

alerts: ## alerts/, from config/, proved by promtool and amtool
	cargo run --quiet --locked --bin fanlight -- alerts test
	cargo run --quiet --locked --bin fanlight -- alerts build

dashboards: ## dashboards/, from config/
	cargo run --quiet --locked --bin fanlight -- dashboards build

pictures: ## each dashboard drawn in Chromium from a Prometheus' answers, into target/pictures (OUT=..: elsewhere)
	@scripts/install pictures
	@cargo run --quiet --locked --bin pictures

validate: ## what CloudFormation will get: SAM's and cfn-lint's rules, and what the expanded template has to say
	@scripts/install deploy
	$(SAM) validate --lint
	.venv-deploy/bin/cfn-lint template.yaml schedules.yaml
	.venv-deploy/bin/pytest --quiet -p no:cacheprovider --ignore tests/deploy/test_build.py tests/deploy

build: ## the functions as they are deployed, into .aws-sam/build, and a few tests with them (FAST=1: without link-time optimisation)
	@scripts/install deploy
	@scripts/install test
	$(if $(FAST),CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16) $(SAM) build $(SAM_BUILD)
	.venv-deploy/bin/pytest --quiet -p no:cacheprovider $(if $(FAST),-k "not small") tests/deploy/test_build.py
	@for module in $(BUILT); do \
	  cargo test --quiet --locked -p fanlight-tests --test e2e -- --list $$module | grep ': test$$' > /dev/null || \
	    { echo "make build: no end-to-end test is in $$module" >&2; exit 1; }; \
	done
	FANLIGHT_TEST_BUILD=$(CURDIR)/.aws-sam/build cargo test --locked -p fanlight-tests --test e2e -- $(BUILT)

ci-full: ## all that .ci/run does, and the functions built as they are deployed
	.ci/run
	$(MAKE) build
