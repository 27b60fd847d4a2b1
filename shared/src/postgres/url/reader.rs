//! Takes a connection URL apart and notes everything that is wrong on the way.

use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::config::ChannelBinding;

use super::{Roots, SessionAttributes, SslMode, Target};
use crate::database::url::{Part, Parts, Reader};

pub(super) struct Reading {
    pub(super) target: Target,
    pub(super) password: Option<SecretString>,
}

impl Reader {
    pub(super) fn postgres(&mut self, url: &str) -> Reading {
        let mut reading = Reading {
            target: Target {
                hosts: Vec::new(),
                user: String::new(),
                database: None,
                application_name: "fanlight".to_owned(),
                options: None,
                ssl_mode: SslMode::Prefer,
                roots: Roots::Unsaid,
                channel_binding: ChannelBinding::Prefer,
                connect_timeout: Some(Duration::from_secs(10)),
                session: SessionAttributes::Any,
            },
            password: None,
        };
        let whole = Part { text: url, start: 0 };
        let Some(rest) = self.after_scheme(whole, &["postgres://", "postgresql://"]) else {
            return reading;
        };
        let Parts {
            credentials,
            authority,
            path,
            parameters,
        } = Parts::of(rest);
        if let Some(credentials) = credentials {
            (reading.target.user, reading.password) = self.credentials(credentials);
        }
        self.authority(authority, &mut reading.target.hosts);
        if let Some(path) = path {
            reading.target.database = self.database(path);
        }
        let listed = parameters
            .map(|parameters| self.postgres_parameters(parameters, &mut reading))
            .unwrap_or_default();
        let ssl_said = listed.ssl_said;
        self.listed_hosts(listed, whole, &mut reading.target.hosts);
        self.whole(whole, ssl_said, &mut reading.target);
        reading
    }

    /// What only the whole of the URL shows.
    pub(super) fn whole(&mut self, whole: Part<'_>, ssl_said: bool, target: &mut Target) {
        if self.has_errors() {
            return;
        }
        if target.hosts.is_empty() {
            self.error(whole, "the URL names no host");
        }
        if target.user.is_empty() {
            self.error(whole, "the URL names no user");
        }
        if target.roots == Roots::Public {
            if !ssl_said {
                target.ssl_mode = SslMode::VerifyFull;
            } else if target.ssl_mode != SslMode::VerifyFull && !whole.masked() {
                self.error(
                    whole,
                    "sslrootcert=system needs sslmode=verify-full: by a weaker one, anybody's certificate would do",
                );
            }
        }
    }
}
