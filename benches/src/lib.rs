//! Nothing but a place for the benchmarks in `benches/`; run them with `make bench`.
