//! The section `alerting`: how alerts reach people, for each environment.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use super::alerts::is_channel;
use crate::alertmanager::{Alerting, Slack, SlackAccess, Timing, VictorOps, Watchdog, WatchdogTarget};
use crate::alerts::{Environment, Severity, alerts_of};
use crate::config::document::{
    AlertingLayerSpec, AlertingSpec, DurationText, SlackSpec, TimingSpec, VictorOpsSpec, WatchdogSpec,
};
use crate::config::folder::File;
use crate::config::mistake::{Mistake, Report};
use crate::config::passwords;
use crate::config::read::{Entry, Mapping, list};
use crate::suggest;

/// VictorOps' REST endpoint; the key and the routing key follow.
const VICTOROPS_URL: &str = "https://alert.victorops.com/integrations/generic/20131114/alert/";
const WATCHDOG_INTERVAL: Duration = Duration::from_mins(1);
/// Alertmanager forgets what it has told after five days, and would tell it again.
const MAX_INTERVAL: Duration = Duration::from_hours(5 * 24);

/// What is told of a URL with a secret in it, and what to do.
const WATCHDOG_SECRET: (&str, &str) = (
    "whoever knows this URL can keep the dead man's switch quiet",
    "put it into a file on Alertmanager's machine and name that with `url_file`; a `url` here holds no secret, and needs a \
     `credentials_file` with the token that it asks for",
);
const VICTOROPS_SECRET: (&str, &str) = (
    "this URL looks as if it held the API key",
    "write it up to where the key and the team follow, or leave `api_url` out; the key stands in the file that `api_key_file` \
     names",
);

/// Adds to each environment how its alerts reach people; what is wrong is told.
pub(crate) fn resolve(files: &[File], environments: &mut [Environment], report: &mut Report) {
    for file in files {
        let Some(entry) = &file.document.alerting else { continue };
        if !file.is_shared() {
            let message = "only `fanlight.yaml` says how alerts reach people";
            report.add(Mistake::new(&file.path, entry.span.clone(), message).help("move `alerting` there"));
            continue;
        }
        let Some(spec) = entry.get() else { continue };
        let layers = layers(file, spec, environments, report);
        let start = key_before(&file.text, entry.span.start, "alerting");
        let mut lacking = Vec::new();
        for environment in &mut *environments {
            let own = layers.iter().find(|(name, _)| *name == environment.name);
            let mut section = Section {
                file,
                start,
                environment,
                spec,
                layer: own.map(|(_, layer)| *layer),
                report,
                lacking: &mut lacking,
            };
            let alerting = section.resolve();
            environment.alerting = alerting.filter(|_| entry.problems == 0);
        }
        for Lacking {
            message,
            help,
            span,
            environments: of,
        } in lacking
        {
            let message = if of.len() == environments.len() {
                message
            } else {
                format!("{message} in {}", of.join(" and "))
            };
            report.add(Mistake::new(&file.path, span, message).help(help));
        }
    }
}

/// Where the key stands whose value begins at a byte.
fn key_before(text: &str, value: usize, key: &str) -> usize {
    let before = &text[..text.floor_char_boundary(value)];
    let lines = before.split_inclusive('\n');
    let starts = lines.scan(0, |end, line| {
        let start = *end;
        *end += line.len();
        Some((start, line))
    });
    let is_key = |line: &str| line.trim_start_matches(['\'', '"']).starts_with(key);
    let of_key = starts.filter(|(_, line)| is_key(line)).last();
    of_key.map_or(value, |(start, _)| start)
}

/// What nobody says, and where.
struct Lacking {
    message: String,
    help: &'static str,
    span: Range<usize>,
    /// For which environments.
    environments: Vec<String>,
}

/// What is said of environments that there are.
fn layers<'a>(
    file: &File,
    spec: &'a AlertingSpec,
    environments: &[Environment],
    report: &mut Report,
) -> Vec<(&'a str, &'a AlertingLayerSpec)> {
    let mut layers = Vec::new();
    let Some(Mapping(entries)) = spec.environments.as_ref().and_then(Entry::get) else {
        return layers;
    };
    let known: Vec<&str> = environments
        .iter()
        .map(|environment| environment.name.as_str())
        .collect();
    for (name, layer) in entries {
        let Some(text) = name.get().map(String::as_str) else {
            continue;
        };
        let mistake = |message| Mistake::new(&file.path, name.span.clone(), message);
        if !known.contains(&text) {
            let help = suggest::closest(text, known.iter().copied()).map_or_else(
                || format!("the environments are {}", list(&known)),
                |near| format!("did you mean `{near}`?"),
            );
            report.add(mistake(format!("there is no environment `{text}`")).help(help));
        } else if layers.iter().any(|(first, _)| *first == text) {
            report.add(mistake(format!("`{text}` is given twice")));
        } else if let Some(layer) = layer.get() {
            layers.push((text, layer));
        }
    }
    layers
}

/// The section as one environment sees it.
struct Section<'a> {
    file: &'a File,
    /// Where its key stands.
    start: usize,
    environment: &'a Environment,
    spec: &'a AlertingSpec,
    layer: Option<&'a AlertingLayerSpec>,
    report: &'a mut Report,
    lacking: &'a mut Vec<Lacking>,
}

/// The two layers' word on a part of the section, the nearest first.
type Parts<'a, T> = [Option<&'a Entry<T>>; 2];

/// What they say, as far as it could be read.
fn read<T>(parts: Parts<'_, T>) -> impl Iterator<Item = &T> {
    parts.into_iter().flatten().filter_map(Entry::get)
}

/// The nearest word on a key.
fn key<'a, T, U>(parts: Parts<'a, T>, key: impl Fn(&'a T) -> Option<&'a Entry<U>>) -> Option<&'a Entry<U>> {
    read(parts).find_map(key)
}

/// The nearest part that gives one of two keys, of which the nearer stands for both.
fn with_either<T>(parts: Parts<'_, T>, gives: impl Fn(&T) -> bool) -> Option<&T> {
    read(parts).find(|part| gives(part))
}

impl<'a> Section<'a> {
    fn resolve(&mut self) -> Option<Alerting> {
        let (spec, layer) = (self.spec, self.layer);
        let slack = [layer.and_then(|layer| layer.slack.as_ref()), spec.slack.as_ref()];
        let victorops = [
            layer.and_then(|layer| layer.victorops.as_ref()),
            spec.victorops.as_ref(),
        ];
        let watchdog = [layer.and_then(|layer| layer.watchdog.as_ref()), spec.watchdog.as_ref()];
        let timing = [layer.and_then(|layer| layer.timing.as_ref()), spec.timing.as_ref()];
        let slack = self.slack(slack);
        let victorops = self.victorops(victorops);
        let watchdog = self.watchdog(watchdog);
        let timing = self.timing(timing);
        Some(Alerting {
            slack: slack?,
            victorops: victorops?,
            watchdog: watchdog?,
            timing: timing?,
        })
    }

    fn mistake(&mut self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        let mistake = Mistake::new(&self.file.path, span.clone(), message);
        self.report.add(mistake.help(help));
    }

    /// Keeps what a part does not say, to be told once for all environments.
    fn lacking<T>(&mut self, parts: Parts<'_, T>, message: impl Into<String>, help: &'static str) {
        let mut given = parts.into_iter().flatten();
        // What could not be read of it has been told, and may be just this.
        if given.clone().any(|entry| entry.problems > 0) {
            return;
        }
        let start = given.next().map_or(self.start, |entry| entry.span.start);
        let (message, environment) = (message.into(), self.environment.name.clone());
        let mut known = self.lacking.iter_mut();
        match known.find(|lacking| lacking.message == message && lacking.span.start == start) {
            Some(lacking) => lacking.environments.push(environment),
            None => self.lacking.push(Lacking {
                message,
                help,
                span: start..start,
                environments: vec![environment],
            }),
        }
    }

    fn slack(&mut self, parts: Parts<'a, SlackSpec>) -> Option<Slack> {
        const HELP: &str = "name under `slack` the file with the webhook's URL on Alertmanager's machine: \
                            `api_url_file: /etc/alertmanager/slack-url`, or with a bot's token: `token_file`";
        let either = with_either(parts, |slack| {
            slack.api_url_file.is_some() || slack.token_file.is_some()
        });
        let access = match either.map(|slack| (&slack.api_url_file, &slack.token_file)) {
            Some((Some(url), None)) => self.path(url, "slack-url").map(|url| SlackAccess::Webhook { url }),
            Some((None, Some(token))) => self.path(token, "slack-token").map(|token| SlackAccess::Bot { token }),
            Some((Some(_), Some(token))) => {
                let help = "keep one of them: a webhook's URL or a bot's token";
                self.mistake(&token.span, "`api_url_file` and `token_file` are both given", help);
                None
            }
            _ => {
                self.lacking(parts, "nobody says how messages get into Slack", HELP);
                None
            }
        };
        let channel = match key(parts, |slack| slack.fallback_channel.as_ref()) {
            Some(entry) => entry.get().filter(|channel| {
                let right = is_channel(channel);
                if !right {
                    let message = if channel.is_empty() {
                        "the Slack channel is empty".to_owned()
                    } else {
                        format!("`{channel}` cannot be a Slack channel")
                    };
                    self.mistake(&entry.span, message, "write it as Slack shows it, in quotes: '#alerts'");
                }
                right
            }),
            None => {
                let help = "add `fallback_channel: '#..'` under `slack`, a channel that somebody reads";
                self.lacking(parts, "alerts that no team is routed for have no channel", help);
                None
            }
        };
        Some(Slack {
            access: access?,
            fallback_channel: channel?.clone(),
        })
    }

    /// Whether a part is on; `None` where a layer gives keys to what an earlier one has turned off, and does not turn it on.
    fn is_on<T>(
        &mut self,
        parts: Parts<'a, T>,
        name: &str,
        enabled: impl Fn(&'a T) -> Option<&'a Entry<bool>>,
        gives: impl Fn(&T) -> bool,
    ) -> Option<bool> {
        let on = key(parts, &enabled).and_then(Entry::get).copied().unwrap_or(true);
        let [Some(layer), _] = parts else { return Some(on) };
        if on || !layer.get().is_some_and(|spec| enabled(spec).is_none() && gives(spec)) {
            return Some(on);
        }
        let message = format!(
            "`{name}` stays off in {}, where it is given keys: `enabled: false` stands above",
            self.environment.name
        );
        self.mistake(&layer.span, message, "add `enabled: true`, or remove the keys");
        None
    }

    /// The outer `None` for a mistake.
    #[expect(clippy::option_option, reason = "the outer one is whether to go on")]
    fn victorops(&mut self, parts: Parts<'a, VictorOpsSpec>) -> Option<Option<VictorOps>> {
        let gives = |victorops: &VictorOpsSpec| victorops.api_key_file.is_some() || victorops.api_url.is_some();
        if !self.is_on(parts, "victorops", |victorops| victorops.enabled.as_ref(), gives)? {
            return Some(None);
        }
        let Some(file) = key(parts, |victorops| victorops.api_key_file.as_ref()) else {
            let mut alerts = self.environment.services.iter().flat_map(alerts_of);
            // What tells that a metric is stale is critical because of one that reads it, and names the metric.
            let critical = alerts.find(|labels| {
                let severity = labels.get("severity").map(String::as_str);
                severity == Some(Severity::Critical.name()) && !labels.contains_key("metric")
            });
            let name = critical.and_then(|mut labels| labels.remove("alertname"));
            if let Some(name) = name {
                let message = format!("`{name}` is critical and wakes nobody");
                let help = "name the file with the key: `victorops: {api_key_file: /etc/alertmanager/victorops-key}`, or say \
                            `victorops: {enabled: false}`";
                self.lacking(parts, message, help);
                return None;
            }
            return Some(None);
        };
        let key_file = self.path(file, "victorops-key");
        let api_url = match key(parts, |victorops| victorops.api_url.as_ref()) {
            Some(url) => self
                .url(url, VICTOROPS_SECRET)
                .map(|url| format!("{}/", url.trim_end_matches('/'))),
            None => Some(VICTOROPS_URL.to_owned()),
        };
        Some(Some(VictorOps {
            key: key_file?,
            api_url: api_url?,
        }))
    }

    /// The outer `None` for a mistake.
    #[expect(clippy::option_option, reason = "the outer one is whether to go on")]
    fn watchdog(&mut self, parts: Parts<'a, WatchdogSpec>) -> Option<Option<Watchdog>> {
        let gives = |watchdog: &WatchdogSpec| {
            let WatchdogSpec {
                enabled: _,
                url_file,
                url,
                credentials_file,
                interval,
            } = watchdog;
            url_file.is_some() || url.is_some() || credentials_file.is_some() || interval.is_some()
        };
        if !self.is_on(parts, "watchdog", |watchdog| watchdog.enabled.as_ref(), gives)? {
            return Some(None);
        }
        let either = with_either(parts, |watchdog| {
            watchdog.url_file.is_some() || watchdog.url.is_some() || watchdog.credentials_file.is_some()
        });
        let target = match either.map(|watchdog| (&watchdog.url_file, &watchdog.url, &watchdog.credentials_file)) {
            Some((Some(file), None, None)) => self
                .path(file, "watchdog-url")
                .map(|url| WatchdogTarget::Secret { url }),
            Some((None, Some(url), Some(file))) => {
                let (url, token) = (self.url(url, WATCHDOG_SECRET), self.path(file, "watchdog-token"));
                url.zip(token)
                    .map(|(url, token)| WatchdogTarget::Guarded { url, token })
            }
            Some((None, Some(url), None)) => {
                self.secret(url, WATCHDOG_SECRET);
                None
            }
            Some((file, _, credentials)) => {
                let place = file.as_ref().or(credentials.as_ref());
                let span = place.map_or(0..0, |entry| entry.span.clone());
                let message = "the dead man's switch has either `url_file`, or `url` and `credentials_file`";
                self.mistake(&span, message, "remove what is too much, or add what is lacking");
                None
            }
            None => {
                let help = "name under `watchdog` the file with the URL of a dead man's switch outside: \
                            `url_file: /etc/alertmanager/watchdog-url`, or say `watchdog: {enabled: false}`";
                self.lacking(parts, "nobody notices when Prometheus or Alertmanager is dead", help);
                None
            }
        };
        let interval = self.length(
            key(parts, |watchdog| watchdog.interval.as_ref()),
            "interval",
            WATCHDOG_INTERVAL,
        );
        Some(Some(Watchdog {
            target: target?,
            interval: interval?,
        }))
    }

    fn timing(&mut self, parts: Parts<'a, TimingSpec>) -> Option<Timing> {
        let default = Timing::default();
        let wait = key(parts, |timing| timing.group_wait.as_ref());
        let interval = key(parts, |timing| timing.group_interval.as_ref());
        let repeat = key(parts, |timing| timing.repeat_interval.as_ref());
        let timing = Timing {
            group_wait: self.length(wait, "group_wait", default.group_wait)?,
            group_interval: self.length(interval, "group_interval", default.group_interval)?,
            repeat_interval: self.length(repeat, "repeat_interval", default.repeat_interval)?,
        };
        if timing.repeat_interval < timing.group_interval {
            let span = repeat.or(interval).map_or(0..0, |entry| entry.span.clone());
            let message =
                "`repeat_interval` is shorter than `group_interval`, which is how often Alertmanager looks at all";
            self.mistake(&span, message, "make it as long, or longer");
            return None;
        }
        Some(timing)
    }

    fn length(&mut self, entry: Option<&Entry<DurationText>>, name: &str, default: Duration) -> Option<Duration> {
        let Some(entry) = entry else { return Some(default) };
        let DurationText(length) = *entry.get()?;
        if length < Duration::from_secs(1) || length > MAX_INTERVAL {
            let message = format!("`{name}` is between one second and five days");
            self.mistake(&entry.span, message, "write a length of time such as `1m`");
            return None;
        }
        Some(length)
    }

    /// A path on Alertmanager's machine; `such` is the name of a file as an example.
    fn path(&mut self, entry: &Entry<String>, such: &str) -> Option<PathBuf> {
        let text = entry.get()?;
        if text.starts_with('/') && text.len() > 1 && !text.chars().any(char::is_control) {
            return Some(PathBuf::from(text));
        }
        // It may be the secret itself.
        self.report.hide(&self.file.path, entry.span.clone());
        let help = format!(
            "name the file on Alertmanager's machine from the root, such as /etc/alertmanager/{such}: it reads others from \
             wherever it was started, and a secret does not belong here"
        );
        self.mistake(&entry.span, "this is no absolute path", help);
        None
    }

    /// Tells of a secret that stands where everybody reads it.
    fn secret(&mut self, entry: &Entry<String>, (message, help): (&str, &str)) {
        self.report.hide(&self.file.path, entry.span.clone());
        self.mistake(&entry.span, message, help);
    }

    /// A URL that is no secret; `secret` says what to do about one that is.
    fn url(&mut self, entry: &Entry<String>, secret: (&str, &str)) -> Option<String> {
        let text = entry.get()?;
        let rest = ["https://", "http://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let plain =
            |rest: &&str| !rest.is_empty() && !rest.contains(['@', '?', '#']) && !rest.contains(char::is_whitespace);
        if let Some(rest) = rest.filter(plain) {
            let path = rest.split_once('/').map_or("", |(_, path)| path);
            if path.split('/').any(passwords::looks_random) {
                self.secret(entry, secret);
                return None;
            }
            return Some(text.clone());
        }
        self.report.hide(&self.file.path, entry.span.clone());
        let message = "this is no URL that begins with `https://` or `http://`, without credentials and query";
        self.mistake(&entry.span, message, "secrets stand in files on Alertmanager's machine");
        None
    }
}
