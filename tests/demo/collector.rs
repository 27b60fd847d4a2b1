//! The collector's function under the local runner, and what its runs came to.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use fanlight_cli::runner::scheduler::{self, Report, ScheduledJob, SystemClock};
use fanlight_cli::runner::{EventEnd, Function, Invocation, LogLine, LogSink};
use fanlight_tests::Series;
use jiff::Timestamp;
use serde_json::Value;
use shared::config::Configuration;
use shared::config::job::Job;

/// So many of the log's last lines are kept for the case of a failure.
const LINES: usize = 100;

/// The function and the end of its log.
pub(crate) struct Collector {
    function: Function,
    log: Arc<Mutex<VecDeque<String>>>,
}

/// One run of a job.
pub(crate) struct Run<'a> {
    pub(crate) job: &'a Job,
    /// Why it failed.
    pub(crate) failure: Option<String>,
    /// What arrived in Prometheus.
    pub(crate) series: Vec<Series>,
    duration: Duration,
    init: Option<Duration>,
}

impl Collector {
    pub(crate) fn new(binary: &Path, config: &Path, environment: Vec<(&'static str, String)>) -> Result<Self> {
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let lines = Arc::clone(&log);
        let function = Function::builder("collector", binary)
            .env("FANLIGHT_CONFIG", config)
            .envs(environment)
            .timeout(Duration::from_mins(1))
            .log(LogSink::new(move |line: LogLine| {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push_back(line.text);
                if lines.len() > LINES {
                    lines.pop_front();
                }
            }))
            .build()?;
        Ok(Self { function, log })
    }

    /// Runs a job now, as its schedule would.
    pub(crate) async fn run<'a>(&self, job: &'a Job) -> Result<Run<'a>> {
        let invocation = self
            .function
            .invoke(scheduler::event(&job.name, Timestamp::now()))
            .await?;
        Ok(Run::new(job, invocation))
    }

    /// Fires the enabled jobs at their times and says what came of each run, for as long as this is polled.
    pub(crate) async fn follow_schedules(&self, configuration: &Configuration) -> Result<()> {
        let jobs: Vec<_> = configuration
            .jobs
            .iter()
            .filter(|job| job.enabled)
            .map(|job| self.scheduled(job))
            .collect();
        scheduler::run(&jobs, &SystemClock, |report| {
            let Report::Finished {
                job,
                scheduled_time,
                report,
            } = report
            else {
                return;
            };
            let time = scheduled_time.strftime("%H:%M:%S");
            let milliseconds = report
                .attempts
                .last()
                .map_or(0.0, |run| run.duration.as_secs_f64() * 1000.0);
            match report.end {
                EventEnd::Succeeded => println!("{time} {job} ended well in {milliseconds:.1} ms"),
                end => println!("{time} {job} did not end well: {end:?}\n{}", self.log()),
            }
        })
        .await;
        anyhow::bail!("none of the schedules will ever fire again")
    }

    fn scheduled(&self, job: &Job) -> ScheduledJob {
        ScheduledJob {
            name: job.name.as_str().into(),
            schedule: job.schedule.clone(),
            function: self.function.clone(),
        }
    }

    /// The last lines of the function's log.
    pub(crate) fn log(&self) -> String {
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Why a run that ended well was none.
fn skipped(answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    Some(format!("skipped: {}", answer.get("skipped")?))
}

impl<'a> Run<'a> {
    fn new(job: &'a Job, invocation: Invocation) -> Self {
        let Invocation {
            outcome,
            duration,
            init_duration: init,
            ..
        } = invocation;
        let failure = match outcome.into_result() {
            Ok(answer) => skipped(&answer),
            Err(failure) => Some(failure.to_string()),
        };
        Self {
            job,
            failure,
            series: Vec::new(),
            duration,
            init,
        }
    }

    /// Why the run failed, with the job's name.
    pub(crate) fn problem(&self) -> Option<String> {
        self.failure
            .as_ref()
            .map(|failure| format!("job {} failed: {failure}", self.job.name))
    }

    /// How long it took, and the start of the process where there was one.
    pub(crate) fn took(&self) -> String {
        let milliseconds = |duration: Duration| format!("{:.1} ms", duration.as_secs_f64() * 1000.0);
        match self.init {
            Some(init) => format!("{} + {} start", milliseconds(self.duration), milliseconds(init)),
            None => milliseconds(self.duration),
        }
    }
}
