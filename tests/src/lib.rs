//! Real servers for the tests and the demo: PostgreSQL, PgBouncer, Pushgateway, Prometheus, and moto for AWS.
//!
//! They run from the Debian packages' binaries with data in temporary folders and on free loopback ports; nothing of
//! the machine's own services is touched, and nothing is left behind however the process ends (see `supervisor.rs`).

mod account;
mod authority;
mod http;
mod postgres;
mod pushgateway;
mod supervisor;

pub use authority::Authority;
pub use postgres::{Database, PASSWORD, PASSWORD_IN_URL, Postgres, USER};
pub use pushgateway::{GATEWAY_PASSWORD, GATEWAY_USER, Pushgateway};
pub use supervisor::free_port;
