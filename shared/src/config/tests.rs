//! Configurations as teams write them, right and wrong.

mod alerting;
mod alerts;
mod dashboards;
mod faults;
mod heal;
mod jobs;
mod metrics;
mod metrics_api;
mod queries;
mod report;
mod secrets;
mod slos;
mod sources_and_sinks;

use std::fs;
use std::time::{Duration, Instant};

use super::job::*;
use super::*;
use crate::config::mistake::position;

/// The example of the article that Fanlight began with, letter for letter.
const ARTICLE: &str = r"job:
- name: 'transfers-status-collection' # job name
  schedule: '*/10 * * * *' # every 10 minutes
  source: 'postgres://{{DB_USERNAME}}:{{DB_PASSWORD}}@{{DB_HOST}}/{{DB_NAME}}'
  metrics:
  - name: 'transfers_status' # metric name
    subsystem: 'core'
    help: 'Provides the number of transfer by status'
    labels:
    - status
    value: count
    query: |
      SELECT COUNT(*) AS count, status
      FROM transfers
      WHERE status IN ('to_send', 'failed')
      GROUP BY(status);
";

/// A job with nothing but what it needs; `METRIC` and `JOB` are replaced by what a case is about.
const MINIMAL: &str = "jobs:
- name: j
  schedule: '* * * * *'
  source: postgres://u@h/d
JOB
  metrics:
  - name: m
    help: h
    value: v
    query: SELECT 1 AS v
METRIC
";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn load(&self) -> Loaded {
        let mut loaded = load(self.0.path()).unwrap();
        loaded.check(|_| true);
        loaded
    }
}

fn load_text(text: &str) -> Loaded {
    Folder::new(&[("a.yaml", text)]).load()
}

fn minimal(job: &str, metric: &str) -> String {
    let indent = |text: &str, by: &str| text.lines().flat_map(|line| [by, line, "\n"]).collect::<String>();
    MINIMAL
        .replace("JOB\n", &indent(job, "  "))
        .replace("METRIC\n", &indent(metric, "    "))
}

/// Every finding as `line:column <underlined> message; help`.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let folder = Folder::new(files);
    let loaded = folder.load();
    loaded
        .report
        .findings()
        .map(|finding| {
            let text = fs::read_to_string(&finding.file).unwrap();
            let (line, column) = position(&text, finding.span.start);
            let help = finding
                .help
                .as_ref()
                .map(|help| format!("; {help}"))
                .unwrap_or_default();
            let help = help.replace(&format!("{}/", folder.0.path().display()), "");
            let message = finding.message.replace(&format!("{}/", folder.0.path().display()), "");
            format!("{line}:{column} <{}> {message}{help}", &text[finding.span.clone()])
        })
        .collect()
}

fn sql_of(query: &Query) -> &Sql {
    query.asked.sql().expect("a query in SQL")
}
