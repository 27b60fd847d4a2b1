//! Jobs whose groups vanished from the gateway, healed on this machine as on AWS: on the schedule of the section `heal`.

use std::io::{self, Write as _};

use shared::config::heal::HealSettings;

use crate::runner::scheduler::Clock;
use crate::runner::{Function, Outcome};

/// What the schedule sends, there as here.
const EVENT: &str = r#"{"heal":{}}"#;

/// Lets the collector heal whenever it is time, and prints a line when it had to; for ever, also where nothing is
/// configured.
pub(super) async fn run(settings: Option<&HealSettings>, collector: &Function, clock: &impl Clock) {
    let next = || settings.and_then(|settings| settings.schedule.next_after(clock.now()));
    while let Some(time) = next() {
        clock.sleep_until(time).await;
        let report = collector.invoke_event(EVENT).finished().await;
        if let Some(told) = report.attempts.last().and_then(|attempt| told(&attempt.outcome)) {
            // Nobody is left to tell that the output is closed.
            let _ = writeln!(io::stdout().lock(), "{}  heal  {told}", super::time(time));
        }
    }
    std::future::pending::<()>().await;
}

/// What came of it, where there is something to tell.
fn told(outcome: &Outcome) -> Option<String> {
    let reply = match outcome {
        Outcome::Success(reply) => reply,
        Outcome::Failure(failure) => return Some(format!("failed: {failure}")),
    };
    let answer: serde_json::Value = serde_json::from_slice(&reply.body).ok()?;
    let healed = answer["healed"].as_array()?;
    let names: Vec<&str> = healed.iter().filter_map(|job| job["job"].as_str()).collect();
    (!names.is_empty()).then(|| format!("ran {}, whose groups had vanished", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::{Failure, FailureKind, Reply};

    #[test]
    fn only_what_was_done_is_told() {
        let reply = |body: &'static str| {
            Outcome::Success(Reply {
                content_type: None,
                streamed: false,
                body: body.into(),
            })
        };
        for (outcome, expected) in [
            (reply(r#"{"healed":[],"waiting":[{"job":"a","reason":"b"}]}"#), None),
            (
                reply(r#"{"healed":[{"job":"a","series":1},{"job":"b","skipped":"late"}],"waiting":[]}"#),
                Some("ran a, b, whose groups had vanished"),
            ),
            (
                Outcome::Failure(Failure {
                    kind: FailureKind::FunctionError,
                    error_type: "heal".into(),
                    message: "sink `default`: down".into(),
                    payload: "{}".into(),
                    partial: None,
                }),
                Some("failed: heal: sink `default`: down"),
            ),
        ] {
            assert_eq!(told(&outcome).as_deref(), expected);
        }
    }
}
