//! Alertmanager's configurations in amtool's hands: whether it takes them, where alerts go, and what messages say.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

use shared::alertmanager::{CASES, CONFIGURATION, Cases, Message, Routed, TEXT};
use shared::alerts::BuiltFile;

use super::{AlertsError, files};
use crate::built::failed;
use crate::count::count;

const AMTOOL: &str = "amtool";
/// What amtool says before Alertmanager 0.26 of the watchdog's `url_file`.
const NO_URL_FILE: &str = "field url_file not found in type config.plain";

/// What became of an environment's configuration.
#[derive(Debug)]
pub(super) struct Tested {
    /// The environment.
    pub(super) environment: String,
    /// `prod: 12 routes, 6 messages`.
    pub(super) line: String,
    /// What failed, by name, and what amtool said.
    pub(super) failures: Vec<String>,
}

/// Tests the files of all environments, in their order.
pub(super) fn test(built: &[BuiltFile]) -> Result<Vec<Tested>, AlertsError> {
    let folder = files::temporary()?;
    files::write(built, folder.path())?;
    let mut tested = Vec::new();
    for file in built.iter().filter(|file| file.path.ends_with(CASES)) {
        let cases = Cases::read(&file.text)?;
        let folder = folder.path().join(&file.environment);
        let line = format!(
            "{}: {}, {}",
            file.environment,
            count(cases.routes.len(), "route"),
            count(cases.messages.len(), "message")
        );
        let mut failures: Vec<String> = checked(&folder)?.into_iter().collect();
        // What cannot be loaded routes nothing, and each case would only say so again.
        if failures.is_empty() {
            for routed in &cases.routes {
                failures.extend(route(&folder, routed)?);
            }
            for message in &cases.messages {
                let data = folder.join("data.json");
                let json = serde_json::to_string(&message.data).unwrap_or_default();
                fs::write(&data, json).map_err(failed(&data, "written"))?;
                failures.extend(rendered(&folder, message)?);
            }
        }
        tested.push(Tested {
            environment: file.environment.clone(),
            line,
            failures,
        });
    }
    Ok(tested)
}

fn checked(folder: &Path) -> Result<Option<String>, AlertsError> {
    let output = amtool(folder, &["check-config", CONFIGURATION])?;
    if output.status.success() {
        return Ok(None);
    }
    let said = said(&output);
    let hint = hint(&said).unwrap_or_default();
    Ok(Some(format!("{said}{hint}")))
}

/// What to do about what amtool says, where its words do not tell.
fn hint(said: &str) -> Option<&'static str> {
    said.contains(NO_URL_FILE).then_some(
        "\nThis Alertmanager is older than 0.26, and reads no webhook's URL from a file: take a later one, or write under `watchdog` the \
         `url` of a switch that asks for a token, and its `credentials_file`",
    )
}

fn route(folder: &Path, routed: &Routed) -> Result<Option<String>, AlertsError> {
    let file = format!("--config.file={CONFIGURATION}");
    let receivers = format!("--verify.receivers={}", routed.receiver);
    // As a matcher in quotes, so that a label's value may be anything.
    let labels = routed
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={}", quoted(value)));
    let labels: Vec<String> = labels.collect();
    let mut arguments = vec!["config", "routes", "test", &file, &receivers];
    arguments.extend(labels.iter().map(String::as_str));
    let output = amtool(folder, &arguments)?;
    if output.status.success() {
        return Ok(None);
    }
    let reached = String::from_utf8_lossy(&output.stdout);
    let reached = reached.lines().next().unwrap_or_default().trim().to_owned();
    let failure = if reached.is_empty() {
        said(&output)
    } else {
        format!("it goes to `{reached}` and should go to `{}`", routed.receiver)
    };
    Ok(Some(format!("{}: {failure}", routed.name)))
}

fn rendered(folder: &Path, message: &Message) -> Result<Option<String>, AlertsError> {
    let glob = format!("--template.glob={TEXT}");
    let text = format!("--template.text={{{{ template \"{}\" . }}}}", message.template);
    let arguments = ["template", "render", &glob, &text, "--template.data=data.json"];
    let output = amtool(folder, &arguments)?;
    if !output.status.success() {
        return Ok(Some(format!("{}: {}", message.name, said(&output))));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    // Some versions end with a line feed of their own.
    Ok((printed.trim_end() != message.prints.trim_end()).then(|| {
        format!(
            "{}: it is\n{}\nand should be\n{}",
            message.name,
            printed.trim_end(),
            message.prints.trim_end()
        )
    }))
}

/// A label's value as amtool takes it apart again.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}

fn amtool(folder: &Path, arguments: &[&str]) -> Result<Output, AlertsError> {
    let output = Command::new(AMTOOL)
        .args(arguments)
        .current_dir(folder)
        // It reads settings of its own from the user's folder.
        .env("HOME", folder)
        .env_remove("XDG_CONFIG_HOME")
        .output();
    output.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => AlertsError::NoAmtool,
        _ => AlertsError::Amtool(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "environments: [prod]
alerting:
  slack: {api_url_file: /etc/slack, fallback_channel: '#alerts'}
  victorops: {api_key_file: /etc/victorops}
  watchdog: {url: 'https://switch.example', credentials_file: /etc/switch}
jobs:
- name: leads
  schedule: '* * * * *'
  source: postgres://u@h/d
  metrics:
  - name: own_leads
    help: h
    external: true
    labels: [organisation_id]
    value: v
    query: SELECT 1
    alerts:
    - {name: NoLeads, below: 1, severity: warning, team: growth, slack_channel: '#leads', handbook: 'https://h', description: d}
    - {name: ManyLeads, above: 9, severity: critical, team: sales, handbook: 'https://h', description: d}
";

    fn built(config: &str) -> Vec<BuiltFile> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("fanlight.yaml"), config).unwrap();
        let loaded = shared::config::load_with_alerts(folder.path()).unwrap();
        assert_eq!(loaded.report.mistakes(), 0, "{}", loaded.report.render(false));
        shared::alertmanager::build(&loaded.configuration.environments).unwrap()
    }

    fn failures(files: &[BuiltFile]) -> Vec<String> {
        let tested = test(files).unwrap();
        tested.into_iter().flat_map(|tested| tested.failures).collect()
    }

    #[test]
    fn every_change_of_what_was_built_is_noticed_and_named() {
        let files = built(CONFIG);
        assert_eq!(failures(&files), Vec::<String>::new());
        for (name, from, to, noticed) in [
            (
                CONFIGURATION,
                "- team=\"growth\"",
                "- team=\"grwth\"",
                "NoLeads for growth: it goes to `unrouted` and should go to `growth/slack`",
            ),
            (
                CONFIGURATION,
                "    receiver: sales/slack\n",
                "    receiver: growth/slack\n",
                "any warning alert for sales: it goes to",
            ),
            (
                CONFIGURATION,
                "severity=\"critical\"",
                "severity=\"page\"",
                "any critical alert for growth: it goes to `growth/slack`",
            ),
            (
                CONFIGURATION,
                "  receiver: unrouted\n",
                "  receiver: watchdog\n",
                "an alert for no team: it goes to `watchdog`",
            ),
            (
                CONFIGURATION,
                "alertname=\"Watchdog\"",
                "alertname=\"Watchdogs\"",
                "the watchdog: it goes to `unrouted`",
            ),
            (
                CONFIGURATION,
                "group_wait",
                "group_weight",
                "field group_weight not found",
            ),
            (
                CONFIGURATION,
                "- name: growth/slack\n",
                "- name: growth\n",
                "undefined receiver \"growth/slack\"",
            ),
            (TEXT, "#team-", "#", "the channel #team-sales of sales: it is\n#sales\n"),
            (
                TEXT,
                ".CommonLabels.slack_channel }}{{ else",
                ".CommonLabels.team }}{{ else",
                "the channel #leads of growth",
            ),
            (TEXT, "\"&lt;\"", "\"<\"", "the text of one that is firing"),
            (
                TEXT,
                "{{- if eq .Status \"resolved\" }}\n",
                "{{- if .Status }}\n",
                "end: 0001-01-01",
            ),
            (TEXT, "*RESOLVED*", "*START*", "the text of one that is resolved"),
            (TEXT, "Truncate 1000000000", "Truncate 60000000000", "duration: 1h1m1s"),
            (TEXT, ", prod)", ", develop)", "the title of one that is firing"),
            (TEXT, "handbook: {{ .", "{{ .", "handbook: https://handbook.example"),
            (TEXT, "{{ end }}", "", "unexpected <define> in command"),
        ] {
            let mut changed = files.clone();
            let file = changed.iter_mut().find(|file| file.path.ends_with(name)).unwrap();
            assert!(file.text.contains(from), "{name} has no {from}");
            file.text = file.text.replacen(from, to, 1);
            let failures = failures(&changed).join("\n");
            assert!(
                failures.contains(noticed),
                "{from} became {to}, and what failed is\n{failures}"
            );
        }
    }

    #[test]
    fn amtool_takes_a_bots_token_as_well() {
        let files = built(&CONFIG.replace("api_url_file", "token_file"));
        assert_eq!(failures(&files), Vec::<String>::new());
        assert!(files[0].text.contains("chat.postMessage"), "{}", files[0].text);
    }

    /// Slack cuts long messages off, and Alertmanager does not send them.
    #[test]
    fn of_many_alerts_the_first_are_told_and_how_many_there_are() {
        let mut files = built(CONFIG);
        let file = files.iter_mut().find(|file| file.path.ends_with(CASES)).unwrap();
        let mut cases = Cases::read(&file.text).unwrap();
        cases.routes.clear();
        cases.messages.retain_mut(|message| {
            let Some(word) = ["firing", "resolved"]
                .into_iter()
                .find(|word| message.name.ends_with(word))
            else {
                return false;
            };
            let mut data = serde_json::to_value(&message.data).unwrap();
            let alert = data["alerts"][0].clone();
            data["alerts"] = vec![alert; 21].into();
            message.data = serde_json::from_value(data).unwrap();
            let total = if word == "firing" {
                "21 that fire"
            } else {
                "21 that are resolved"
            };
            message.prints = format!("{}These are 20 of {total}.", message.prints.repeat(20));
            message.template.ends_with("text")
        });
        assert_eq!(cases.messages.len(), 2);
        file.text = serde_json::to_string(&cases).unwrap();
        assert_eq!(failures(&files), Vec::<String>::new());
    }

    #[test]
    fn an_amtool_that_is_too_old_is_told_as_such() {
        let said = format!("FAILED: yaml: unmarshal errors:\n  line 86: {NO_URL_FILE}");
        let older = hint(&said).unwrap_or_default();
        assert!(older.contains("0.26") && older.contains("credentials_file"), "{older}");
    }
}
