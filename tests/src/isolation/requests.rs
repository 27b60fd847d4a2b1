//! Requests over every endpoint, the same for the same seed and number.

use std::collections::BTreeSet;
use std::fmt;

use super::data::{self, Period};
use super::hostile;
use super::queries::{self, Writer};
use super::{Edition, client};

/// A request and what may become of it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) number: u64,
    /// What kind of request it is, for the report.
    pub(super) kind: &'static str,
    pub(super) post: bool,
    pub(super) path: String,
    pub(super) parameters: Vec<(String, String)>,
    /// What the server with A's series alone is asked instead, where Prometheus has no such request.
    pub(super) unenforced: Option<Vec<(String, String)>>,
    pub(super) accept: Option<&'static str>,
    /// Whether the answer may be compressed.
    pub(super) gzip: bool,
    pub(super) fate: Fate,
    /// Whether the answer depends on when it is made.
    pub(super) about_now: bool,
    pub(super) constructs: BTreeSet<&'static str>,
}

/// What may become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It gets the answer that it gets where nobody else's series are.
    Answered,
    /// It is refused, whatever Prometheus would say.
    Refused,
    /// It gets that answer or is refused.
    Either,
}

/// Of so many requests in turn, which kinds there are.
const TURNS: u64 = 20;

/// What requests for exemplars are counted as.
pub(super) const EXEMPLARS: &str = "exemplars";

const METRICS_TEXT: &str = "text/plain;version=0.0.4";
/// Names beyond ASCII are to be left as they are.
const METRICS_TEXT_UTF8: &str = "text/plain;version=1.0.0;escaping=allow-utf-8";

impl Request {
    /// Request `number` of a run.
    pub(super) fn generate(seed: u64, number: u64, edition: Edition, period: Period) -> Self {
        // Every request is its own, so that one can be made again without those before it.
        let mut random = fastrand::Rng::with_seed(seed.rotate_left(32) ^ number);
        let mut request = match number % TURNS {
            0 => Self::series(&mut random, edition, period),
            1 => Self::labels(&mut random, edition, period),
            2 => Self::label_values(&mut random, edition, period),
            3 => Self::federate(&mut random, edition, period),
            6 => Self::exemplars(&mut random, edition, period),
            4 | 5 => hostile::request(&mut random, edition, period, number / TURNS * 2 + number % TURNS - 4),
            turn => {
                let queries = TURNS - 7;
                let rules = queries::rules(edition);
                let turn = usize::try_from(number / TURNS * queries + turn - 7).unwrap_or_default();
                let query = Writer::query(&mut random, edition, period, rules[turn % rules.len()]);
                let mut request = Self::query(&mut random, period, &query.text);
                request.constructs.extend(query.constructs);
                request
            }
        };
        request.number = number;
        request.gzip = random.bool();
        request.post = request.post && request.path != "/federate" && !request.path.ends_with("/values");
        request
    }

    pub(super) fn new(kind: &'static str, path: &str, parameters: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            number: 0,
            kind,
            post: false,
            path: path.to_owned(),
            parameters: parameters.iter().map(owned).collect(),
            unenforced: None,
            accept: None,
            gzip: false,
            fate: Fate::Answered,
            about_now: false,
            constructs: BTreeSet::from([kind]),
        }
    }

    /// A query at one time or over some.
    pub(super) fn query(random: &mut fastrand::Rng, period: Period, query: &str) -> Self {
        let Period { start, end } = period;
        // Late enough for what looks back, and early enough for what looks ahead.
        let latest = end - 20 * data::INTERVAL;
        let earliest = start + 100 * data::INTERVAL;
        let post = random.bool();
        let mut request = if random.bool() {
            let time = time(random, earliest..latest);
            Self::new("query", "/api/v1/query", &[("query", query), ("time", &time)])
        } else {
            let step = *random.choice(&["15", "60", "1m30s", "5m", "37.5"]).unwrap_or(&"60");
            let first = random.i64(earliest..latest - 60_000);
            let last = random.i64(first..(first + 40 * 60_000).min(latest));
            let parameters = [
                ("query", query),
                ("start", &time(random, first..first + 1)),
                ("end", &time(random, last..last + 1)),
                ("step", step),
            ];
            Self::new("query_range", "/api/v1/query_range", &parameters)
        };
        request.post = post;
        request
    }

    /// Whether the order of the answer says something, which that of a range query never does.
    pub(super) fn is_ordered(&self) -> bool {
        let sorted = |(name, value): &(String, String)| name == "query" && value.starts_with("sort");
        self.path == "/api/v1/query" && self.parameters.iter().any(sorted)
    }

    fn series(random: &mut fastrand::Rng, edition: Edition, period: Period) -> Self {
        let mut request = Self::new("series", "/api/v1/series", &[]);
        request.add_selectors(random, edition, period, 1);
        request.add_period(random, period);
        request
    }

    fn labels(random: &mut fastrand::Rng, edition: Edition, period: Period) -> Self {
        let mut request = Self::new("labels", "/api/v1/labels", &[]);
        request.add_selectors(random, edition, period, 0);
        request.add_period(random, period);
        request
    }

    fn label_values(random: &mut fastrand::Rng, edition: Edition, period: Period) -> Self {
        const LABELS: &[&str] = &[
            "__name__",
            "job",
            "instance",
            "organisation_id",
            "metric_purpose",
            "room",
            "le",
            "state",
            "version",
            "none",
        ];
        // As Prometheus 3 has names in paths that are more than letters and digits.
        const ENCODED: &[&str] = &["U__k8s_2e_pod_2f_name", "U__http_2e_route"];
        let labels = if edition == Edition::Newest && random.u8(..6) == 0 {
            ENCODED
        } else {
            LABELS
        };
        let label = random.choice(labels).unwrap_or(&"job");
        let mut request = Self::new("label values", &format!("/api/v1/label/{label}/values"), &[]);
        request.add_selectors(random, edition, period, 0);
        request.add_period(random, period);
        request
    }

    /// These are off unless the configuration turns them on, and are the answer that has labels outside of series.
    fn exemplars(random: &mut fastrand::Rng, edition: Edition, period: Period) -> Self {
        const QUERIES: [&str; 5] = [
            "http_requests_total",
            "rate(http_request_duration_seconds_bucket[5m])",
            "sum by (job) (rate(http_requests_total{job=\"api\"}[5m])) / sum(http_requests_total)",
            "{job=~\".+\"}",
            "topk(scalar(zyzzyva_orders_total), http_requests_total)",
        ];
        let text = if random.bool() {
            (*random.choice(&QUERIES).unwrap_or(&QUERIES[0])).to_owned()
        } else {
            Writer::selector(random, edition, period).text
        };
        let mut request = Self::new(EXEMPLARS, "/api/v1/query_exemplars", &[("query", &text)]);
        let [start, end] = [period.start, period.end].map(|time| (time / 1000).to_string());
        request.parameters.push(("start".to_owned(), start));
        request.parameters.push(("end".to_owned(), end));
        request.fate = Fate::Either;
        request
    }

    fn federate(random: &mut fastrand::Rng, edition: Edition, period: Period) -> Self {
        let mut request = Self::new("federate", "/federate", &[]);
        request.add_selectors(random, edition, period, 1);
        request.accept = Some(match edition {
            Edition::Debian => METRICS_TEXT,
            Edition::Newest => METRICS_TEXT_UTF8,
        });
        request.about_now = true;
        request
    }

    fn add_selectors(&mut self, random: &mut fastrand::Rng, edition: Edition, period: Period, least: usize) {
        self.post = random.bool();
        for _ in 0..random.usize(least..=3) {
            let selector = Writer::selector(random, edition, period);
            self.parameters.push(("match[]".to_owned(), selector.text));
            self.constructs.extend(selector.constructs);
        }
        self.constructs.insert(if self.parameters.is_empty() {
            "no match[]"
        } else {
            "match[]"
        });
    }

    fn add_period(&mut self, random: &mut fastrand::Rng, period: Period) {
        if random.bool() {
            let Period { start, end } = period;
            let first = random.i64(start..end - 1_000);
            let last = random.i64(first + 1..end);
            self.parameters
                .push(("start".to_owned(), time(random, first..first + 1)));
            self.parameters.push(("end".to_owned(), time(random, last..last + 1)));
            self.constructs.insert("start and end");
        }
    }
}

/// A time in one of the ways in which Prometheus takes it.
fn time(random: &mut fastrand::Rng, range: std::ops::Range<i64>) -> String {
    let milliseconds = random.i64(range);
    match random.u8(..3) {
        0 => (milliseconds / 1000).to_string(),
        1 => format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000),
        _ => jiff::Timestamp::from_millisecond(milliseconds).map_or_else(|_| "0".to_owned(), |time| time.to_string()),
    }
}

impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = if self.post { "POST" } else { "GET" };
        write!(formatter, "request {}: {method} {}", self.number, self.path)?;
        for (name, value) in &self.parameters {
            write!(formatter, "\n    {name}={value}")?;
        }
        write!(formatter, "\n    ?{}", client::encoded(&self.parameters))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::data::Period;
    use super::super::{Edition, queries};
    use super::Request;

    fn requests(seed: u64, edition: Edition) -> impl Iterator<Item = Request> {
        (0..2_000).map(move |number| Request::generate(seed, number, edition, Period::around(1_800_000_000_000)))
    }

    #[test]
    fn the_same_seed_makes_the_same_requests_and_another_makes_others() {
        let text = |seed| {
            requests(seed, Edition::Newest)
                .map(|request| request.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(text(1), text(1));
        let both: BTreeSet<_> = text(1).into_iter().chain(text(2)).collect();
        assert!(both.len() > 3_000, "{}", both.len());
    }

    #[test]
    fn two_thousand_requests_have_every_construct() {
        for edition in [Edition::Debian, Edition::Newest] {
            let had: BTreeSet<_> = requests(3, edition).flat_map(|request| request.constructs).collect();
            let lacking: Vec<_> = queries::rules(edition)
                .into_iter()
                .filter(|rule| !had.contains(rule.name))
                .collect();
            assert!(lacking.is_empty(), "{edition}: {lacking:?}");
        }
    }

    #[test]
    fn no_two_constructs_have_the_same_name() {
        let rules = queries::rules(Edition::Newest);
        let names: BTreeSet<_> = rules.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), rules.len());
    }
}
