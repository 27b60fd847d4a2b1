# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.

.PHONY: help demo test isolation lint deny bench schema schedules build
.DEFAULT_GOAL := help

# Passed on to the demo: with ONCE=1 it runs every job once, shows the series and ends.
export ONCE
# And to the proof of isolation.
export N SEED

help: ## lists the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: ## a shop whose numbers travel from PostgreSQL to Prometheus, until Ctrl-C (ONCE=1: once)
	@scripts/install demo
	@cargo run --quiet --locked --bin demo

test: ## all tests, against real servers
	@scripts/install test
	cargo test --locked --workspace

isolation: ## N requests through the Metrics API against a Prometheus of one customer (N=200000; SEED=1: the same again)
	@scripts/install isolation
	@cargo run --quiet --locked --release --bin isolation

lint: ## formatting and Clippy, warnings being errors, and whether schedules.yaml is that of config/
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo run --quiet --locked --bin fanlight -- render --check

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

build: ## the binaries as they are deployed
	cargo build --locked --release --bin fanlight --bin collector --bin metrics-api --bin authorizer
