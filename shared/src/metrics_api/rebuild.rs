//! From what a caller asks to what the upstream is asked: enforced, within the plan's limits, and written anew.

use std::time::Duration;

use crate::promql::{self, Limits, Policy, Tree, Window};
use crate::upstream::Method;

use super::endpoint::Endpoint;
use super::limits::{Found, Held, between};
use super::parameters::Parameters;
use super::problem::{Kind, Problem};
use super::time::{Millis, Time, seconds};

/// Prometheus' own bound on the points of each series of a range query.
const MOST_POINTS_A_SERIES: i128 = 11_000;

/// A request to the upstream, in which nothing is as the caller wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rebuilt {
    pub(super) method: Method,
    /// Below the upstream's base URL.
    pub(super) path: String,
    pub(super) form: Vec<(&'static str, String)>,
    /// What it came to.
    pub(super) found: Found,
}

/// In whose name, when, and by when.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) policy: &'a Policy,
    pub(super) held: Held<'a>,
    pub(super) now: Millis,
    /// How long an answer may still take.
    pub(super) left: Duration,
}

impl Asker<'_> {
    /// What becomes of a request for data. What is answered without the upstream is not this function's.
    pub(super) fn rebuild(&self, endpoint: &Endpoint, parameters: &Parameters) -> Result<Rebuilt, Problem> {
        let path = match endpoint {
            Endpoint::LabelValues(name) => format!("/api/v1/label/{}/values", name.segment()),
            Endpoint::Federate => "/api/v1/query".to_owned(),
            _ => endpoint.name().to_owned(),
        };
        let method = match endpoint {
            Endpoint::LabelValues(_) => Method::Get,
            // Queries are long, and logs of what is in between should not have them.
            _ => Method::Post,
        };
        let (form, found) = match endpoint {
            Endpoint::Query => self.instant_query(parameters)?,
            Endpoint::QueryRange => self.range_query(parameters)?,
            Endpoint::Series | Endpoint::Labels | Endpoint::LabelValues(_) => self.metadata(parameters)?,
            Endpoint::QueryExemplars => self.exemplars(parameters)?,
            Endpoint::FormatQuery => self.enforced_query(parameters)?,
            Endpoint::Federate => self.federation(parameters)?,
            Endpoint::Explain => self.explained(parameters)?,
            Endpoint::BuildInfo => Default::default(),
        };
        Ok(Rebuilt {
            method,
            path,
            form,
            found,
        })
    }

    fn instant_query(&self, parameters: &Parameters) -> Result<Asked, Problem> {
        let time = parameters.instant("time", Some(self.now))?;
        let (query, found) = self.query(parameters, &Window::instant(time), Duration::ZERO)?;
        let mut form = vec![("query", query), ("time", seconds(time))];
        self.add_timeout(parameters, &mut form)?;
        add_limit(parameters, &mut form)?;
        Ok((form, found))
    }

    fn range_query(&self, parameters: &Parameters) -> Result<Asked, Problem> {
        let start = parameters.instant("start", None)?;
        let end = parameters.instant("end", None)?;
        if end < start {
            return Err(Problem::parameter("end", "end timestamp must not be before start time"));
        }
        let nanos = parameters.duration("step")?.ok_or_else(|| {
            Problem::parameter("step", "cannot parse \"\" to a valid duration; write seconds or 1h30m")
        })?;
        // Prometheus counts in milliseconds from here on.
        let step = nanos / NANOS;
        let window = Window::range(start, end, step).ok_or_else(|| {
            let why = "zero or negative query resolution step widths are not accepted. Try a positive integer";
            Problem::parameter("step", why)
        })?;
        if i128::from(end - start) * i128::from(NANOS) / i128::from(nanos) > MOST_POINTS_A_SERIES {
            return Err(Problem::new(
                Kind::Resolution,
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution \
                 (?step=XX)",
            ));
        }
        let (range, interval) = (between(start, end), between(0, step));
        self.held.step(interval)?;
        self.held.range(range, interval)?;
        let (query, found) = self.query(parameters, &window, interval)?;
        let mut form = vec![
            ("query", query),
            ("start", seconds(start)),
            ("end", seconds(end)),
            ("step", seconds(step)),
        ];
        self.add_timeout(parameters, &mut form)?;
        add_limit(parameters, &mut form)?;
        let found = Found {
            range: Some(range),
            step: Some(interval),
            ..found
        };
        Ok((form, found))
    }

    /// `/series`, `/labels` and `/label/../values`.
    fn metadata(&self, parameters: &Parameters) -> Result<Asked, Problem> {
        let (selectors, found) = self.selectors(parameters)?;
        let (bounds, found) = self.bounds(parameters, found)?;
        let mut form: Form = selectors.into_iter().map(|selector| ("match[]", selector)).collect();
        form.extend(bounds);
        add_limit(parameters, &mut form)?;
        Ok((form, found))
    }

    /// The query's selectors are read between the two ends; neither `offset` nor a range means anything here.
    fn exemplars(&self, parameters: &Parameters) -> Result<Asked, Problem> {
        let (query, found) = self.enforce(parameters)?;
        if let (Some(Time::Millis(start)), Some(Time::Millis(end))) =
            (parameters.time("start")?, parameters.time("end")?)
            && end < start
        {
            let message = "end timestamp must not be before start timestamp";
            return Err(Problem::parameter("end", message));
        }
        let (bounds, found) = self.bounds(parameters, found)?;
        let mut form = vec![("query", query)];
        form.extend(bounds);
        Ok((form, found))
    }

    fn enforced_query(&self, parameters: &Parameters) -> Result<Asked, Problem> {
        let (query, found) = self.enforce(parameters)?;
        Ok((vec![("query", query)], found))
    }

    fn federation(&self, parameters: &Parameters) -> Result<Asked, Problem> {
        let (selectors, found) = self.selectors(parameters)?;
        let query = crate::federation::union(&selectors);
        let form = vec![
            ("query", query),
            ("time", seconds(self.now)),
            ("timeout", timeout(self.left)),
        ];
        Ok((form, found))
    }

    /// What `/explain` would ask for, of a query at an instant, a query over a range, or selectors.
    fn explained(&self, parameters: &Parameters) -> Result<Asked, Problem> {
        let given = |name: &&str| parameters.get(name).is_some();
        let of_range: Vec<&str> = ["start", "end", "step"].into_iter().filter(given).collect();
        let clash = |one: &str, other: &str| Err(Problem::parameter(one, format!("not together with {other:?}")));
        if parameters.selectors().next().is_some() {
            return match ["query", "time", "step"].into_iter().find(given) {
                Some(name) => clash(name, "match[]"),
                None => self.metadata(parameters),
            };
        }
        match of_range.first() {
            Some(name) if given(&"time") => clash("time", name),
            Some(_) => self.range_query(parameters),
            None => self.instant_query(parameters),
        }
    }

    /// The enforced query, which may cost what it costs in `window`.
    fn query(&self, parameters: &Parameters, window: &Window, slack: Duration) -> Result<(String, Found), Problem> {
        let (query, written) = self.enforce(parameters)?;
        let analysis = promql::analyse(&self.parse(&query)?, window).map_err(|error| {
            // Positions in what the caller has written mean more to him, where that is a query by itself.
            let own = parameters.get("query").unwrap_or_default();
            let own = promql::parse(own, &self.held.plan.query_limits()).ok();
            let error = own
                .and_then(|tree| promql::analyse(&tree, window).err())
                .unwrap_or(error);
            Problem::new(Kind::Query, format!("query:{error}"))
        })?;
        let found = self.held.cost(&analysis, self.now, slack)?;
        let found = Found {
            query_bytes: written.query_bytes,
            ..found
        };
        Ok((query, found))
    }

    fn enforce(&self, parameters: &Parameters) -> Result<(String, Found), Problem> {
        let written = parameters.get("query").unwrap_or_default();
        let query = self
            .policy
            .enforce(written)
            .map_err(|error| self.held.unenforced("query", &error))?;
        let found = Found {
            query_bytes: written.len(),
            selectors: self.parse(&query)?.selector_count(),
            ..Found::default()
        };
        Ok((query, found))
    }

    /// Reads a query that has been enforced, and is as long as that may make it.
    fn parse<'q>(&self, query: &'q str) -> Result<Tree<'q>, Problem> {
        let limits = Limits {
            bytes: u32::MAX,
            tokens: u32::MAX,
            ..self.held.plan.query_limits()
        };
        promql::parse(query, &limits).map_err(|error| {
            tracing::error!(%error, "an enforced query cannot be read");
            Problem::new(Kind::Internal, "the query could not be enforced; nothing was asked")
        })
    }

    /// The enforced selectors; without any, that of all that the caller may see.
    fn selectors(&self, parameters: &Parameters) -> Result<(Vec<String>, Found), Problem> {
        let written: Vec<&str> = parameters.selectors().collect();
        let found = Found {
            query_bytes: written.iter().map(|selector| selector.len()).sum(),
            selectors: written.len().max(1),
            ..Found::default()
        };
        self.held.selectors(found.selectors)?;
        if written.is_empty() {
            let all = self.policy.selector();
            let all = all.map_err(|error| self.held.unenforced("match[]", &error))?;
            return Ok((vec![all], found));
        }
        let enforced = written.iter().enumerate().map(|(index, selector)| {
            self.policy.enforce_selector(selector).map_err(|error| {
                let which = if written.len() == 1 {
                    "match[]".to_owned()
                } else {
                    format!("match[] {}", index + 1)
                };
                self.held.unenforced(&which, &error)
            })
        });
        let enforced: Vec<String> = enforced.collect::<Result<_, _>>()?;
        self.held.query_bytes(found.query_bytes)?;
        Ok((enforced, found))
    }

    /// `start` and `end` of a request that need not have them. Prometheus would search all that it has between them; here
    /// the latest that the plan allows is searched, so that a request without them, or one that asks for "ever", is
    /// answered, and at a bounded cost. One whose whole time is out of reach is refused. Between an end and a later start
    /// there is nothing, which is what Prometheus says.
    fn bounds(&self, parameters: &Parameters, found: Found) -> Result<(Form, Found), Problem> {
        let plan = self.held.plan;
        let before = |time: Millis, duration: Duration| {
            time.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
        };
        let start = match parameters.time("start")? {
            Some(Time::Millis(start)) => start,
            Some(Time::Min) | None => Millis::MIN,
            Some(Time::Max) => return Err(Problem::parameter("start", "no data can be so late")),
        };
        let end = match parameters.time("end")? {
            Some(Time::Millis(end)) => end,
            Some(Time::Max) | None => Millis::MAX,
            Some(Time::Min) => return Err(Problem::parameter("end", "no data can be so early")),
        };
        self.held.reach(between(end, self.now), Duration::ZERO)?;
        let (start, end) = if between(start, end) > plan.range {
            // Nothing is to be found later than now, unless somebody looks there alone.
            let end = end.min(self.now.max(start));
            (start.max(before(end, plan.range)), end)
        } else {
            (start, end)
        };
        let start = start.max(before(self.now, plan.reach).min(end));
        let found = Found {
            range: Some(between(start, end)),
            reach: Some(between(start, self.now)),
            ..found
        };
        Ok((vec![("start", seconds(start)), ("end", seconds(end))], found))
    }

    /// The caller's timeout, but no longer than an answer may still take: the upstream should not go on after that.
    fn add_timeout(&self, parameters: &Parameters, form: &mut Form) -> Result<(), Problem> {
        let limit = match parameters.duration("timeout")? {
            Some(nanos) if nanos < NANOS => {
                return Err(Problem::parameter(
                    "timeout",
                    "there is no time left in it; write a millisecond or more, such as 10s",
                ));
            }
            Some(nanos) => self.left.min(Duration::from_nanos(nanos.unsigned_abs())),
            None => self.left,
        };
        form.push(("timeout", timeout(limit)));
        Ok(())
    }
}

type Form = Vec<(&'static str, String)>;
type Asked = (Form, Found);
const NANOS: i64 = 1_000_000;

fn add_limit(parameters: &Parameters, form: &mut Form) -> Result<(), Problem> {
    if let Some(limit) = parameters.limit()? {
        form.push(("limit", limit.to_string()));
    }
    Ok(())
}

/// No timeout at all would be a longer one.
fn timeout(duration: Duration) -> String {
    seconds(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).max(1))
}
