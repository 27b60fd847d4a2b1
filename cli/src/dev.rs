//! `fanlight dev`: the collector on this machine, fired on its jobs' schedules until it is interrupted.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use shared::config::FolderError;
use shared::config::job::Job;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::runner::scheduler::{self, Clock, Report, ScheduledJob, SystemClock};
use crate::runner::{EventEnd, EventReport, Function, InvalidFunction, Outcome, invoke_api};

/// The name of the collector's function.
const COLLECTOR: &str = "collector";

/// What the function has beyond its longest job's timeout, to log and push the failure of a job that took too long.
const MARGIN: Duration = Duration::from_secs(5);
/// The longest timeout that Lambda allows.
const LONGEST_TIMEOUT: Duration = Duration::from_mins(15);

/// Runs the collector on this machine, fired on its jobs' schedules, until interrupted.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Address of Lambda's Invoke API (`aws lambda invoke --endpoint-url http://ADDR`); port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// The collector's binary; the one beside this command by default
    #[arg(long, value_name = "PATH")]
    collector: Option<PathBuf>,
}

/// Why the runner could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The configuration cannot be read.
    #[error(transparent)]
    Configuration(#[from] FolderError),
    /// The collector's binary is not where it should be.
    #[error("{0}; build it (`cargo build -p collector`) or name it with --collector PATH")]
    Collector(#[from] InvalidFunction),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another address with --listen ADDR")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system refused something else.
    #[error("cannot run: {0}")]
    Io(#[from] io::Error),
}

/// Fires the enabled jobs until SIGINT or SIGTERM and prints a line for each run. The collector gets the variables of
/// this command's environment, and writes its log to standard error.
///
/// # Errors
/// When the configuration, the collector or the address cannot be used.
pub async fn run(args: DevArgs, config: &Path) -> Result<ExitCode, DevError> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let loaded = shared::config::load(config)?;
    // As in the function: the jobs without mistakes run.
    eprint!("{}", loaded.report.render(io::stderr().is_terminal()));
    let enabled: Vec<&Job> = loaded.configuration.jobs.iter().filter(|job| job.enabled).collect();
    let binary = match args.collector {
        Some(path) => path,
        None => std::env::current_exe()?.with_file_name(COLLECTOR),
    };
    let longest = enabled.iter().map(|job| job.timeout).max().unwrap_or_default();
    let collector = Function::builder(COLLECTOR, binary)
        .envs(std::env::vars_os())
        // Absolute, as the function runs in its binary's folder.
        .env("FANLIGHT_CONFIG", std::path::absolute(config)?)
        .timeout((longest + MARGIN).min(LONGEST_TIMEOUT))
        // Whoever watches is told of a failure at once; the next scheduled run is the second try.
        .retries(0)
        .build()?;
    let listening = |source| DevError::Listen {
        address: args.listen,
        source,
    };
    let listener = TcpListener::bind(args.listen).await.map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;
    let server = axum::serve(listener, invoke_api::router([collector.clone()]));
    let scheduled: Vec<ScheduledJob> = enabled
        .iter()
        .map(|job| ScheduledJob {
            name: job.name.as_str().into(),
            schedule: job.schedule.clone(),
            function: collector.clone(),
        })
        .collect();

    print_plan(&mut io::stdout().lock(), address, &scheduled)?;
    let firing = async {
        scheduler::run(&scheduled, &SystemClock, |report| {
            // Nobody is left to tell that the output is closed.
            let _ = writeln!(io::stdout().lock(), "{}", line(&report));
        })
        .await;
        // Without a job to fire there is still the API.
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        result = server.into_future() => result.map_err(listening),
        () = firing => Ok(()),
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    collector.shutdown().await;
    ended.map(|()| ExitCode::SUCCESS)
}

fn print_plan(out: &mut impl Write, address: SocketAddr, jobs: &[ScheduledJob]) -> io::Result<()> {
    writeln!(
        out,
        "Lambda's Invoke API for the function {COLLECTOR} is at http://{address}"
    )?;
    if !address.ip().is_loopback() {
        writeln!(
            out,
            "anyone who can reach {address} can invoke it: it takes no credentials"
        )?;
    }
    let now = SystemClock.now();
    for job in jobs {
        let (cron, zone) = (job.schedule.expression(), job.schedule.time_zone());
        let next = job.schedule.next_after(now).map_or_else(|| "never".into(), time);
        writeln!(out, "{next}  {}  first run ({cron} {zone})", job.name)?;
    }
    if jobs.is_empty() {
        writeln!(out, "no job is enabled: nothing will be fired")?;
    }
    out.flush()
}

/// A report as one line: time, job, what happened.
fn line(report: &Report) -> String {
    match report {
        Report::Fired {
            job,
            scheduled_time,
            overlapping,
            missed,
        } => {
            let overlapping = match overlapping {
                0 => String::new(),
                runs => format!(", beside {runs} that has not finished"),
            };
            let missed = match missed {
                0 => String::new(),
                times => format!(", after {times} missed"),
            };
            format!("{}  {job}  started{overlapping}{missed}", time(*scheduled_time))
        }
        Report::Finished {
            job,
            scheduled_time,
            report,
        } => {
            format!("{}  {job}  {}", time(*scheduled_time), outcome(report))
        }
    }
}

fn outcome(report: &EventReport) -> String {
    let attempts = match report.attempts.len() {
        0 | 1 => String::new(),
        several => format!(" (attempt {several})"),
    };
    let words = match report.attempts.last().map(|last| (&last.outcome, last.duration)) {
        Some((Outcome::Success(_), took)) => format!("succeeded in {} ms", took.as_millis()),
        Some((Outcome::Failure(failure), took)) => format!("failed in {} ms: {failure}", took.as_millis()),
        None => "was not invoked".into(),
    };
    let end = match report.end {
        EventEnd::Succeeded | EventEnd::Failed => "",
        EventEnd::Expired => "; given up, as the event is too old",
        EventEnd::ShutDown => "; the runner was stopped",
    };
    format!("{words}{attempts}{end}")
}

fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::{Failure, FailureKind, Invocation, Reply};

    fn attempt(outcome: Outcome) -> Invocation {
        Invocation {
            request_id: "one".into(),
            outcome,
            duration: Duration::from_micros(12_900),
            init_duration: None,
            max_memory: None,
        }
    }

    fn failed() -> Invocation {
        attempt(Outcome::Failure(Failure {
            kind: FailureKind::FunctionError,
            error_type: "push".into(),
            message: "the gateway is down".into(),
            payload: "{}".into(),
            partial: None,
        }))
    }

    #[test]
    fn a_run_is_told_in_a_line() {
        let scheduled_time = Timestamp::from_second(1_800_000_000).expect("in range");
        let fired = |overlapping, missed| Report::Fired {
            job: "cards".into(),
            scheduled_time,
            overlapping,
            missed,
        };
        let finished = |attempts, end| Report::Finished {
            job: "cards".into(),
            scheduled_time,
            report: EventReport { attempts, end },
        };
        let succeeded = || attempt(Outcome::Success(Reply::default()));
        let cases = [
            (fired(0, 0), "started"),
            (fired(1, 0), "started, beside 1 that has not finished"),
            (fired(0, 7), "started, after 7 missed"),
            (finished(vec![succeeded()], EventEnd::Succeeded), "succeeded in 12 ms"),
            (
                finished(vec![failed(), succeeded()], EventEnd::Succeeded),
                "succeeded in 12 ms (attempt 2)",
            ),
            (
                finished(vec![failed()], EventEnd::Failed),
                "failed in 12 ms: push: the gateway is down",
            ),
            (
                finished(vec![failed()], EventEnd::Expired),
                "failed in 12 ms: push: the gateway is down; given up, as the event is too old",
            ),
            (
                finished(vec![], EventEnd::ShutDown),
                "was not invoked; the runner was stopped",
            ),
        ];
        for (report, words) in cases {
            assert_eq!(line(&report), format!("2027-01-15T08:00:00Z  cards  {words}"));
        }
    }
}
