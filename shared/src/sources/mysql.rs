//! MySQL and MariaDB as a source.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::database::{self, RdsIamSpec, Settings};
use crate::config::Entry;
use crate::mysql::Mysql;

/// A MySQL or MariaDB database.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MysqlSpec")]
pub(crate) struct SourceSpec {
    /// `mysql://user:password@host:port/database?ssl-mode=VERIFY_IDENTITY`, with placeholders.
    #[schemars(required)]
    url: Option<Entry<String>>,
    /// A file with the certificates to trust instead of the public ones (the RDS bundle), relative to this one.
    ca_file: Option<Entry<String>>,
    /// RDS' IAM authentication: a signed token instead of a password.
    rds_iam: Option<Entry<RdsIamSpec>>,
}

/// A MySQL or MariaDB database.
pub type Source = database::Source<Mysql>;
pub(crate) type Clients = database::Clients<Mysql>;

impl database::Dialect for Mysql {
    type Spec = SourceSpec;

    const SCHEMES: &'static [&'static str] = &["mysql", "mariadb"];
    const PARAMETERS_HELP: &'static str = "give each `?` its entry under `parameters`, in their order";

    fn settings(spec: &SourceSpec) -> Settings<'_> {
        let SourceSpec { url, ca_file, rds_iam } = spec;
        Settings { url, ca_file, rds_iam }
    }

    /// In the session's time zone, which is UTC: MySQL would refuse one with its zone.
    fn point_in_time(time: Timestamp) -> String {
        time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::database::Dialect as _;
    use super::*;

    #[test]
    fn points_in_time_are_as_mysql_reads_them() {
        for (time, text) in [
            ("2026-11-21T17:00:00Z", "2026-11-21 17:00:00.000000"),
            ("2026-11-21T17:00:00.25+02:00", "2026-11-21 15:00:00.250000"),
        ] {
            assert_eq!(Mysql::point_in_time(time.parse().unwrap()), text);
        }
    }
}
