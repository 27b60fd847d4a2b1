//! PgBouncer in transaction mode with one server connection, the hardest case for prepared statements and `SET`.

use std::path::Path;

use anyhow::Result;

use crate::account::Account;
use crate::postgres::{Database, PASSWORD, USER};
use crate::supervisor::{StopSignal, Supervised, program, words};

/// A pooler in front of one database.
#[derive(Debug)]
pub struct PgBouncer {
    server: Supervised,
    pooled: Database,
}

impl PgBouncer {
    /// Pools connections to this database.
    ///
    /// # Errors
    /// When PgBouncer is not installed or does not start, with its log.
    pub async fn start(database: &Database) -> Result<Self> {
        let program = program("pgbouncer", "pgbouncer")?;
        let account = Account::unprivileged()?;
        let mut server = Supervised::new("pgbouncer", StopSignal::Term)?;
        account.own(server.folder())?;
        server.write("users", &format!("{USER:?} {PASSWORD:?}\n"))?;
        let config = server.folder().join("pgbouncer.ini");
        let text = |port| {
            format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = users\npool_mode = transaction\n\
                 default_pool_size = 1\n",
                database.port(),
            )
        };
        let command = move |port| {
            // A file that cannot be written is named by PgBouncer, which then ends.
            let _ = std::fs::write(&config, text(port));
            account.runs(words![program, "pgbouncer.ini"])
        };
        let ready = async |port| database.behind(port).connect().await.map(drop);
        let port = server.start(command, ready).await?;
        Ok(Self {
            server,
            pooled: database.behind(port),
        })
    }

    /// The database as it is reached through the pooler.
    #[must_use]
    pub fn pooled(&self) -> &Database {
        &self.pooled
    }

    /// The folder that holds everything of this pooler.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// What PgBouncer has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }
}
