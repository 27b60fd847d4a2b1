//! Real servers for the tests and the demo: PostgreSQL, PgBouncer, MariaDB, Pushgateway, Prometheus, Alertmanager, and moto for AWS.
//!
//! They run from the Debian packages' binaries with data in temporary folders and on free loopback ports; nothing of
//! the machine's own services is touched, and nothing is left behind however the process ends (see `supervisor.rs`).

mod account;
mod alertmanager;
mod authority;
mod aws;
pub mod binaries;
mod bulk;
pub mod canary;
mod cloudwatch;
mod collector;
mod command;
mod config;
mod edition;
mod examples;
pub mod faults;
mod http;
pub mod isolation;
mod mariadb;
mod metric_filter;
mod metrics_api;
mod pgbouncer;
mod postgres;
mod prometheus;
mod pushgateway;
mod rds;
pub mod scripted;
mod sql_exporter;
mod supervisor;
mod terminal;

pub use alertmanager::{Alertmanager, Message, Page, Recipients};
pub use authority::Authority;
pub use aws::SecretsManager;
pub use bulk::holding;
pub use cloudwatch::{CloudWatch, Say, Told as CloudWatchTold};
pub use collector::{Collector, Stage, Told, job};
pub use command::{Ended, fanlight, fanlight_in};
pub use config::ConfigFolder;
pub use edition::Edition;
pub use examples::Examples;
pub use http::{keeping_connections, post};
pub use mariadb::{MariaDatabase, MariaDb};
pub use metric_filter::MetricFilter;
pub use metrics_api::{Answer, Customer, Deployment, MetricsApi, configuration, records};
pub use pgbouncer::PgBouncer;
pub use postgres::{Database, PASSWORD, PASSWORD_IN_URL, Postgres, USER};
pub use prometheus::{Prometheus, Series, promtool, promtool_check_metrics};
pub use pushgateway::{GATEWAY_PASSWORD, GATEWAY_USER, Pushgateway};
pub use rds::{IAM_KEYS, IAM_REGION, IAM_USER, Rds};
pub use sql_exporter::{Exported, export, scraped};
pub use supervisor::free_port;
pub use terminal::{Seen, fanlight_at_terminal};
