//! How alerts reach people in one environment, as it was resolved.

use std::path::PathBuf;
use std::time::Duration;

/// What an environment's Alertmanager is configured with. Every path is one on its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerting {
    /// Where messages go.
    pub slack: Slack,
    /// Who is woken for what is critical; `None` where nobody is.
    pub victorops: Option<VictorOps>,
    /// The dead man's switch; `None` where there is none.
    pub watchdog: Option<Watchdog>,
    /// How long messages are held back.
    pub timing: Timing,
}

/// Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slack {
    /// How messages get in.
    pub access: SlackAccess,
    /// The channel of alerts that no team is routed for.
    pub fallback_channel: String,
}

/// How messages get into Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlackAccess {
    /// By a webhook whose URL is in this file.
    Webhook {
        /// The file.
        url: PathBuf,
    },
    /// By a bot whose token is in this file.
    Bot {
        /// The file.
        token: PathBuf,
    },
}

/// VictorOps; the routing key is the team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VictorOps {
    /// The file with the API key.
    pub key: PathBuf,
    /// Where the key and the team follow.
    pub api_url: String,
}

/// The dead man's switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watchdog {
    /// Where it is.
    pub target: WatchdogTarget,
    /// How often it is told that all is well.
    pub interval: Duration,
}

/// Where a dead man's switch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchdogTarget {
    /// At the URL in a file.
    Secret {
        /// The file.
        url: PathBuf,
    },
    /// At this URL, for whoever has the token in a file.
    Guarded {
        /// The URL.
        url: String,
        /// The file.
        token: PathBuf,
    },
}

/// How long messages are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The first message of a group.
    pub group_wait: Duration,
    /// The next one.
    pub group_interval: Duration,
    /// The same one again.
    pub repeat_interval: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_mins(5),
            repeat_interval: Duration::from_hours(4),
        }
    }
}
