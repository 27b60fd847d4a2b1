//! What a caller may know when the upstream does not answer, or not with a success.

use bytes::Bytes;

use crate::envelope::{self, MOST_OF_AN_ERROR, PassageError, RelayError, UpstreamSaid, safe};
use crate::upstream::{Answer, UpstreamError};

use super::federate::too_large;
use super::problem::{Kind, Problem};
use super::record::BrokenOff;

/// The most that is logged of what the upstream says, in bytes.
const MOST_WORDS: usize = 1 << 10;

const TIME_IS_UP: &str = "the upstream did not answer in time; ask for less";

/// What is wrong with an upstream that did not answer, or not to the end.
pub(super) fn kind(error: &UpstreamError) -> Kind {
    if error.is_timeout() {
        Kind::Timeout
    } else {
        Kind::Upstream
    }
}

/// What a caller is told of that, without where the upstream is and what it said.
pub(super) fn unanswered(error: &UpstreamError) -> Problem {
    match kind(error) {
        Kind::Timeout => Problem::new(Kind::Timeout, TIME_IS_UP),
        kind => Problem::new(
            kind,
            "the upstream cannot be reached, or gives no answer that can be understood",
        ),
    }
}

/// What is said of an answer that is no success, to the caller and, in the upstream's own words, to the operator.
pub(super) async fn failed(answer: Answer) -> (Problem, String) {
    let (status, gzip) = (answer.status.as_u16(), answer.gzip);
    let retry_after = answer.retry_after;
    let read = answer.body.beginning(MOST_OF_AN_ERROR).await.unwrap_or_default();
    let said = envelope::error_body(&read, gzip);
    let reason = match &said {
        Some(said) => format!("the upstream answered {status}: {}", in_its_words(said)),
        None => format!("the upstream answered {status}, and not in Prometheus' form"),
    };
    let problem = match (status, said) {
        (429, _) => Problem::new(Kind::RateLimited, "too many requests; try again later"),
        // Whatever is wrong with our credentials is no fault of the caller's.
        (401 | 403, _) => Problem::new(
            Kind::Upstream,
            "the upstream does not let us ask; tell whoever runs this API",
        ),
        (400..=599, Some(said)) => refused(&said),
        (503, None) => Problem::new(
            Kind::UpstreamUnavailable,
            "the upstream cannot answer now; try again later",
        ),
        (504, None) => Problem::new(Kind::Timeout, TIME_IS_UP),
        (404 | 405 | 501, None) => Problem::new(Kind::Upstream, "the upstream does not serve this"),
        _ => Problem::new(Kind::Upstream, "the upstream failed; try again later"),
    };
    let retry_after = retry_after.filter(|_| matches!(problem.status(), 429 | 503));
    let problem = Problem { retry_after, ..problem };
    (problem, reason)
}

/// An error in the upstream's own words, for the operator: as many of them as a line of a log should have.
pub(super) fn in_its_words(said: &UpstreamSaid) -> String {
    let mut words = format!("{}: {}", said.error_type, said.error);
    if words.len() > MOST_WORDS {
        words.truncate(words.floor_char_boundary(MOST_WORDS));
        words.push_str(" [cut]");
    }
    words
}

/// An error of the upstream's engine, as far as it may be passed on.
pub(super) fn refused(said: &UpstreamSaid) -> Problem {
    let safe = safe::error(said);
    let (kind, status) = match safe.error_type {
        "bad_data" => (Kind::UpstreamRefused, 400),
        "not_found" => (Kind::UpstreamRefused, 404),
        "not_acceptable" => (Kind::UpstreamRefused, 406),
        "timeout" => (Kind::Timeout, 503),
        "canceled" | "unavailable" => (Kind::UpstreamUnavailable, 503),
        "internal" => (Kind::Upstream, 502),
        _ => (Kind::UpstreamRefused, 422),
    };
    Problem {
        own: Some((status, safe.error_type)),
        ..Problem::new(kind, safe.error)
    }
}

/// What a caller is told of an answer that cannot be passed on.
pub(super) fn unrelayed(error: &RelayError<UpstreamError>, plan: &str) -> Problem {
    match error {
        RelayError::Upstream(error) => unanswered(error),
        RelayError::Passage(PassageError::TooLarge { limit }) => too_large(*limit, plan),
        RelayError::Passage(PassageError::Broken(_)) | RelayError::Gunzip(_) => not_understood(),
    }
}

/// What a caller is told of an answer that is none.
pub(super) fn not_understood() -> Problem {
    Problem::new(Kind::Upstream, "the upstream's answer cannot be understood")
}

/// The end of an answer that was being passed on: its JSON and its compression stay incomplete.
pub(super) fn broken_off(error: &RelayError<UpstreamError>, plan: &str) -> BrokenOff {
    BrokenOff {
        kind: unrelayed(error, plan).kind,
        reason: error.to_string(),
        last: Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstreams_words_are_logged_up_to_a_length() {
        let said = |error: &str| UpstreamSaid {
            error_type: "execution".to_owned(),
            error: error.to_owned(),
        };
        assert_eq!(in_its_words(&said("store failed")), "execution: store failed");
        for long in [
            "x".repeat(60_000),
            "é".repeat(30_000),
            format!("a{}", "€".repeat(20_000)),
        ] {
            let words = in_its_words(&said(&long));
            let kept = words.strip_suffix(" [cut]").unwrap();
            assert!((1021..=1024).contains(&kept.len()), "{}", kept.len());
            assert!(format!("execution: {long}").starts_with(kept));
        }
    }
}
