//! Alertmanager on a generated configuration, and whom it tells: stand-ins for Slack, VictorOps and a dead man's switch that
//! remember what they were told.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::http;
use crate::scripted::{Asked, Scripted, whole};
use crate::supervisor::{StopSignal, Supervised, program, words};

/// How long something may take that a test waits for. The slowest alert waits for a minute by its rule.
const HOLDS_WITHIN: Duration = Duration::from_mins(2);
/// The key that pages are sent with.
const KEY: &str = "the-key-of-victorops";
/// The token that the dead man's switch asks for.
const TOKEN: &str = "the-token-of-the-switch";

/// An Alertmanager.
#[derive(Debug)]
pub struct Alertmanager {
    server: Supervised,
    port: u16,
}

impl Alertmanager {
    /// One with the configuration in this folder, such as `alerts/prod`.
    ///
    /// # Errors
    /// When it is not installed or does not start, with its log.
    pub async fn start(folder: &Path) -> Result<Self> {
        let program = program("prometheus-alertmanager", "prometheus-alertmanager")?;
        let configuration = folder.join("alertmanager.yml").canonicalize()?;
        let mut server = Supervised::new("alertmanager", StopSignal::Term)?;
        let command = move |port| {
            words![
                program,
                format!("--config.file={}", configuration.display()),
                "--storage.path=data",
                format!("--web.listen-address=127.0.0.1:{port}"),
                // No other Alertmanager is sought.
                "--cluster.listen-address=",
            ]
        };
        let ready = async |port| http::get(&format!("http://127.0.0.1:{port}/-/ready")).await.map(drop);
        let port = server.start(command, ready).await?;
        Ok(Self { server, port })
    }

    /// `host:port`, as Prometheus wants a target.
    #[must_use]
    pub fn target(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }
}

/// A message to Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The channel.
    pub channel: String,
    /// `START NoLeads (warning, prod)`.
    pub title: String,
    /// The lines below.
    pub text: String,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.channel, self.title)?;
        for line in self.text.lines() {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// A page of VictorOps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The routing key.
    pub routing_key: String,
    /// `CRITICAL` or `RECOVERY`.
    pub kind: String,
    /// Which alert.
    pub title: String,
    /// What it says.
    pub text: String,
}

/// Everybody who is told.
#[derive(Debug)]
pub struct Recipients {
    server: Scripted,
    secrets: TempDir,
}

impl Recipients {
    /// Starts the stand-ins, and writes the files in which Alertmanager finds their secrets.
    ///
    /// # Errors
    /// When nothing can be listened on, or a file cannot be written.
    pub async fn start() -> Result<Self> {
        // Slack's answer to a webhook; the others look at the status.
        let server = Scripted::always(whole(200, &[("content-type", "text/plain")], "ok")).await?;
        let secrets = tempfile::Builder::new().prefix("fanlight-alerting.").tempdir()?;
        let told = Self { server, secrets };
        for (file, secret) in [
            (told.slack_file(), format!("{}/slack\n", told.server.url())),
            (told.key_file(), format!("{KEY}\n")),
            (told.token_file(), format!("{TOKEN}\n")),
        ] {
            std::fs::write(&file, secret).with_context(|| file.display().to_string())?;
        }
        Ok(told)
    }

    /// The file with the URL of Slack's webhook.
    #[must_use]
    pub fn slack_file(&self) -> PathBuf {
        self.secrets.path().join("slack-url")
    }

    /// The file with VictorOps' key.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.secrets.path().join("victorops-key")
    }

    /// Where VictorOps is.
    #[must_use]
    pub fn victorops_url(&self) -> String {
        format!("{}/victorops/", self.server.url())
    }

    /// The file with the token of the dead man's switch.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.secrets.path().join("watchdog-token")
    }

    /// Where the dead man's switch is.
    #[must_use]
    pub fn watchdog_url(&self) -> String {
        format!("{}/watchdog", self.server.url())
    }

    /// The messages to Slack so far.
    ///
    /// # Errors
    /// When one is none.
    pub fn messages(&self) -> Result<Vec<Message>> {
        let messages = self.asked("/slack").into_iter().map(|asked| {
            let body: Value = serde_json::from_str(&asked.body)?;
            let attachment = &body["attachments"][0];
            Ok(Message {
                channel: text(&body, "channel")?,
                title: text(attachment, "title")?,
                text: text(attachment, "text")?,
            })
        });
        messages.collect()
    }

    /// The pages so far.
    ///
    /// # Errors
    /// When one is none, or comes without the key.
    pub fn pages(&self) -> Result<Vec<Page>> {
        let pages = self.asked("/victorops/").into_iter().map(|asked| {
            let start = format!("/victorops/{KEY}/");
            let routing_key = asked.target.strip_prefix(&start);
            let body: Value = serde_json::from_str(&asked.body)?;
            Ok(Page {
                routing_key: routing_key.context("a page without the key")?.to_owned(),
                kind: text(&body, "message_type")?,
                title: text(&body, "entity_display_name")?,
                text: text(&body, "state_message")?,
            })
        });
        pages.collect()
    }

    /// How often the dead man's switch was told that all is well.
    ///
    /// # Errors
    /// When it was told otherwise, or without its token.
    pub fn pings(&self) -> Result<usize> {
        let pings = self.asked("/watchdog");
        for ping in &pings {
            let body: Value = serde_json::from_str(&ping.body)?;
            ensure!(
                body["status"] == "firing" && ping.header("authorization") == [format!("Bearer {TOKEN}")],
                "the switch was told {body}"
            );
        }
        Ok(pings.len())
    }

    /// Waits until what was told is as wanted, and gives the messages.
    ///
    /// # Errors
    /// All that was told, when it does not come to that.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Self) -> Result<bool>) -> Result<Vec<Message>> {
        let deadline = Instant::now() + HOLDS_WITHIN;
        while !wanted(self)? {
            ensure!(
                Instant::now() < deadline,
                "{what} did not come in {HOLDS_WITHIN:?}; there were {:#?}, {:#?} and {} pings",
                self.messages()?,
                self.pages()?,
                self.pings()?
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.messages()
    }

    /// Waits for a message with this title and gives the first.
    ///
    /// # Errors
    /// All that was told, when there is none.
    pub async fn message(&self, title: &str) -> Result<Message> {
        let has = |messages: &[Message]| messages.iter().any(|message| message.title == title);
        let messages = self.until(title, |told| Ok(has(&told.messages()?))).await?;
        let found = messages.into_iter().find(|message| message.title == title);
        found.context("it was there a moment ago")
    }

    fn asked(&self, start: &str) -> Vec<Asked> {
        let asked = self.server.asked();
        asked
            .into_iter()
            .filter(|asked| asked.target.starts_with(start))
            .collect()
    }
}

fn text(value: &Value, key: &str) -> Result<String> {
    let text = value[key].as_str().with_context(|| format!("no {key}: {value}"))?;
    Ok(text.to_owned())
}
