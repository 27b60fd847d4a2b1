//! What a caller is told of himself and of what becomes of his request, without asking the upstream.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::authorization::Caller;
use crate::promql::PROMETHEUS_VERSION;

use super::limits::Held;
use super::rebuild::Rebuilt;
use super::time::in_units;

/// The answer of `/api/v1/explain`: what the upstream would be asked, what it was held to, and in whose name.
pub(super) fn explain(caller: &Caller, held: Held<'_>, rebuilt: &Rebuilt) -> Vec<u8> {
    let mut request = Map::new();
    let mut selectors = Vec::new();
    for (name, value) in &rebuilt.form {
        match *name {
            // What is left of the time says nothing about the next request.
            "timeout" => {}
            "match[]" => selectors.push(value.as_str()),
            name => {
                request.insert(name.to_owned(), value.as_str().into());
            }
        }
    }
    if !selectors.is_empty() {
        request.insert("match[]".to_owned(), selectors.into());
    }
    success(&json!({
        "client": caller.client,
        "organisations": caller.organisations,
        "plan": held.name,
        "request": request,
        "limits": limits(held, rebuilt),
    }))
}

fn limits(held: Held<'_>, rebuilt: &Rebuilt) -> Value {
    let (plan, found) = (held.plan, &rebuilt.found);
    let units = |duration: Option<Duration>| duration.map(in_units);
    let limit = |found: Value, allowed: Value| {
        let mut limit = Map::new();
        if !found.is_null() {
            limit.insert("found".to_owned(), found);
        }
        limit.insert("allowed".to_owned(), allowed);
        Value::from(limit)
    };
    json!({
        "query_bytes": limit(found.query_bytes.into(), plan.query_bytes.into()),
        "depth": limit(Value::Null, plan.depth.into()),
        "selectors": limit(found.selectors.into(), plan.selectors.into()),
        "range": limit(units(found.range).into(), in_units(plan.range).into()),
        "reach": limit(units(found.reach).into(), in_units(plan.reach).into()),
        "points": limit(found.points.into(), plan.points.into()),
        "step": limit(units(found.step).into(), in_units(plan.step).into()),
        "response_bytes": limit(Value::Null, plan.response_bytes.into()),
        "time": limit(Value::Null, in_units(plan.time).into()),
        "requests_per_second": limit(Value::Null, plan.requests_per_second.into()),
        "burst": limit(Value::Null, plan.burst.into()),
    })
}

/// The answer of `/api/v1/status/buildinfo`, from which clients tell what they may ask: the PromQL that is read here is
/// that of this version. How this API is built is nobody's business.
pub(super) fn build_info() -> Vec<u8> {
    success(&json!({
        "version": format!("{PROMETHEUS_VERSION}.0"),
        "revision": "",
        "branch": "",
        "buildUser": "fanlight",
        "buildDate": "",
        "goVersion": "",
    }))
}

/// The answer of `/api/v1/query_exemplars` to a query that selects no series.
pub(super) fn no_exemplars() -> Vec<u8> {
    success(&json!([]))
}

fn success(data: &Value) -> Vec<u8> {
    json!({"status": "success", "data": data}).to_string().into_bytes()
}
