//! The PromQL that panels ask.

use super::model::{Drawn, DrawnJob, DrawnLabel};
use super::unit::Unit;
use crate::alerts::{duration, labels, quoted};
use crate::config::job::ORGANISATION_LABEL;

/// More lines than this tell nobody anything.
const MOST_LINES: usize = 16;
/// The end of the name of a gauge that is a point in time.
const TIMESTAMP: &str = "_timestamp_seconds";

/// How a metric is drawn: a query, what its lines are called, and in what they are measured.
pub(super) struct Drawing {
    pub(super) query: String,
    pub(super) legend: String,
    pub(super) unit: Unit,
    /// What is added to the meaning, where the numbers are not simply the metric's.
    pub(super) note: Option<String>,
    /// The labels by which lines are told apart, where they are added up first; `None` where each series is a line.
    pub(super) by: Option<Vec<String>>,
}

impl Drawing {
    pub(super) fn of(job: &DrawnJob, metric: &Drawn) -> Self {
        let series = selector(job, &metric.name, []);
        let unit = Unit::of(&metric.name, metric.unit.as_deref());
        let kept = kept(&metric.labels);
        let by = (kept.len() < metric.labels.len()).then(|| kept.iter().map(|label| (*label).to_owned()).collect());
        let legend = legend(&kept, &metric.name);
        if metric.counter {
            let window = duration(job.freshness.limit());
            return Self {
                query: aggregated("sum", &kept, &format!("increase({series}[{window}])")),
                legend,
                unit,
                note: Some(format!("What came in {window}.")),
                by: Some(kept.into_iter().map(str::to_owned).collect()),
            };
        }
        let (series, unit, note) = if metric.name.ends_with(TIMESTAMP) {
            (
                format!("(time() - {series})"),
                Unit::seconds(),
                Some("How long ago.".to_owned()),
            )
        } else {
            (series, unit, None)
        };
        let Some(by) = by else {
            return Self {
                query: series,
                legend,
                unit,
                note,
                by: None,
            };
        };
        let (operator, word) = if unit.adds_up {
            ("sum", "Added up")
        } else {
            ("max", "The largest")
        };
        let dropped = metric.labels.iter().map(|label| label.name.as_str());
        let dropped: Vec<_> = dropped.filter(|label| !kept.contains(label)).collect();
        let over = format!("{word} over {}.", dropped.join(", "));
        Self {
            query: aggregated(operator, &kept, &series),
            legend,
            unit,
            note: Some(note.map_or_else(|| over.clone(), |note| format!("{note} {over}"))),
            by: Some(by),
        }
    }
}

/// A metric's series of a job, by labels.
pub(super) fn selector<'a>(
    job: &'a DrawnJob,
    metric: &str,
    filters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    of_job(&job.name, &job.grouping, metric, filters)
}

pub(super) fn of_job<'a>(
    job: &'a str,
    grouping: &'a [(String, String)],
    metric: &str,
    filters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let grouping = grouping.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let matchers = [("job", job)].into_iter().chain(grouping).chain(filters);
    format!("{metric}{}", labels(matchers))
}

/// `name=~"a|b"`, with nothing in the values having a meaning.
pub(super) fn one_of<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<_> = values.into_iter().map(regex_escaped).collect();
    format!("{name}=~{}", quoted(&values.join("|")))
}

fn regex_escaped(text: &str) -> String {
    let special = |c: char| r"\.+*?()|[]{}^$".contains(c);
    let mut escaped = String::new();
    for character in text.chars() {
        if special(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// What a line is called: the values of its labels.
pub(super) fn legend(labels: &[&str], otherwise: &str) -> String {
    if labels.is_empty() {
        return otherwise.to_owned();
    }
    let labels: Vec<_> = labels.iter().map(|label| format!("{{{{{label}}}}}")).collect();
    labels.join(" ")
}

fn aggregated(operator: &str, by: &[&str], of: &str) -> String {
    if by.is_empty() {
        format!("{operator}({of})")
    } else {
        format!("{operator} by ({}) ({of})", by.join(", "))
    }
}

/// The labels by which lines are told apart: in the order of the file, as many as do not make too many lines. A label whose
/// values nobody knows is taken for few, but for organisations, of which there are always more.
fn kept(labels: &[DrawnLabel]) -> Vec<&str> {
    let mut lines = 1;
    let mut kept = Vec::new();
    for DrawnLabel { name, values } in labels {
        let more = lines * values.unwrap_or(1);
        if name != ORGANISATION_LABEL && more <= MOST_LINES {
            lines = more;
            kept.push(name.as_str());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::alerts::Freshness;

    fn drawing(name: &str, counter: bool, labels: &[(&str, Option<usize>)]) -> (String, String) {
        let minute = Duration::from_mins(1);
        let job = DrawnJob {
            name: "j".to_owned(),
            grouping: vec![("cluster".to_owned(), "b".to_owned())],
            freshness: Freshness {
                shortest: minute,
                longest: minute,
                jitter: Duration::ZERO,
            },
            timeout: minute,
            metrics: Vec::new(),
        };
        let label = |(name, values): &(&str, Option<usize>)| DrawnLabel {
            name: (*name).to_owned(),
            values: *values,
        };
        let metric = Drawn {
            name: name.to_owned(),
            help: String::new(),
            unit: None,
            counter,
            labels: labels.iter().map(label).collect(),
            max_series: 500,
        };
        let drawing = Drawing::of(&job, &metric);
        (drawing.query, drawing.legend)
    }

    #[test]
    fn what_is_asked_follows_from_the_metric() {
        let asked = |query: &str, legend: &str| (query.to_owned(), legend.to_owned());
        for (name, counter, labels, expected) in [
            (
                "leads",
                false,
                &[][..],
                asked(r#"leads{job="j", cluster="b"}"#, "leads"),
            ),
            (
                "leads",
                false,
                &[("group", None), ("os", Some(3))],
                asked(r#"leads{job="j", cluster="b"}"#, "{{group}} {{os}}"),
            ),
            (
                "people",
                false,
                &[("step", Some(5)), ("phase", Some(3)), ("os", Some(3))],
                asked(
                    r#"sum by (step, phase) (people{job="j", cluster="b"})"#,
                    "{{step}} {{phase}}",
                ),
            ),
            (
                "cards",
                false,
                &[("organisation_id", None)],
                asked(r#"sum(cards{job="j", cluster="b"})"#, "cards"),
            ),
            (
                "wait_seconds",
                false,
                &[("organisation_id", None), ("status", None)],
                asked(r#"max by (status) (wait_seconds{job="j", cluster="b"})"#, "{{status}}"),
            ),
            (
                "mails_total",
                true,
                &[("kind", None)],
                asked(
                    r#"sum by (kind) (increase(mails_total{job="j", cluster="b"}[5m]))"#,
                    "{{kind}}",
                ),
            ),
            (
                "last_timestamp_seconds",
                false,
                &[],
                asked(
                    r#"(time() - last_timestamp_seconds{job="j", cluster="b"})"#,
                    "last_timestamp_seconds",
                ),
            ),
        ] {
            assert_eq!(drawing(name, counter, labels), expected, "{name}");
        }
    }

    #[test]
    fn values_of_a_regular_expression_are_taken_literally() {
        assert_eq!(one_of("a", ["x.y", "z"]), r#"a=~"x\\.y|z""#);
    }
}
