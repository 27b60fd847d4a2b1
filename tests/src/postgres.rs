//! PostgreSQL with SCRAM passwords and TLS, and a fresh database for each test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::account::Account;
use crate::authority::Authority;
use crate::supervisor::{StopSignal, Supervised, program, words};

/// The user that owns every database.
pub const USER: &str = "fanlight";
/// Holds what breaks URLs and connection strings that are put together without escaping.
pub const PASSWORD: &str = r"p@ss/w:r d%";
/// [`PASSWORD`] as it stands in a URL.
pub const PASSWORD_IN_URL: &str = "p%40ss%2Fw%3Ar%20d%25";

/// A cluster of its own, which a test may stop, freeze and start again.
#[derive(Debug)]
pub struct Postgres {
    server: Supervised,
    programs: PathBuf,
    account: Account,
    settings: Vec<String>,
    port: u16,
    databases: AtomicUsize,
}

impl Postgres {
    /// The cluster that the tests of this process share; it cannot be stopped.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start, with its log.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// A cluster for one test.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start, with its log.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// A cluster for one test with further settings, such as `ssl=off`.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start, with its log.
    pub async fn start_with(settings: &[&str]) -> Result<Self> {
        let account = Account::unprivileged()?;
        let programs = programs()?;
        let mut server = Supervised::new("postgres", StopSignal::Quit)?;
        let data = server.folder().join("data");
        fs::create_dir(&data)?;
        account.own(&data)?;

        let password = server.write("password", PASSWORD)?;
        server.run(&account.runs(words![
            programs.join("initdb").display(),
            "--pgdata=data",
            format!("--username={USER}"),
            format!("--pwfile={}", password.display()),
            "--auth-host=scram-sha-256",
            "--auth-local=reject",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]))?;

        let key = Authority::shared()?.write_to(&server, "data/")?;
        account.own(&key)?;

        let settings = settings.iter().map(ToString::to_string).collect();
        let mut postgres = Self {
            server,
            programs,
            account,
            settings,
            port: 0,
            databases: AtomicUsize::new(0),
        };
        let (server, command) = postgres.parts();
        postgres.port = server.start(command, answers).await?;
        Ok(postgres)
    }

    /// A fresh, empty database.
    ///
    /// # Errors
    /// What PostgreSQL says against it.
    pub async fn database(&self) -> Result<Database> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        self.create_database(&format!("test_{number}")).await
    }

    /// An empty database of this name, which must be free and need no quoting.
    ///
    /// # Errors
    /// What PostgreSQL says against it.
    pub async fn create_database(&self, name: &str) -> Result<Database> {
        self.maintenance().execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(Database {
            name: name.to_owned(),
            ..self.maintenance()
        })
    }

    /// The database that every cluster has, for statements about the whole cluster.
    #[must_use]
    pub fn maintenance(&self) -> Database {
        Database {
            port: self.port,
            name: "postgres".to_owned(),
        }
    }

    /// The certificate that clients have to trust for `sslmode=verify-full`, as a file.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.server.folder().join("ca.pem")
    }

    /// The folder that holds everything of this cluster.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// The loopback port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The postmaster's process, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.server.process()
    }

    /// What PostgreSQL has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Ends the cluster at once, in the middle of whatever it does; new connections are refused.
    ///
    /// # Errors
    /// When the supervising shell is gone.
    pub fn stop(&mut self) -> Result<()> {
        self.server.stop()
    }

    /// Starts a stopped cluster on its old port with its old data.
    ///
    /// # Errors
    /// When it does not come up, with its log.
    pub async fn start_again(&mut self) -> Result<()> {
        let port = self.port;
        let (server, command) = self.parts();
        server.start_on(port, command, answers).await
    }

    /// Makes the cluster hang: connections stay open, new ones are accepted, and nothing is answered.
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
        let (program, settings, account) = (self.programs.join("postgres"), self.settings.clone(), self.account);
        let command = move |port| {
            let mut words = words![program.display(), "-D", "data"];
            let ours = [
                format!("port={port}"),
                "listen_addresses=127.0.0.1".to_owned(),
                "unix_socket_directories=".to_owned(),
                "ssl=on".to_owned(),
                "fsync=off".to_owned(),
                "full_page_writes=off".to_owned(),
                "shared_buffers=32MB".to_owned(),
                "log_timezone=UTC".to_owned(),
            ];
            for setting in ours.iter().chain(&settings) {
                words.extend(["-c".to_owned(), setting.clone()]);
            }
            account.runs(words)
        };
        (&mut self.server, command)
    }
}

/// One database of a cluster that runs somewhere on loopback.
#[derive(Debug, Clone)]
pub struct Database {
    port: u16,
    name: String,
}

impl Database {
    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The loopback port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, as it stands in a URL.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The connection URL, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD_IN_URL}@{}/{}", self.host(), self.name)
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

    /// The same database behind another port, such as a pooler's.
    #[must_use]
    pub(crate) fn behind(&self, port: u16) -> Self {
        Self {
            port,
            name: self.name.clone(),
        }
    }

    /// A connection of our own, apart from the one under test.
    ///
    /// # Errors
    /// What PostgreSQL says against it.
    pub async fn connect(&self) -> Result<Client> {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(USER)
            .password(PASSWORD)
            .dbname(&self.name);
        let (client, connection) = config
            .connect(NoTls)
            .await
            .with_context(|| format!("{} on {}", self.name, self.port))?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Runs statements on a connection of our own.
    ///
    /// # Errors
    /// What PostgreSQL says against them.
    pub async fn execute(&self, statements: &str) -> Result<()> {
        let client = self.connect().await?;
        client
            .batch_execute(statements)
            .await
            .with_context(|| statements.to_owned())
    }

    /// The first column of the first row, as text.
    ///
    /// # Errors
    /// What PostgreSQL says against it, or that there is none.
    pub async fn value(&self, query: &str) -> Result<String> {
        let client = self.connect().await?;
        let messages = client.simple_query(query).await.with_context(|| query.to_owned())?;
        messages
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .with_context(|| format!("no value from {query}"))
    }
}

async fn answers(port: u16) -> Result<()> {
    Database {
        port,
        name: "postgres".to_owned(),
    }
    .connect()
    .await
    .map(drop)
}

/// The programs of the newest PostgreSQL that is installed.
fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions
        .filter(|version| version.path().join("bin/initdb").is_file())
        .filter_map(|version| {
            Some((
                version.file_name().to_str()?.parse::<u32>().ok()?,
                version.path().join("bin"),
            ))
        })
        .max()
        .map(|(_, programs)| programs)
        .or_else(|| Some(Path::new(&program("initdb", "postgresql").ok()?).parent()?.to_owned()))
        .context("PostgreSQL is not installed: Debian package postgresql (scripts/install installs it)")
}
