//! PostgreSQL as a source.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::context::rfc_3339;
use super::database::{self, RdsIamSpec, Settings};
use crate::config::Entry;
use crate::postgres::Postgres;

/// A PostgreSQL database.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PostgresSpec")]
pub(crate) struct SourceSpec {
    /// `postgres://user:password@host:port/database?sslmode=verify-full`, with placeholders.
    #[schemars(required)]
    url: Option<Entry<String>>,
    /// A file with the certificates to trust instead of the public ones (the RDS bundle), relative to this one.
    ca_file: Option<Entry<String>>,
    /// RDS' IAM authentication: a signed token instead of a password.
    rds_iam: Option<Entry<RdsIamSpec>>,
}

/// A PostgreSQL database.
pub type Source = database::Source<Postgres>;
pub(crate) type Clients = database::Clients<Postgres>;

impl database::Dialect for Postgres {
    type Spec = SourceSpec;

    const SCHEMES: &'static [&'static str] = &["postgres", "postgresql"];
    const PARAMETERS_HELP: &'static str = "give each of $1, $2 .. its entry under `parameters`";

    fn settings(spec: &SourceSpec) -> Settings<'_> {
        let SourceSpec { url, ca_file, rds_iam } = spec;
        Settings { url, ca_file, rds_iam }
    }

    fn point_in_time(time: Timestamp) -> String {
        rfc_3339(time)
    }
}
