//! MariaDB with TLS, and a fresh database for each test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};
use tokio::sync::OnceCell;

use crate::account::Account;
use crate::authority::Authority;
use crate::postgres::{PASSWORD, PASSWORD_IN_URL, USER};
use crate::supervisor::{StopSignal, Supervised, program, words};

/// The database that every server has.
const FIRST: &str = "first";

/// A server of its own, which a test may stop, freeze and start again.
#[derive(Debug)]
pub struct MariaDb {
    server: Supervised,
    program: String,
    account: Account,
    settings: Vec<String>,
    port: u16,
    databases: AtomicUsize,
}

impl MariaDb {
    /// The server that the tests of this process share; it cannot be stopped.
    ///
    /// # Errors
    /// When MariaDB is not installed or does not start, with its log.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<MariaDb> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// A server for one test.
    ///
    /// # Errors
    /// When MariaDB is not installed or does not start, with its log.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// A server for one test with further settings, such as `--skip-ssl`.
    ///
    /// # Errors
    /// When MariaDB is not installed or does not start, with its log.
    pub async fn start_with(settings: &[&str]) -> Result<Self> {
        let account = Account::unprivileged()?;
        let mut server = Supervised::new("mariadb", StopSignal::Term)?;
        let [data, temporary] = ["data", "temporary"].map(|name| server.folder().join(name));
        for folder in [&data, &temporary] {
            fs::create_dir(folder)?;
            account.own(folder)?;
        }
        server.run(&account.runs(words![
            // A server that starts removes the temporary tables of others from a folder that they share.
            "env",
            format!("TMPDIR={}", temporary.display()),
            program("mariadb-install-db", "mariadb-server")?,
            "--no-defaults",
            format!("--datadir={}", data.display()),
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]))?;
        // The server runs it at each start.
        server.write(
            "init.sql",
            &format!(
                "CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
                 GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n\
                 CREATE DATABASE IF NOT EXISTS {FIRST};\n"
            ),
        )?;

        let key = Authority::shared()?.write_to(&server, "")?;
        account.own(&key)?;

        let mut mariadb = Self {
            program: program("mariadbd", "mariadb-server")?,
            settings: settings.iter().map(ToString::to_string).collect(),
            server,
            account,
            port: 0,
            databases: AtomicUsize::new(0),
        };
        let (server, command) = mariadb.parts();
        mariadb.port = server.start(command, answers).await?;
        Ok(mariadb)
    }

    /// A fresh, empty database.
    ///
    /// # Errors
    /// What MariaDB says against it.
    pub async fn database(&self) -> Result<MariaDatabase> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.first().execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(MariaDatabase { port: self.port, name })
    }

    /// The database that every server has, for statements about the whole server.
    #[must_use]
    pub fn first(&self) -> MariaDatabase {
        MariaDatabase {
            port: self.port,
            name: FIRST.to_owned(),
        }
    }

    /// The certificate that clients have to trust for `ssl-mode=VERIFY_IDENTITY`, as a file.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.server.folder().join("ca.pem")
    }

    /// The folder that holds everything of this server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// The server's process, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.server.process()
    }

    /// Ends the server and all that it does; new connections are refused.
    ///
    /// # Errors
    /// When the supervising shell is gone.
    pub fn stop(&mut self) -> Result<()> {
        self.server.stop()
    }

    /// Starts a stopped server on its old port with its old data.
    ///
    /// # Errors
    /// When it does not come up, with its log.
    pub async fn start_again(&mut self) -> Result<()> {
        let port = self.port;
        let (server, command) = self.parts();
        server.start_on(port, command, answers).await
    }

    /// Makes the server hang: connections stay open, new ones are accepted, and nothing is answered.
    ///
    /// # Errors
    /// When the supervising shell is gone.
    pub fn freeze(&mut self) -> Result<()> {
        self.server.freeze()
    }

    /// Ends the hang.
    ///
    /// # Errors
    /// When the supervising shell is gone.
    pub fn thaw(&mut self) -> Result<()> {
        self.server.thaw()
    }

    fn parts(&mut self) -> (&mut Supervised, impl Fn(u16) -> Vec<String> + use<>) {
        let (program, settings, account) = (self.program.clone(), self.settings.clone(), self.account);
        let folder = self.server.folder().to_owned();
        let command = move |port| {
            let at = |option: &str, file: &str| format!("--{option}={}", folder.join(file).display());
            let mut words = words![
                program,
                "--no-defaults",
                at("datadir", "data"),
                at("tmpdir", "temporary"),
                at("socket", "data/socket"),
                at("pid-file", "data/pid"),
                at("init-file", "init.sql"),
                at("ssl-ca", "ca.pem"),
                at("ssl-cert", "server.crt"),
                at("ssl-key", "server.key"),
                format!("--port={port}"),
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--innodb-buffer-pool-size=32M",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-log-file-size=8M",
                // Not UTC, so that it shows where the server's zone would count.
                "--default-time-zone=+05:30",
            ];
            words.extend(settings.iter().cloned());
            account.runs(words)
        };
        (&mut self.server, command)
    }
}

/// One database of a server that runs somewhere on loopback.
#[derive(Debug, Clone)]
pub struct MariaDatabase {
    port: u16,
    name: String,
}

impl MariaDatabase {
    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `host:port`, as it stands in a URL.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The connection URL without TLS, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}?ssl-mode=DISABLED", self.strict_url())
    }

    /// The connection URL with the password, by which the server has to prove who it is.
    #[must_use]
    pub fn strict_url(&self) -> String {
        format!("mysql://{USER}:{PASSWORD_IN_URL}@{}/{}", self.host(), self.name)
    }

    /// The variables that the configuration's `{{DB_..}}` placeholders are filled from.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DB_USERNAME", USER.to_owned()),
            ("DB_PASSWORD", PASSWORD.to_owned()),
            ("DB_HOST", self.host()),
            ("DB_NAME", self.name.clone()),
        ]
    }

    /// A connection of our own, apart from the one under test.
    ///
    /// # Errors
    /// What MariaDB says against it.
    pub async fn connect(&self) -> Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some(USER))
            .pass(Some(PASSWORD))
            .db_name(Some(self.name.as_str()))
            .prefer_socket(false);
        let connected = Conn::new(options).await;
        connected.with_context(|| format!("{} on {}", self.name, self.port))
    }

    /// Runs statements on a connection of our own.
    ///
    /// # Errors
    /// What MariaDB says against them.
    pub async fn execute(&self, statements: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        let done = connection.query_drop(statements).await;
        done.with_context(|| statements.to_owned())?;
        Ok(connection.disconnect().await?)
    }

    /// The first column of the first row, as text.
    ///
    /// # Errors
    /// What MariaDB says against it, or that there is none.
    pub async fn value(&self, query: &str) -> Result<String> {
        let mut connection = self.connect().await?;
        let value: Option<String> = connection.query_first(query).await.with_context(|| query.to_owned())?;
        connection.disconnect().await?;
        value.with_context(|| format!("no value from {query}"))
    }
}

async fn answers(port: u16) -> Result<()> {
    let first = MariaDatabase {
        port,
        name: FIRST.to_owned(),
    };
    Ok(first.connect().await?.disconnect().await?)
}
