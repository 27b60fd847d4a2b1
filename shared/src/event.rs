//! The collector's event: which job to run, and for which scheduled time; or to see which jobs have not run; or that jobs are
//! to be healed.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::config::LengthOfTime;

/// What the collector is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// To run a job.
    Run(Event),
    /// To see which jobs have not run: `{"watchdog": true}`.
    Watch,
    /// To run again the jobs whose groups vanished from their gateway.
    Heal(HealEvent),
}

/// What EventBridge Scheduler sends: the job's name and the time that the run was scheduled for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The job's name.
    pub job: String,
    /// The scheduled time; `None` for a run that somebody asks for, which counts as scheduled now.
    pub scheduled_time: Option<Timestamp>,
}

/// Which jobs are to be healed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealEvent {
    /// Only jobs that do not run more often than this; `None` for what the configuration says.
    pub min_period: Option<Duration>,
    /// Only jobs of these names; empty for all.
    pub jobs: Vec<String>,
}

/// An event that is not the collector's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed event: {problem}; expected {expected}")]
pub struct MalformedEvent {
    problem: String,
    expected: &'static str,
}

const RUN: &str = r#"{"job": "NAME", "scheduled_time": "2026-01-31T10:20:00Z"} or {"watchdog": true}"#;
const HEAL: &str = r#"{"heal": {"min_period": "1h", "jobs": ["NAME"]}}, both of which may be left out"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunFields {
    job: String,
    scheduled_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HealFields {
    heal: HealSettings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HealSettings {
    min_period: Option<LengthOfTime>,
    #[serde(default)]
    jobs: Vec<String>,
}

impl Request {
    /// Reads the event's JSON.
    ///
    /// # Errors
    /// What is wrong with it: a missing or unknown key, a wrong type, a time that is none.
    pub fn parse(event: &serde_json::Value) -> Result<Self, MalformedEvent> {
        if event.get("watchdog").is_some() {
            return if *event == serde_json::json!({ "watchdog": true }) {
                Ok(Self::Watch)
            } else {
                Err(MalformedEvent {
                    problem: "`watchdog` stands alone and is `true`".to_owned(),
                    expected: RUN,
                })
            };
        }
        if event.get("heal").is_none() {
            return Event::parse(event).map(Self::Run);
        }
        let fields = HealFields::deserialize(event).map_err(|error| MalformedEvent {
            problem: error.to_string(),
            expected: HEAL,
        })?;
        Ok(Self::Heal(HealEvent {
            min_period: fields.heal.min_period.map(|LengthOfTime(period)| period),
            jobs: fields.heal.jobs,
        }))
    }
}

impl Event {
    /// Reads the JSON of an event that asks for a run.
    ///
    /// # Errors
    /// As [`Request::parse`].
    pub fn parse(event: &serde_json::Value) -> Result<Self, MalformedEvent> {
        let malformed = |problem: String| MalformedEvent { problem, expected: RUN };
        if !event.is_object() {
            return Err(malformed("it is not a JSON object".to_owned()));
        }
        let fields = RunFields::deserialize(event).map_err(|error| malformed(error.to_string()))?;
        let scheduled_time = match fields.scheduled_time.as_deref() {
            // Scheduler fills in the attribute; elsewhere it stays as it was written.
            Some(time) if time.starts_with("<aws.") => {
                let problem =
                    format!("`scheduled_time` is the unfilled {time}: only EventBridge Scheduler replaces it");
                return Err(malformed(problem));
            }
            Some(time) => {
                let read = time
                    .parse()
                    .map_err(|error| malformed(format!("`scheduled_time` is not a point in time: {error}")))?;
                Some(read)
            }
            None => None,
        };
        Ok(Self {
            job: fields.job,
            scheduled_time,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_schedulers_input_is_read() {
        let event = Event::parse(&json!({"job": "a", "scheduled_time": "2026-01-31T10:20:00Z"})).unwrap();
        assert_eq!(
            event,
            Event {
                job: "a".into(),
                scheduled_time: Some("2026-01-31T10:20:00Z".parse().unwrap())
            }
        );
        assert_eq!(Event::parse(&json!({"job": "a"})).unwrap().scheduled_time, None);
    }

    #[test]
    fn the_example_is_an_event_for_a_job_of_the_example_configuration() {
        let example = include_str!("../../events/collector-schedule.json");
        let event = Event::parse(&serde_json::from_str(example).unwrap()).unwrap();
        assert!(event.scheduled_time.is_some());
        let loaded = crate::config::load(std::path::Path::new("../config")).unwrap();
        assert_eq!(loaded.report.summary(), "");
        assert!(loaded.configuration.job(&event.job).is_ok());
    }

    #[test]
    fn the_watchdog_is_asked_for_in_its_own_words_only() {
        let example = include_str!("../../events/collector-watchdog.json");
        let example = serde_json::from_str(example).unwrap();
        assert_eq!(Request::parse(&example).unwrap(), Request::Watch);
        let job = json!({"job": "a"});
        assert_eq!(Request::parse(&job).unwrap(), Request::Run(Event::parse(&job).unwrap()));
        for event in [
            json!({"watchdog": false}),
            json!({"watchdog": 1}),
            json!({"watchdog": true, "job": "a"}),
            json!({"watchdog": true, "heal": {}}),
        ] {
            let message = Request::parse(&event).unwrap_err().to_string();
            assert!(message.contains("`watchdog` stands alone"), "{event}: {message}");
        }
    }

    #[test]
    fn what_heals_is_read() {
        let heal = |min_period: Option<u64>, jobs: &[&str]| {
            Ok(Request::Heal(HealEvent {
                min_period: min_period.map(Duration::from_secs),
                jobs: jobs.iter().map(|&job| job.to_owned()).collect(),
            }))
        };
        for (event, expected) in [
            (json!({"heal": {}}), heal(None, &[])),
            (json!({"heal": {"min_period": "1h 30m"}}), heal(Some(5_400), &[])),
            (json!({"heal": {"jobs": ["a", "b"]}}), heal(None, &["a", "b"])),
        ] {
            assert_eq!(Request::parse(&event), expected, "{event}");
        }
        let example = include_str!("../../events/collector-heal.json");
        assert_eq!(Request::parse(&serde_json::from_str(example).unwrap()), heal(None, &[]));
        for (event, expected) in [
            (json!({"heal": null}), "invalid type: null"),
            (json!({"heal": true}), "invalid type: boolean `true`"),
            (json!({"heal": {}, "job": "a"}), "unknown field `job`"),
            (json!({"heal": {"min_periods": "1h"}}), "unknown field `min_periods`"),
            (
                json!({"heal": {"min_period": "soon"}}),
                "`soon` is not a length of time",
            ),
            (json!({"heal": {"min_period": 3600}}), "invalid type: integer `3600`"),
            (json!({"heal": {"jobs": "a"}}), "invalid type: string"),
        ] {
            let message = Request::parse(&event).unwrap_err().to_string();
            assert!(
                message.starts_with("malformed event: ") && message.contains(expected) && message.ends_with(HEAL),
                "{event}: {message}"
            );
        }
    }

    #[test]
    fn what_is_not_an_event_says_what_is_wrong() {
        for (event, expected) in [
            (json!({}), "missing field `job`"),
            (json!({"job": 1}), "invalid type: integer `1`"),
            (json!([]), "not a JSON object"),
            (json!("transfers"), "not a JSON object"),
            (json!({"job": "a", "time": 1}), "unknown field `time`"),
            (
                json!({"job": "a", "scheduled_time": "soon"}),
                "`scheduled_time` is not a point in time",
            ),
            (
                json!({"job": "a", "scheduled_time": "<aws.scheduler.scheduled-time>"}),
                "unfilled <aws.scheduler.scheduled-time>",
            ),
        ] {
            let message = Request::parse(&event).unwrap_err().to_string();
            assert!(
                message.starts_with("malformed event: ") && message.contains(expected),
                "{event}: {message}"
            );
        }
    }
}
