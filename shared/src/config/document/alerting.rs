//! How alerts reach people, as it is written under `alerting` in `fanlight.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::DurationText;
use crate::config::read::{Entry, Mapping};

/// How alerts reach people: what Alertmanager's configuration is made of. Secrets are read by Alertmanager from files on its own
/// machine, which are named here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertingSpec {
    /// Where messages go.
    pub(crate) slack: Option<Entry<SlackSpec>>,
    /// Who is woken for what is critical, beside Slack.
    pub(crate) victorops: Option<Entry<VictorOpsSpec>>,
    /// The dead man's switch outside, which speaks up when nothing arrives any more.
    pub(crate) watchdog: Option<Entry<WatchdogSpec>>,
    /// How long messages are held back.
    pub(crate) timing: Option<Entry<TimingSpec>>,
    /// What is different in an environment, by its name; every key that is given takes the place of the one above.
    pub(crate) environments: Option<Entry<Mapping<AlertingLayerSpec>>>,
}

/// What is different in an environment.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertingLayerSpec {
    /// Where messages go.
    pub(crate) slack: Option<Entry<SlackSpec>>,
    /// Who is woken for what is critical, beside Slack.
    pub(crate) victorops: Option<Entry<VictorOpsSpec>>,
    /// The dead man's switch outside.
    pub(crate) watchdog: Option<Entry<WatchdogSpec>>,
    /// How long messages are held back.
    pub(crate) timing: Option<Entry<TimingSpec>>,
}

/// Slack: either `api_url_file` or `token_file`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SlackSpec {
    /// The file with the URL of an incoming webhook that may write into every channel.
    #[schemars(example = "/etc/alertmanager/slack-url")]
    pub(crate) api_url_file: Option<Entry<String>>,
    /// The file with the token of a bot (`xoxb-..`) that may write into every channel (`chat:write.public`).
    pub(crate) token_file: Option<Entry<String>>,
    /// The channel of alerts that no team is routed for.
    #[schemars(example = "#alerts")]
    pub(crate) fallback_channel: Option<Entry<String>>,
}

/// VictorOps, which is Splunk On-Call. The routing key is the team.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VictorOpsSpec {
    /// `false`: nobody is woken here.
    pub(crate) enabled: Option<Entry<bool>>,
    /// The file with the API key.
    #[schemars(example = "/etc/alertmanager/victorops-key")]
    pub(crate) api_key_file: Option<Entry<String>>,
    /// Where the key and the team follow. Default: VictorOps' REST endpoint.
    pub(crate) api_url: Option<Entry<String>>,
}

/// The dead man's switch: either `url_file`, or `url` and `credentials_file`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WatchdogSpec {
    /// `false`: nobody notices here when Prometheus or Alertmanager is dead.
    pub(crate) enabled: Option<Entry<bool>>,
    /// The file with the URL; needs Alertmanager 0.26 or later.
    #[schemars(example = "/etc/alertmanager/watchdog-url")]
    pub(crate) url_file: Option<Entry<String>>,
    /// The URL, where it is no secret.
    pub(crate) url: Option<Entry<String>>,
    /// The file with the bearer token for `url`.
    pub(crate) credentials_file: Option<Entry<String>>,
    /// How often it is told that all is well. Default: 1m.
    pub(crate) interval: Option<Entry<DurationText>>,
}

/// How long messages are held back.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimingSpec {
    /// How long the first message of a group waits for further alerts of it. Default: 30s.
    pub(crate) group_wait: Option<Entry<DurationText>>,
    /// How long the next one does: also the most that a RESOLVED is late by. Default: 5m.
    pub(crate) group_interval: Option<Entry<DurationText>>,
    /// After how long a message is sent again while nothing has changed. Default: 4h.
    pub(crate) repeat_interval: Option<Entry<DurationText>>,
}
