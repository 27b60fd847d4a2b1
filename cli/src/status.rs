//! `fanlight status`: every job, when it last succeeded, what stands of it in the gateway, and when it runs next.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use serde::Serialize;
use shared::config::job::{Job, Sink};
use shared::placeholders::Resolver;
use shared::tidy::status::{JobStatus, State, of_jobs};
use shared::tidy::{Survey, survey};
use tokio::time::Instant;

use crate::age::age;
use crate::colour::{self, Colour, paint};

/// The most that the gateways may take to say what they hold.
const PATIENCE: Duration = Duration::from_secs(5);
/// The state of a job that does not run because of a mistake.
const MISTAKE: &str = "mistake";

/// Shows every job: its last success, what stands of it in the gateway, its next run; exit status 1 unless all is well.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only these jobs; without any, all
    jobs: Vec<String>,
    /// Print one JSON object; docs/tidy.md says what is in it
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// The configuration cannot be read, or has no job of a name that was given.
pub async fn run(args: StatusArgs, config: &Path) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let loaded = shared::config::load(config)?;
    let configuration = &loaded.configuration;
    let left_out: Vec<&str> = configuration.left_out().filter(|name| asked_for(&args, name)).collect();
    for name in args.jobs.iter().filter(|name| !left_out.contains(&name.as_str())) {
        configuration.job(name)?;
    }
    let jobs: Vec<_> = configuration
        .jobs
        .iter()
        .filter(|job| asked_for(&args, &job.name))
        .collect();
    let resolver = Resolver::of_process(configuration.providers.clone());
    let sinks = configuration.sinks.iter().filter(|sink| {
        let uses = |job: &&Job| {
            let Sink::Pushgateway(used) = &job.sink;
            used.name == sink.name
        };
        jobs.iter().any(uses)
    });
    let surveys = survey(sinks, &resolver, Instant::now() + PATIENCE).await;
    let now = Timestamp::now();
    let statuses = of_jobs(jobs, &surveys, now);
    let well = left_out.is_empty()
        && loaded.report.mistakes() == 0
        && statuses.iter().all(|status| status.state.is_well())
        && surveys.iter().all(|survey| survey.found.is_ok());
    if args.json {
        let report = Report::new(well, &statuses, &left_out, &surveys, now);
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!(
            "{}",
            text(&statuses, &left_out, &surveys, now, colour::wanted(&io::stdout()))
        );
    }
    if loaded.report.mistakes() > 0 {
        eprintln!("fanlight: the configuration has mistakes, which `fanlight check` shows");
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn asked_for(args: &StatusArgs, name: &str) -> bool {
    args.jobs.is_empty() || args.jobs.iter().any(|asked| asked == name)
}

/// The table, what is the matter with whom, and the gateways.
fn text(
    statuses: &[JobStatus<'_>],
    left_out: &[&str],
    surveys: &[Survey<'_>],
    now: Timestamp,
    colours: bool,
) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "STATE",
        "JOB",
        "LAST SUCCESS",
        "AGE",
        "SERIES",
        "TOOK",
        "LAST FAILURE",
        "NEXT RUN",
    ]);
    let none = || "-".to_owned();
    let ago = |time: Option<Timestamp>| time.map_or_else(none, |time| age(time, now));
    for status in statuses {
        let local =
            |time: Option<Timestamp>| time.map_or_else(none, |time| local(time, status.job.schedule.time_zone()));
        table.add_row([
            status.state.name().to_owned(),
            status.job.name.clone(),
            local(status.last_success),
            ago(status.last_success),
            status.series.map_or_else(none, |series| series.to_string()),
            status.duration.map_or_else(none, took),
            status
                .last_failure
                .map_or_else(none, |time| format!("{} ago", age(time, now))),
            local(status.next_run),
        ]);
    }
    for name in left_out {
        table.add_row([MISTAKE, name, "-", "-", "-", "-", "-", "-"]);
    }
    let mut lines: Vec<String> = table
        .trim_fmt()
        .lines()
        .map(|line| coloured(line.trim(), colours))
        .collect();
    if statuses.is_empty() && left_out.is_empty() {
        lines = vec!["the configuration has no job".to_owned()];
    }
    lines.push(String::new());
    lines.extend(reasons(statuses));
    for name in left_out {
        lines.push(format!(
            "{name}: does not run because of a mistake, which `fanlight check` shows"
        ));
    }
    lines.extend(surveys.iter().map(|survey| gateway_line(survey, now)));
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

/// What is the matter with whom: what several jobs have in common once, and what their sink's line says not at all.
fn reasons(statuses: &[JobStatus<'_>]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&Job>)> = Vec::new();
    for status in statuses {
        if status.reason.is_empty() || status.state == State::Unknown {
            continue;
        }
        match reasons.iter_mut().find(|(reason, _)| *reason == status.reason) {
            Some((_, jobs)) => jobs.push(status.job),
            None => reasons.push((&status.reason, vec![status.job])),
        }
    }
    let line = |(reason, jobs): (&str, Vec<&Job>)| {
        let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        let owners: BTreeSet<&str> = jobs.iter().filter_map(|job| job.owner.as_deref()).collect();
        let owners: Vec<&str> = owners.into_iter().collect();
        let owners = match owners.as_slice() {
            [] => String::new(),
            [owner] => format!(" (owner: {owner})"),
            owners => format!(" (owners: {})", owners.join(", ")),
        };
        format!("{}: {reason}{owners}", names.join(", "))
    };
    reasons.into_iter().map(line).collect()
}

/// A line whose first word, the state, has its colour.
fn coloured(line: &str, colours: bool) -> String {
    let state = line.split_whitespace().next().unwrap_or_default();
    match colour_of(state).filter(|_| colours) {
        Some(colour) => line.replacen(state, &paint(state, colour), 1),
        None => line.to_owned(),
    }
}

fn gateway_line(survey: &Survey<'_>, now: Timestamp) -> String {
    let name = &survey.sink.name;
    match &survey.found {
        Ok(holdings) => {
            let series: usize = holdings.groups.iter().map(shared::pushgateway::Group::series).sum();
            let started = holdings
                .started
                .map_or_else(String::new, |started| format!(", up for {}", age(started, now)));
            let groups = holdings.groups.len();
            let plural = if groups == 1 { "" } else { "s" };
            format!(
                "sink `{name}` ({}): {groups} group{plural}, {series} series{started}",
                holdings.client.at()
            )
        }
        Err(error) => format!("sink `{name}`: {error}"),
    }
}

fn colour_of(state: &str) -> Option<Colour> {
    match state {
        "ok" => Some(Colour::Green),
        "disabled" => Some(Colour::Grey),
        "vanished" | "never" | "stale" => Some(Colour::Yellow),
        "failing" | "unknown" | MISTAKE => Some(Colour::Red),
        _ => None,
    }
}

/// As a clock there shows it.
fn local(time: Timestamp, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    time.to_zoned(zone).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

fn took(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// What `--json` prints. Keys may be added; none changes its meaning.
#[derive(Debug, Serialize)]
struct Report<'a> {
    time: Timestamp,
    well: bool,
    jobs: Vec<JobReport<'a>>,
    sinks: Vec<SinkReport<'a>>,
}

#[derive(Debug, Default, Serialize)]
struct JobReport<'a> {
    name: &'a str,
    state: &'static str,
    reason: Option<&'a str>,
    owner: Option<&'a str>,
    enabled: Option<bool>,
    sink: Option<&'a str>,
    schedule: Option<&'a str>,
    timezone: Option<&'a str>,
    last_run: Option<Timestamp>,
    last_success: Option<Timestamp>,
    age_seconds: Option<i64>,
    last_failure: Option<Timestamp>,
    failed_metrics: Vec<&'a str>,
    scheduled_time: Option<Timestamp>,
    series: Option<usize>,
    duration_seconds: Option<f64>,
    next_run: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct SinkReport<'a> {
    name: &'a str,
    error: Option<String>,
    at: Option<String>,
    started: Option<Timestamp>,
    groups: Option<usize>,
    series: Option<usize>,
}

impl<'a> Report<'a> {
    fn new(
        well: bool,
        statuses: &'a [JobStatus<'_>],
        left_out: &[&'a str],
        surveys: &'a [Survey<'_>],
        now: Timestamp,
    ) -> Self {
        let flawed = left_out.iter().map(|name| JobReport {
            name,
            state: MISTAKE,
            ..JobReport::default()
        });
        Self {
            time: whole_seconds(now),
            well,
            jobs: statuses
                .iter()
                .map(|status| JobReport::new(status, now))
                .chain(flawed)
                .collect(),
            sinks: surveys.iter().map(SinkReport::new).collect(),
        }
    }
}

impl<'a> JobReport<'a> {
    fn new(status: &'a JobStatus<'_>, now: Timestamp) -> Self {
        let Sink::Pushgateway(sink) = &status.job.sink;
        Self {
            name: &status.job.name,
            state: State::name(status.state),
            reason: Some(status.reason.as_str()).filter(|reason| !reason.is_empty()),
            owner: status.job.owner.as_deref(),
            enabled: Some(status.job.enabled),
            sink: Some(&sink.name),
            schedule: Some(status.job.schedule.expression()),
            timezone: Some(status.job.schedule.time_zone()),
            last_run: status.last_run,
            last_success: status.last_success,
            age_seconds: status.last_success.map(|success| now.duration_since(success).as_secs()),
            last_failure: status.last_failure,
            failed_metrics: status.failed_metrics.iter().map(String::as_str).collect(),
            scheduled_time: status.scheduled,
            series: status.series,
            duration_seconds: status.duration.map(|duration| duration.as_secs_f64()),
            next_run: status.next_run,
        }
    }
}

impl<'a> SinkReport<'a> {
    fn new(survey: &'a Survey<'_>) -> Self {
        let holdings = survey.found.as_ref().ok();
        Self {
            name: &survey.sink.name,
            error: survey.found.as_ref().err().map(ToString::to_string),
            at: holdings.map(|holdings| holdings.client.at()),
            started: holdings.and_then(|holdings| holdings.started).map(whole_seconds),
            groups: holdings.map(|holdings| holdings.groups.len()),
            series: holdings.map(|holdings| holdings.groups.iter().map(shared::pushgateway::Group::series).sum()),
        }
    }
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    time.round(Unit::Second).unwrap_or(time)
}
