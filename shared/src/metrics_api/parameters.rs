//! The parameters of a request, held against those of its endpoint.

use super::endpoint::{Endpoint, Method, Times};
use super::event::Event;
use super::problem::{Kind, Problem};
use super::time::{self, Millis, Time};

/// What Prometheus says of a time that must be given and is not, and what to do.
const MISSING_TIME: &str = "cannot parse \"\" to a valid timestamp; write seconds since 1970 or 2026-01-31T10:20:00Z";

/// Parameters that the endpoint has, each as often as it may be given.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Reads the body and the URL by one rule: what may be given once may be given once in both together.
    pub(super) fn read(event: &Event, endpoint: &Endpoint, method: Method) -> Result<Self, Problem> {
        let mut read: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in event.parameters(method == Method::Post)? {
            let known = endpoint.parameters().iter().find(|(known, _)| *known == name);
            let Some((name, times)) = known else {
                return Err(unknown(&name, endpoint));
            };
            if *times == Times::Once && read.iter().any(|(other, _)| other == name) {
                return Err(Problem::parameter(
                    name,
                    "given more than once; give it once, in the URL or in the body",
                ));
            }
            if value.contains('\0') {
                return Err(Problem::parameter(name, "has a NUL"));
            }
            read.push((name, value));
        }
        Ok(Self(read))
    }

    /// A parameter that may be given once; like Prometheus, without what is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(found, _)| *found == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The selectors, in their order.
    pub(super) fn selectors(&self) -> impl Iterator<Item = &str> {
        let selectors = self.0.iter().filter(|(name, _)| *name == "match[]");
        selectors.map(|(_, value)| value.as_str())
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Time>, Problem> {
        self.get(name)
            .map(|text| time::parse_time(text).map_err(|error| Problem::parameter(name, error)))
            .transpose()
    }

    /// A time that must be given, or has a default, and cannot be one of the ends of all time.
    pub(super) fn instant(&self, name: &str, default: Option<Millis>) -> Result<Millis, Problem> {
        match (self.time(name)?, default) {
            (Some(Time::Millis(millis)), _) | (None, Some(millis)) => Ok(millis),
            (Some(Time::Min | Time::Max), _) => Err(Problem::parameter(name, "no data can be there")),
            (None, None) => Err(Problem::parameter(name, MISSING_TIME)),
        }
    }

    /// In nanoseconds.
    pub(super) fn duration(&self, name: &str) -> Result<Option<i64>, Problem> {
        self.get(name)
            .map(|text| time::parse_duration(text).map_err(|error| Problem::parameter(name, error)))
            .transpose()
    }

    /// A limit on the number of results; `None` for no limit, which 0 stands for as well.
    pub(super) fn limit(&self) -> Result<Option<u64>, Problem> {
        let Some(text) = self.get("limit") else {
            return Ok(None);
        };
        match text.parse::<i64>() {
            Ok(0) => Ok(None),
            Ok(limit) => u64::try_from(limit)
                .map(Some)
                .map_err(|_| Problem::parameter("limit", "limit must be non-negative")),
            Err(_) => Err(Problem::parameter("limit", "not a whole number such as 100")),
        }
    }
}

fn unknown(name: &str, endpoint: &Endpoint) -> Problem {
    let shown: String = name.chars().take(64).collect();
    let allowed: Vec<&str> = endpoint.parameters().iter().map(|(name, _)| *name).collect();
    let allowed = match allowed.as_slice() {
        [] => "has no parameters".to_owned(),
        allowed => format!("has {}", allowed.join(", ")),
    };
    Problem::new(
        Kind::Parameter,
        format!("unknown parameter {shown:?}: {} {allowed}", endpoint.name()),
    )
}
