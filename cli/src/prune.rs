//! `fanlight prune`: deletes from the gateways what jobs pushed that have left the configuration.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use shared::config::Configuration;
use shared::placeholders::Resolver;
use shared::suggest::closest;
use shared::tidy::delete::{Deleted, delete};
use shared::tidy::stale::{self, Because, Findings, Grouping, Search, Spared, Stale, Why};
use shared::tidy::{Survey, survey};
use tokio::time::Instant;

use crate::age::age;
use crate::count::count;

/// The most that the gateways may take to say what they hold, and then to delete.
const PATIENCE: Duration = Duration::from_secs(10);

/// Deletes the groups of jobs that have left the configuration from the gateways, after listing them.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct PruneArgs {
    /// Only these jobs; without any, all that have left
    jobs: Vec<String>,
    /// Delete without asking; of sinks without a `grouping` only jobs that are named, unless with --all
    #[arg(long, short)]
    yes: bool,
    /// With --yes: all that have left, also of sinks without a `grouping`, to which no other deployment may push then
    #[arg(long, requires = "yes", conflicts_with = "jobs")]
    all: bool,
    /// List, and delete nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Also the groups of jobs that are switched off by `enabled: false`
    #[arg(long)]
    disabled: bool,
    /// A `grouping` that a sink used to have, such as cluster=blue,env=prod, or `none`; may be repeated.
    /// A comma or a backslash in a value has a backslash before it
    #[arg(long, value_name = "LABELS", value_parser = FormerGrouping::parse)]
    former_grouping: Vec<FormerGrouping>,
    /// Leave alone what somebody has pushed to within this time
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = length)]
    min_age: SignedDuration,
}

/// The labels of a grouping key besides `job`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FormerGrouping(Grouping);

impl FormerGrouping {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let mut labels = Vec::new();
        for label in split(text)? {
            match label.split_once('=') {
                Some((name, value)) if !name.is_empty() => labels.push((name.to_owned(), value.to_owned())),
                _ => return Err("write LABEL=VALUE, several with commas between, or `none`".to_owned()),
            }
        }
        labels.sort();
        Ok(Self(labels))
    }
}

/// At the commas that have no backslash before them.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let literal = match character {
            ',' => {
                parts.push(String::new());
                continue;
            }
            '\\' => match characters.next() {
                Some(escaped @ (',' | '\\')) => escaped,
                _ => return Err("write a backslash in a value as two; one stands before a comma".to_owned()),
            },
            other => other,
        };
        if let Some(last) = parts.last_mut() {
            last.push(literal);
        }
    }
    Ok(parts)
}

fn length(text: &str) -> Result<SignedDuration, String> {
    let day = jiff::SpanRelativeTo::days_are_24_hours();
    let length = text.parse::<jiff::Span>().and_then(|span| span.to_duration(day));
    match length {
        Ok(length) if !length.is_negative() => Ok(length),
        _ => Err("write a length of time such as 0s, 30m, 1h or 2d".to_owned()),
    }
}

/// Why nothing is pruned.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// Nobody knows which jobs there are.
    #[error(
        "the configuration has {0}: nothing is pruned, for a job that cannot be read would count as one that has left; \
         `fanlight check` says more"
    )]
    Flawed(String),
    /// All that stands there would count as stale.
    #[error(
        "the configuration in {} has no job: nothing is pruned, for whatever any job has pushed would count as left behind; \
         give the right folder by --config or FANLIGHT_CONFIG. If all jobs have left, name those to prune; --dry-run lists \
         them",
        .0.display()
    )]
    NoJob(PathBuf),
    /// Nobody has seen whose jobs these are.
    #[error(
        "nothing was deleted: without a `grouping`, a job of another deployment that pushes to the same gateway looks like \
         one that has left; name those that are yours: fanlight prune --yes {0}; or say --all, if there is no other deployment"
    )]
    Unclaimed(String),
    /// A name that is none of a job that has left.
    #[error("{0}")]
    Name(String),
    /// There is nobody to ask.
    #[error("standard input is no terminal at which to ask: say --yes to delete, or --dry-run to list only")]
    NobodyToAsk,
    /// A grouping that is in use.
    #[error("--former-grouping {given}: the sink `{sink}` has it now, and its jobs are looked at anyway")]
    InUse {
        /// As a grouping key.
        given: String,
        /// The sink.
        sink: String,
    },
}

/// Runs the command.
///
/// # Errors
/// The configuration cannot be used, or what was asked for cannot be done. That a gateway does not answer is told, and
/// makes the exit status 1.
pub async fn run(args: PruneArgs, config: &Path) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let loaded = shared::config::load(config)?;
    let mistakes = loaded.report.mistakes();
    if mistakes > 0 {
        eprint!("{}", loaded.report.render(io::stderr().is_terminal()));
        return Err(PruneError::Flawed(count(mistakes, "mistake")).into());
    }
    let configuration = loaded.configuration;
    if configuration.jobs.is_empty() && args.jobs.is_empty() && !args.dry_run {
        return Err(PruneError::NoJob(config.to_owned()).into());
    }
    let search = search(&args, &configuration)?;
    let resolver = Resolver::of_process(configuration.providers.clone());
    let surveys = survey(&configuration.sinks, &resolver, Instant::now() + PATIENCE).await;
    let mut complete = true;
    for survey in &surveys {
        if let Err(error) = &survey.found {
            eprintln!(
                "fanlight: sink `{}`: {error}; nothing of it is pruned",
                survey.sink.name
            );
            complete = false;
        }
    }
    let now = Timestamp::now();
    let mut findings = stale::find(&configuration.jobs, &surveys, &search, now);
    if !args.jobs.is_empty() {
        // Without all gateways nobody can tell whether a name is wrong.
        if complete {
            check_names(&args, &configuration, &findings)?;
        }
        findings.stale.retain(|stale| args.jobs.contains(&stale.job));
        findings.spared.retain(|spared| args.jobs.contains(&spared.job));
    }
    print!("{}", listed(&findings, &surveys, now));
    if findings.stale.is_empty() {
        println!("nothing to prune");
    } else if !args.dry_run {
        let unclaimed = unclaimed(&findings);
        if args.yes && !args.all && args.jobs.is_empty() && !unclaimed.is_empty() {
            return Err(PruneError::Unclaimed(unclaimed.join(" ")).into());
        }
        if !args.yes && !confirmed(&findings)? {
            println!("nothing was deleted");
            return Ok(ExitCode::FAILURE);
        }
        complete &= delete_all(&findings.stale, &surveys).await;
    }
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The jobs that may as well be another deployment's.
fn unclaimed<'a>(findings: &'a Findings<'_>) -> Vec<&'a str> {
    let stale = findings.stale.iter();
    let mut jobs: Vec<&str> = stale
        .filter(|stale| stale.why == Why::Removed && !stale.labelled)
        .map(|stale| stale.job.as_str())
        .collect();
    jobs.sort_unstable();
    jobs.dedup();
    jobs
}

fn search(args: &PruneArgs, configuration: &Configuration) -> Result<Search, PruneError> {
    let former: Vec<Grouping> = args
        .former_grouping
        .iter()
        .map(|FormerGrouping(labels)| labels.clone())
        .collect();
    for grouping in &former {
        // Also where only one of several gateways has it: what is asked for is not what would be done.
        if let Some(sink) = configuration.sinks.iter().find(|sink| sink.grouping == *grouping) {
            return Err(PruneError::InUse {
                given: written(grouping),
                sink: sink.name.clone(),
            });
        }
    }
    Ok(Search {
        disabled: args.disabled,
        former_groupings: former,
        min_age: args.min_age,
    })
}

fn check_names(args: &PruneArgs, configuration: &Configuration, findings: &Findings<'_>) -> Result<(), PruneError> {
    let stale = findings.stale.iter().map(|stale| stale.job.as_str());
    let known: Vec<&str> = stale
        .chain(findings.spared.iter().map(|spared| spared.job.as_str()))
        .collect();
    let Some(name) = args.jobs.iter().find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    Err(PruneError::Name(match configuration.job(name) {
        Ok(job) if job.enabled => {
            format!("the job `{name}` is in the configuration; only groups of jobs that have left it are pruned")
        }
        Ok(_) if args.disabled => format!("no gateway holds anything that the job `{name}` pushed"),
        Ok(_) => format!("the job `{name}` is switched off and has not left the configuration; add --disabled"),
        Err(_) => match closest(name, known.iter().copied()) {
            Some(near) => format!("no gateway holds anything of a job `{name}`; did you mean `{near}`?"),
            None if known.is_empty() => {
                format!("no gateway holds anything of a job `{name}`, nor of any other that has left the configuration")
            }
            None => format!(
                "no gateway holds anything of a job `{name}`; the jobs that have left are {}",
                known.join(", ")
            ),
        },
    }))
}

/// What is to be deleted, and what is not and why.
fn listed(findings: &Findings<'_>, surveys: &[Survey<'_>], now: Timestamp) -> String {
    let mut lines = Vec::new();
    for Stale {
        survey,
        job,
        why,
        groups,
        ..
    } in &findings.stale
    {
        let why = match why {
            Why::Removed => "has left the configuration".to_owned(),
            Why::Disabled => "is switched off".to_owned(),
            Why::Moved(sink) => format!("pushes to the sink `{sink}` now, under {}", key_of(surveys, sink, job)),
        };
        lines.push(format!("{job} {why}; in {} it has", place(&surveys[*survey])));
        for group in groups {
            let pushed = group.pushed().map_or_else(
                || "never pushed to with success".to_owned(),
                |pushed| format!("last push {} ago", age(pushed, now)),
            );
            lines.push(format!("  {}  {}, {pushed}", group.key(), count_series(group.series())));
        }
    }
    let unclaimed = unclaimed(findings);
    if !unclaimed.is_empty() {
        lines.push(format!(
            "look twice at {}: without a `grouping`, a job of another deployment on the same gateway looks the same",
            unclaimed.join(", ")
        ));
    }
    for Spared {
        survey,
        job,
        key,
        because,
    } in &findings.spared
    {
        let place = place(&surveys[*survey]);
        let because = match because {
            Because::StillPushed(pushed) => format!(
                "somebody pushed to it {} ago; if no deployment runs the job any more, say --min-age 0s",
                age(*pushed, now)
            ),
            Because::Foreign(families) => format!(
                "it also holds {}, which the job's last run did not push; if nobody needs that, DELETE /metrics{}",
                families.join(", "),
                key.path()
            ),
            Because::PushedAfter(pushed) => format!(
                "something was pushed to it {} ago, after the job's last run had told of itself; if nobody needs that, DELETE \
                 /metrics{}",
                age(*pushed, now),
                key.path()
            ),
            Because::Differs(family, held, told) => format!(
                "it holds {} of {family}, and the job's last run told of {told}; if nobody needs them, DELETE /metrics{}",
                count_series(*held),
                key.path()
            ),
            Because::NotArrived(sink) => format!("the job has not run since it pushes to the sink `{sink}`"),
            Because::Unknown(sink) => format!("whether the job has arrived at the sink `{sink}` is not known"),
        };
        lines.push(format!("left alone: {key} of {job} in {place}: {because}"));
    }
    for grouping in &findings.like_ours {
        lines.push(format!(
            "left alone: groups of jobs of these names with the grouping `{0}`, which no sink has: another deployment's, or \
             yours from before the `grouping` was changed; then say --former-grouping {1}",
            written(grouping),
            quoted(&written(grouping))
        ));
    }
    if findings.disabled > 0 {
        lines.push(format!(
            "left alone: the groups of {} that are switched off; --disabled deletes them too",
            count(findings.disabled, "job")
        ));
    }
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

/// Where a job pushes now.
fn key_of(surveys: &[Survey<'_>], sink: &str, job: &str) -> String {
    let grouping = surveys
        .iter()
        .find(|survey| survey.sink.name == sink)
        .map(|survey| survey.sink.grouping.as_slice());
    shared::pushgateway::GroupingKey::new(job, grouping.unwrap_or_default()).to_string()
}

fn place(survey: &Survey<'_>) -> String {
    match &survey.found {
        Ok(holdings) => format!("`{}` ({})", survey.sink.name, holdings.client.at()),
        Err(_) => format!("`{}`", survey.sink.name),
    }
}

/// As --former-grouping takes it.
fn written(grouping: &Grouping) -> String {
    if grouping.is_empty() {
        return "none".to_owned();
    }
    let escaped = |value: &str| value.replace('\\', r"\\").replace(',', r"\,");
    let labels: Vec<_> = grouping
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    labels.join(",")
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_=,./:@-".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn confirmed(findings: &Findings<'_>) -> Result<bool, Box<dyn std::error::Error>> {
    if !io::stdin().is_terminal() {
        return Err(PruneError::NobodyToAsk.into());
    }
    let groups = findings.stale.iter().map(|stale| stale.groups.len()).sum();
    eprint!("delete {}? [y/N] ", count(groups, "group"));
    io::stderr().flush()?;
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer)? == 0 {
        // Ctrl-D leaves the cursor behind the question.
        eprintln!();
    }
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Whether all went well.
async fn delete_all(stale: &[Stale<'_>], surveys: &[Survey<'_>]) -> bool {
    let (mut groups, mut jobs, mut complete) = (0, 0, true);
    for (index, survey) in surveys.iter().enumerate() {
        let here: Vec<&Stale<'_>> = stale.iter().filter(|stale| stale.survey == index).collect();
        let Ok(holdings) = &survey.found else { continue };
        if here.is_empty() {
            continue;
        }
        match delete(&here, holdings, Instant::now() + PATIENCE).await {
            Ok(outcomes) => {
                for (stale, outcome) in here.iter().zip(outcomes) {
                    match outcome {
                        Deleted::Groups(deleted) => {
                            groups += deleted;
                            jobs += 1;
                        }
                        Deleted::PushedSince => {
                            eprintln!(
                                "fanlight: {}: somebody has pushed to its groups since they were listed; they stand as they are",
                                stale.job
                            );
                            complete = false;
                        }
                    }
                }
            }
            Err(error) => {
                eprintln!("fanlight: sink `{}`: {error}", survey.sink.name);
                complete = false;
            }
        }
    }
    println!("deleted {} of {}", count(groups, "group"), count(jobs, "job"));
    complete
}

fn count_series(number: usize) -> String {
    format!("{number} series")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_grouping_is_read_in_any_order() {
        let labels = |pairs: &[(&str, &str)]| {
            let labels = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Ok(FormerGrouping(labels.collect()))
        };
        for (text, expected) in [
            ("none", labels(&[])),
            ("cluster=blue", labels(&[("cluster", "blue")])),
            (
                "env=prod,cluster=blue/1",
                labels(&[("cluster", "blue/1"), ("env", "prod")]),
            ),
            ("cluster=", labels(&[("cluster", "")])),
            (
                r"cluster=a/b é=%?#\,x,dir=C:\\,empt=",
                labels(&[("cluster", "a/b é=%?#,x"), ("dir", r"C:\"), ("empt", "")]),
            ),
        ] {
            let read = FormerGrouping::parse(text);
            assert_eq!(read, expected, "{text}");
            // What is suggested is what is meant.
            assert_eq!(FormerGrouping::parse(&written(&read.unwrap().0)), expected, "{text}");
        }
        for text in [
            "",
            "cluster",
            "=blue",
            "cluster=blue,",
            "cluster=blue,env",
            r"cluster=a\",
            r"cluster=a\b",
        ] {
            assert!(FormerGrouping::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_suggested_is_one_word_of_a_shell() {
        for (text, expected) in [
            ("none", "none"),
            ("cluster=blue/1,env=prod", "cluster=blue/1,env=prod"),
            (r"a=b c\,d", r"'a=b c\,d'"),
            ("a=it's", r"'a=it'\''s'"),
            ("a=$(x)", "'a=$(x)'"),
        ] {
            assert_eq!(quoted(text), expected, "{text}");
        }
    }

    #[test]
    fn an_age_is_a_length_of_time_that_may_be_none() {
        for (text, seconds) in [("0s", 0), ("90m", 5_400), ("2d", 172_800)] {
            assert_eq!(length(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        for text in ["", "1", "-1h", "soon", "1y"] {
            assert!(length(text).is_err(), "{text}");
        }
    }
}
