//! `fanlight dev`: the functions on this machine until it is interrupted: the collector, fired on its jobs' schedules, and
//! the Metrics API behind its authorizer.

mod api;
mod heal;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use shared::config::heal::HealSettings;
use shared::config::job::Job;
use shared::config::{FolderError, NoMetricsApi};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use self::api::{LocalApi, api_listen};
use crate::output::unless_closed;
use crate::runner::api_gateway::InvalidRestApi;
use crate::runner::scheduler::{self, Clock, Report, ScheduledJob, SystemClock};
use crate::runner::{EventEnd, EventReport, Function, InvalidFunction, Outcome, invoke_api};

/// The names of the functions, their packages and their binaries.
const COLLECTOR: &str = "collector";
const METRICS_API: &str = "metrics-api";
const AUTHORIZER: &str = "authorizer";

/// What the function has beyond its longest job's timeout, to log and push the failure of a job that took too long.
const MARGIN: Duration = Duration::from_secs(5);
/// The longest timeout that Lambda allows.
const LONGEST_TIMEOUT: Duration = Duration::from_mins(15);

/// Runs the functions on this machine, the collector on its jobs' schedules, until interrupted.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Address of Lambda's Invoke API (`aws lambda invoke --endpoint-url http://ADDR`); port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// Address of the Metrics API, served when it is configured; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9002")]
    api_listen: SocketAddr,
    /// The collector's binary; the one beside this command by default
    #[arg(long, value_name = "PATH")]
    collector: Option<PathBuf>,
    /// The Metrics API's binary; the one beside this command by default
    #[arg(long, value_name = "PATH")]
    metrics_api: Option<PathBuf>,
    /// The authorizer's binary; the one beside this command by default
    #[arg(long, value_name = "PATH")]
    authorizer: Option<PathBuf>,
}

/// Why the runner could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The configuration cannot be read.
    #[error(transparent)]
    Configuration(#[from] FolderError),
    /// A function's binary is not where it should be.
    #[error("{source}; build it (`cargo build -p {package}`) or name it with --{package} PATH")]
    Function {
        /// The function and its package.
        package: &'static str,
        /// What is wrong.
        source: InvalidFunction,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another address with --{option} ADDR")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The option that names it.
        option: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The Metrics API's section has a mistake.
    #[error(transparent)]
    MetricsApi(#[from] NoMetricsApi),
    /// The REST API is none.
    #[error(transparent)]
    RestApi(#[from] InvalidRestApi),
    /// The system refused something else.
    #[error("cannot run: {0}")]
    Io(#[from] io::Error),
}

impl DevError {
    /// Whether it keeps the Metrics API alone from being served, and nobody has asked for that by an option.
    fn is_of_api_alone(&self, args: &DevArgs) -> bool {
        match self {
            Self::MetricsApi(_) => true,
            Self::Function { package, .. } => match *package {
                METRICS_API => args.metrics_api.is_none(),
                AUTHORIZER => args.authorizer.is_none(),
                _ => false,
            },
            _ => false,
        }
    }
}

/// Fires the enabled jobs until SIGINT or SIGTERM and prints a line for each run, and serves the Metrics API if it is
/// configured. The functions get the variables of this command's environment, and write their logs to standard error.
///
/// # Errors
/// When the configuration, a function or an address cannot be used.
pub async fn run(args: DevArgs, config: &Path) -> Result<ExitCode, DevError> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let loaded = shared::config::load(config)?;
    // As in the function: the jobs without mistakes run.
    eprint!("{}", loaded.report.render(io::stderr().is_terminal()));
    let enabled: Vec<&Job> = loaded.configuration.jobs.iter().filter(|job| job.enabled).collect();
    let config = std::path::absolute(config)?;
    let function = |package, binary| {
        Function::builder(package, binary)
            .envs(std::env::vars_os())
            // Absolute, as the function runs in its binary's folder.
            .env("FANLIGHT_CONFIG", &config)
    };
    let longest = enabled.iter().map(|job| job.timeout).max().unwrap_or_default();
    let collector = function(COLLECTOR, beside(COLLECTOR, args.collector.as_ref())?)
        .timeout((longest + MARGIN).min(LONGEST_TIMEOUT))
        // Whoever watches is told of a failure at once; the next scheduled run is the second try.
        .retries(0)
        .build()
        .map_err(|source| DevError::Function {
            package: COLLECTOR,
            source,
        })?;
    let listening = |source| DevError::Listen {
        address: args.listen,
        option: "listen",
        source,
    };
    let listener = TcpListener::bind(args.listen).await.map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;
    let server = axum::serve(listener, invoke_api::router([collector.clone()]));
    let api = match loaded.configuration.metrics_api() {
        Ok(settings) => LocalApi::start(settings, &args, function).await.map(Some),
        Err(NoMetricsApi::NotDeclared) => Ok(None),
        Err(flawed) => Err(flawed.into()),
    };
    let api = match api {
        // Who has not built it, or is in the middle of configuring it, still has his jobs.
        Err(error) if error.is_of_api_alone(&args) => {
            eprintln!("fanlight: the Metrics API is not served: {error}");
            None
        }
        api => api?,
    };
    let scheduled: Vec<ScheduledJob> = enabled
        .iter()
        .map(|job| ScheduledJob {
            name: job.name.as_str().into(),
            schedule: job.schedule.clone(),
            function: collector.clone(),
        })
        .collect();

    let heal = loaded.configuration.heal.as_ref();
    let plan = print_plan(&mut io::stdout().lock(), address, api.as_ref(), &scheduled, heal);
    unless_closed(plan)?;
    let healer = collector.clone();
    let functions = api.iter().flat_map(LocalApi::functions).chain([collector]);
    let functions: Vec<Function> = functions.collect();
    let serving_api = async {
        match api {
            Some(api) => api.serve().await.map_err(|source| api_listen(&args, source)),
            None => std::future::pending().await,
        }
    };
    let firing = async {
        scheduler::run(&scheduled, &SystemClock, |report| {
            // Nobody is left to tell that the output is closed.
            let _ = writeln!(io::stdout().lock(), "{}", line(&report));
        })
        .await;
        // Without a job to fire there is still the API.
        std::future::pending::<()>().await;
    };
    let healing = heal::run(heal, &healer, &SystemClock);
    let ended = tokio::select! {
        result = server.into_future() => result.map_err(listening),
        result = serving_api => result,
        () = firing => Ok(()),
        () = healing => Ok(()),
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    for function in functions {
        function.shutdown().await;
    }
    ended.map(|()| ExitCode::SUCCESS)
}

/// The binary that an option names, or the function's beside this command.
fn beside(package: &str, named: Option<&PathBuf>) -> io::Result<PathBuf> {
    match named {
        Some(path) => Ok(path.clone()),
        None => Ok(std::env::current_exe()?.with_file_name(package)),
    }
}

fn print_plan(
    out: &mut impl Write,
    address: SocketAddr,
    api: Option<&LocalApi>,
    jobs: &[ScheduledJob],
    heal: Option<&HealSettings>,
) -> io::Result<()> {
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
    if let Some(api) = api {
        let url = api.url();
        writeln!(
            out,
            "the Metrics API is at {url}: {url}/api/v1/query, {url}/federate; it needs a token, and no rate is limited"
        )?;
        if !api.address.ip().is_loopback() {
            writeln!(
                out,
                "tokens travel to {} in the clear: there is no TLS in front of it",
                api.address
            )?;
        }
    }
    let now = SystemClock.now();
    for job in jobs {
        let (cron, zone) = (job.schedule.expression(), job.schedule.time_zone());
        let next = job.schedule.next_after(now).map_or_else(|| "never".into(), time);
        writeln!(out, "{next}  {}  first run ({cron} {zone})", job.name)?;
    }
    if let Some(HealSettings { schedule, .. }) = heal {
        let (cron, zone) = (schedule.expression(), schedule.time_zone());
        let next = schedule.next_after(now).map_or_else(|| "never".into(), time);
        writeln!(out, "{next}  heal  first look for what vanished ({cron} {zone})")?;
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
