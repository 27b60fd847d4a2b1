//! The collector's event: which job to run, and for which scheduled time; or to see which jobs have not run.

use jiff::Timestamp;
use serde::Deserialize;

/// What the collector is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// To run a job.
    Run(Event),
    /// To see which jobs have not run: `{"watchdog": true}`.
    Watch,
}

/// What EventBridge Scheduler sends: the job's name and the time that the run was scheduled for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The job's name.
    pub job: String,
    /// The scheduled time; `None` for a run that somebody asks for, which counts as scheduled now.
    pub scheduled_time: Option<Timestamp>,
}

/// An event that is not the collector's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "malformed event: {problem}; expected {{\"job\": \"NAME\", \"scheduled_time\": \"2026-01-31T10:20:00Z\"}} or {{\"watchdog\": true}}"
)]
pub struct MalformedEvent {
    problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    job: String,
    scheduled_time: Option<String>,
}

impl Request {
    /// Reads the event's JSON.
    ///
    /// # Errors
    /// As [`Event::parse`].
    pub fn parse(event: &serde_json::Value) -> Result<Self, MalformedEvent> {
        if event.get("watchdog").is_none() {
            return Event::parse(event).map(Self::Run);
        }
        if *event == serde_json::json!({ "watchdog": true }) {
            return Ok(Self::Watch);
        }
        Err(MalformedEvent {
            problem: "`watchdog` stands alone and is `true`".to_owned(),
        })
    }
}

impl Event {
    /// Reads the event's JSON.
    ///
    /// # Errors
    /// What is wrong with it: a missing or unknown key, a wrong type, a time that is none.
    pub fn parse(event: &serde_json::Value) -> Result<Self, MalformedEvent> {
        if !event.is_object() {
            return Err(MalformedEvent {
                problem: "it is not a JSON object".to_owned(),
            });
        }
        let fields = Fields::deserialize(event).map_err(|error| MalformedEvent {
            problem: error.to_string(),
        })?;
        let scheduled_time = match fields.scheduled_time.as_deref() {
            // Scheduler fills in the attribute; elsewhere it stays as it was written.
            Some(time) if time.starts_with("<aws.") => {
                let problem =
                    format!("`scheduled_time` is the unfilled {time}: only EventBridge Scheduler replaces it");
                return Err(MalformedEvent { problem });
            }
            Some(time) => Some(time.parse().map_err(|error| MalformedEvent {
                problem: format!("`scheduled_time` is not a point in time: {error}"),
            })?),
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
        ] {
            let message = Request::parse(&event).unwrap_err().to_string();
            assert!(message.contains("`watchdog` stands alone"), "{event}: {message}");
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
            let message = Event::parse(&event).unwrap_err().to_string();
            assert!(
                message.starts_with("malformed event: ") && message.contains(expected),
                "{event}: {message}"
            );
        }
    }
}
