//! The template's metric filters, held against what functions log: the part of CloudWatch Logs' filter patterns for JSON
//! that the template uses.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html>

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::binaries;

/// A metric filter's pattern.
#[derive(Debug)]
pub struct MetricFilter(Condition);

#[derive(Debug)]
enum Condition {
    /// A property of the record is this text, which may end in `*`.
    Is(Vec<String>, String),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

impl MetricFilter {
    /// The filter that counts for a metric, as `template.yaml` has it.
    ///
    /// # Errors
    /// There is none, or none that this module understands.
    pub fn of(metric: &str) -> Result<Self> {
        let template = fs::read_to_string(binaries::workspace().join("template.yaml"))?;
        let (before, _) = template
            .split_once(&format!("MetricName: {metric}\n        MetricValue:"))
            .with_context(|| format!("no filter of {metric}"))?;
        let (_, pattern) = before.rsplit_once("FilterPattern:").context("no pattern")?;
        let (pattern, _) = pattern.split_once("MetricTransformations:").context("no end")?;
        Self::parse(pattern.trim().trim_start_matches(">-").trim().trim_matches('\''))
    }

    fn parse(pattern: &str) -> Result<Self> {
        let inner = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let mut rest = inner.with_context(|| format!("no pattern for JSON: {pattern}"))?;
        let condition = any(&mut rest)?;
        ensure!(rest.trim().is_empty(), "{rest:?} is left of {pattern}");
        Ok(Self(condition))
    }

    /// How many lines of a log it counts.
    #[must_use]
    pub fn count(&self, log: &str) -> usize {
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|record| self.0.holds(record))
            .count()
    }
}

impl Condition {
    fn holds(&self, record: &Value) -> bool {
        match self {
            Self::Is(path, text) => {
                let found = path.iter().try_fold(record, |value, name| value.get(name));
                let found = found.and_then(Value::as_str);
                found.is_some_and(|found| match text.strip_suffix('*') {
                    Some(start) => found.starts_with(start),
                    None => found == text,
                })
            }
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(record)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(record)),
        }
    }
}

fn any(rest: &mut &str) -> Result<Condition> {
    let mut conditions = vec![all(rest)?];
    while take(rest, "||") {
        conditions.push(all(rest)?);
    }
    Ok(Condition::Any(conditions))
}

fn all(rest: &mut &str) -> Result<Condition> {
    let mut conditions = vec![one(rest)?];
    while take(rest, "&&") {
        conditions.push(one(rest)?);
    }
    Ok(Condition::All(conditions))
}

fn one(rest: &mut &str) -> Result<Condition> {
    if take(rest, "(") {
        let inner = any(rest)?;
        ensure!(take(rest, ")"), "no ) before {rest:?}");
        return Ok(inner);
    }
    ensure!(take(rest, "$."), "neither $. nor ( before {rest:?}");
    let (path, after) = rest.split_once(" = \"").context("no comparison with a text")?;
    let (text, after) = after.split_once('"').context("a text that does not end")?;
    if text.trim_end_matches('*').contains(['*', '\\']) {
        bail!("{text:?} is more than a text with a * at its end");
    }
    *rest = after;
    Ok(Condition::Is(
        path.split('.').map(str::to_owned).collect(),
        text.to_owned(),
    ))
}

fn take(rest: &mut &str, token: &str) -> bool {
    let after = rest.trim_start().strip_prefix(token);
    *rest = after.unwrap_or(rest);
    after.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_counts_the_records_that_it_is_of() {
        let pattern = r#"{ ($.level = "ERROR") || (($.type = "report") && (($.record.status = "timeout") || ($.record.error = "Runtime.*"))) }"#;
        let filter = MetricFilter::parse(pattern).unwrap();
        for (record, counted) in [
            (r#"{"level":"ERROR"}"#, 1),
            (r#"{"level":"ERRORS"}"#, 0),
            (r#"{"level":"INFO","message":"ERROR"}"#, 0),
            (r#"{"type":"report","record":{"status":"timeout"}}"#, 1),
            (r#"{"type":"report","record":{"status":"success"}}"#, 0),
            (
                r#"{"type":"report","record":{"status":"error","error":"Runtime.ExitError"}}"#,
                1,
            ),
            (r#"{"type":"start","record":{"status":"timeout"}}"#, 0),
            (r#"{"type":"report","status":"timeout"}"#, 0),
            ("ERROR", 0),
        ] {
            assert_eq!(filter.count(record), counted, "{record}");
        }
        for pattern in [
            r#"$.a = "b""#,
            r#"{ $.a = "b" ) }"#,
            r#"{ $.a != "b" }"#,
            r#"{ $.a = "*b" }"#,
        ] {
            assert!(MetricFilter::parse(pattern).is_err(), "{pattern}");
        }
    }
}
