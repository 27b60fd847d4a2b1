//! The shop's alerts: Prometheus on the rules of `config/`, Alertmanager on the configuration that is made of it, and what Slack
//! would show.
//!
//! What is built is prod's, with two things changed in the settings that it is built from: the stand-ins' addresses, and nothing
//! is held back for longer than a second.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::{Alertmanager, Prometheus, Recipients};
use shared::alertmanager::{SlackAccess, Timing, VictorOps, Watchdog, WatchdogTarget};
use shared::config;
use shared::config::job::Job;
use tempfile::TempDir;

use crate::collector::Collector;
use crate::shop::Shop;

const ENVIRONMENT: &str = "prod";
/// The group of campaigns that stops to bring leads.
const GROUP: &str = "search";
/// Nothing is held back for longer.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Alertmanager, and whom it tells.
pub(crate) struct Alerting {
    recipients: Recipients,
    alertmanager: Alertmanager,
    folder: TempDir,
    /// How many messages have been shown.
    told: usize,
}

impl Alerting {
    /// Builds the alerts of a configuration and starts Alertmanager.
    pub(crate) async fn start(config: &Path) -> Result<Self> {
        let recipients = Recipients::start().await?;
        let folder = tempfile::Builder::new().prefix("fanlight-alerts.").tempdir()?;
        let loaded = config::load_with_alerts(config)?;
        let mut environments = loaded.configuration.environments;
        environments.retain(|environment| environment.name == ENVIRONMENT);
        let alerting = environments.first_mut().and_then(|prod| prod.alerting.as_mut());
        let alerting = alerting.with_context(|| format!("{ENVIRONMENT} does not say how its alerts reach people"))?;
        alerting.slack.access = SlackAccess::Webhook {
            url: recipients.slack_file(),
        };
        alerting.victorops = Some(VictorOps {
            key: recipients.key_file(),
            api_url: recipients.victorops_url(),
        });
        alerting.watchdog = Some(Watchdog {
            target: WatchdogTarget::Guarded {
                url: recipients.watchdog_url(),
                token: recipients.token_file(),
            },
            interval: AT_ONCE,
        });
        alerting.timing = Timing {
            group_wait: AT_ONCE,
            group_interval: AT_ONCE,
            ..alerting.timing
        };
        let rules = shared::alerts::build(&environments)?;
        fs::create_dir(folder.path().join(ENVIRONMENT))?;
        for file in rules.iter().chain(&shared::alertmanager::build(&environments)?) {
            fs::write(folder.path().join(&file.path), &file.text)?;
        }
        let alertmanager = Alertmanager::start(&folder.path().join(ENVIRONMENT)).await?;
        Ok(Self {
            recipients,
            alertmanager,
            folder,
            told: 0,
        })
    }

    /// A Prometheus that evaluates the rules.
    pub(crate) async fn prometheus(&self, targets: &[String]) -> Result<Prometheus> {
        Prometheus::alerting(targets, &[&self.rules()], &self.alertmanager).await
    }

    fn rules(&self) -> PathBuf {
        self.folder.path().join(ENVIRONMENT).join("*.rules.yaml")
    }

    /// Where Alertmanager is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.alertmanager.target())
    }

    /// Lets a group of campaigns bring no leads, and then bring leads again: what the team is told, and that it is told once.
    pub(crate) async fn stop_the_leads(&mut self, shop: &Shop, collector: &Collector, leads: &Job) -> Result<String> {
        let mut expected = Vec::new();
        for (word, there_are) in [("START", false), ("RESOLVED", true)] {
            shop.let_leads(GROUP, there_are).await?;
            let run = collector.run(leads).await?;
            ensure!(run.failure.is_none(), "{:?}", run.problem());
            let title = format!("{word} NoLeads (warning, {ENVIRONMENT})");
            self.recipients.message(&title).await?;
            expected.push(title);
        }
        let pings = self
            .recipients
            .until("a ping", |recipients| Ok(recipients.pings()? > 0));
        let messages = pings.await.context("the dead man's switch")?;
        let of_leads = messages.iter().filter(|message| message.title.contains(" NoLeads "));
        let titles: Vec<&str> = of_leads.map(|message| message.title.as_str()).collect();
        ensure!(
            titles == expected,
            "more was told than START and RESOLVED: {messages:?}"
        );
        self.told = messages.len();
        Ok(messages
            .iter()
            .fold(String::new(), |said, message| format!("{said}{message}\n\n")))
    }

    /// Prints further messages as they come, for as long as this is polled.
    pub(crate) async fn follow(&self) -> Result<()> {
        let mut told = self.told;
        loop {
            tokio::time::sleep(AT_ONCE).await;
            for message in self.recipients.messages()?.into_iter().skip(told) {
                told += 1;
                println!("Slack: {message}");
            }
        }
    }
}
