//! Alertmanager's configurations in amtool's hands: whether it takes them, where alerts go, and what messages say.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

use shared::alertmanager::{CASES, CONFIGURATION, Cases, Message, Routed, TEXT};
use shared::alerts::BuiltFile;

use super::{AlertsError, count};

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
pub(super) fn test(files: &[BuiltFile]) -> Result<Vec<Tested>, AlertsError> {
    let folder = tempfile::Builder::new().prefix("fanlight-alerts-").tempdir();
    let folder = folder.map_err(|source| AlertsError::File {
        file: std::env::temp_dir(),
        done: "written",
        source,
    })?;
    let write = |path: &Path, text: &str| {
        let written = fs::create_dir_all(path.parent().unwrap_or(folder.path())).and_then(|()| fs::write(path, text));
        written.map_err(|source| AlertsError::File {
            file: path.to_owned(),
            done: "written",
            source,
        })
    };
    for file in files {
        write(&folder.path().join(&file.path), &file.text)?;
    }
    let mut tested = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(CASES)) {
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
                write(&data, &json)?;
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
    let mut said = said(&output);
    if said.contains(NO_URL_FILE) {
        said += "\nThis amtool is older than Alertmanager 0.26, which does not read the URL of a webhook from a file: take a later one, \
                 or write under `watchdog` the `url` of a switch that asks for a token, and its `credentials_file`";
    }
    Ok(Some(said))
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
