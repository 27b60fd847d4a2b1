//! The parameters after the `?` of a connection URL.

use std::path::PathBuf;

use tokio_postgres::config::ChannelBinding;

use super::reader::Reading;
use super::{Roots, SessionAttributes, SslMode, Target};
use crate::database::url::{Part, Reader};

const PARAMETERS: [&str; 14] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "gssencmode",
    "host",
    "options",
    "password",
    "port",
    "ssl",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "user",
];

const SSL_MODES: [(&str, SslMode); 6] = [
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

const CHANNEL_BINDINGS: [(&str, ChannelBinding); 3] = [
    ("disable", ChannelBinding::Disable),
    ("prefer", ChannelBinding::Prefer),
    ("require", ChannelBinding::Require),
];

const SESSION_ATTRIBUTES: [(&str, SessionAttributes); 6] = [
    ("any", SessionAttributes::Any),
    ("read-write", SessionAttributes::ReadWrite),
    ("read-only", SessionAttributes::ReadOnly),
    ("primary", SessionAttributes::Primary),
    ("standby", SessionAttributes::Standby),
    ("prefer-standby", SessionAttributes::PreferStandby),
];

#[derive(Default)]
pub(super) struct Listed<'a> {
    pub(super) hosts: Option<(Part<'a>, String)>,
    pub(super) ports: Option<Part<'a>>,
    pub(super) ssl_said: bool,
}

impl Reader {
    pub(super) fn postgres_parameters<'a>(&mut self, given: Part<'a>, reading: &mut Reading) -> Listed<'a> {
        let mut listed = Listed::default();
        self.parameters(given, |reader, name, value| {
            listed.ssl_said |= matches!(name.text, "ssl" | "sslmode");
            if name.text == "password" {
                reading.password = reader.password(value);
                return;
            }
            let Some(decoded) = reader.decode(value, name.text) else {
                return;
            };
            match name.text {
                "host" => listed.hosts = Some((value, decoded)),
                "port" => listed.ports = Some(value),
                _ => reader.parameter(name, value, &decoded, &mut reading.target),
            }
        });
        listed
    }

    fn parameter(&mut self, name: Part<'_>, value: Part<'_>, decoded: &str, target: &mut Target) {
        match name.text {
            "user" => decoded.clone_into(&mut target.user),
            "dbname" => target.database = Some(decoded.to_owned()),
            "application_name" => decoded.clone_into(&mut target.application_name),
            "options" => target.options = Some(decoded.to_owned()),
            "sslrootcert" if decoded == "system" => target.roots = Roots::Public,
            "sslrootcert" => target.roots = Roots::File(PathBuf::from(decoded)),
            "sslmode" => self.choose(name, value, decoded, &SSL_MODES, &mut target.ssl_mode),
            // What JDBC's users write; libpq takes it for `require` too.
            "ssl" => self.choose(
                name,
                value,
                decoded,
                &[("true", SslMode::Require)],
                &mut target.ssl_mode,
            ),
            "channel_binding" => self.choose(name, value, decoded, &CHANNEL_BINDINGS, &mut target.channel_binding),
            "target_session_attrs" => {
                self.choose(name, value, decoded, &SESSION_ATTRIBUTES, &mut target.session);
            }
            "connect_timeout" => self.seconds(name.text, value, decoded, &mut target.connect_timeout),
            // There is no GSSAPI here, so not using it is the only choice.
            "gssencmode" => self.choose(name, value, decoded, &[("disable", ()), ("prefer", ())], &mut ()),
            unknown => {
                let known = PARAMETERS.join(", ");
                self.error(
                    name,
                    format!("the parameter {unknown:?} is not supported; known are {known}"),
                );
            }
        }
    }
}
