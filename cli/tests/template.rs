//! The SAM template says nothing that the example configuration contradicts.

#![expect(
    clippy::expect_used,
    reason = "what a helper of a test does not expect fails the test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use shared::config::Configuration;

/// What a function has beyond the longest time that the configuration allows, to end or to fail in good order.
const MARGIN: Duration = Duration::from_secs(5);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn template() -> Value {
    let text = std::fs::read_to_string(root().join("template.yaml")).expect("the template");
    serde_saphyr::from_str(&text).expect("YAML")
}

fn resources() -> serde_json::Map<String, Value> {
    template()["Resources"].as_object().expect("a mapping").clone()
}

fn configuration() -> Configuration {
    let loaded = shared::config::load(&root().join("config")).expect("the example configuration");
    assert_eq!(loaded.report.mistakes(), 0, "{}", loaded.report.summary());
    loaded.configuration
}

/// A function's, which may be a parameter's default.
fn timeout(function: &str) -> Duration {
    let template = template();
    let timeout = &template["Resources"][function]["Properties"]["Timeout"];
    let seconds = match timeout.as_str() {
        Some(parameter) => template["Parameters"][parameter]["Default"].as_u64(),
        None => timeout.as_u64(),
    };
    Duration::from_secs(seconds.expect("a function with a timeout"))
}

#[test]
fn each_plan_has_its_usage_plan() {
    let configuration = configuration();
    let configured: BTreeMap<String, (u64, u64)> = configuration
        .metrics_api()
        .unwrap()
        .plans
        .iter()
        .map(|(name, plan)| (name.clone(), (plan.requests_per_second.into(), plan.burst.into())))
        .collect();
    let deployed: BTreeMap<String, (u64, u64)> = resources()
        .values()
        .filter(|resource| resource["Type"] == "AWS::ApiGateway::UsagePlan")
        .map(|plan| {
            let properties = &plan["Properties"];
            let name = properties["UsagePlanName"].as_str().unwrap();
            let name = name.strip_prefix("${AWS::StackName}-").unwrap().to_owned();
            let limit = |key: &str| properties["Throttle"][key].as_u64().unwrap();
            (name, (limit("RateLimit"), limit("BurstLimit")))
        })
        .collect();
    assert_eq!(
        deployed, configured,
        "template.yaml needs a resource AWS::ApiGateway::UsagePlan for each of metrics_api.plans, of its \
         requests_per_second and burst"
    );
}

#[test]
fn the_collector_outlives_its_longest_job() {
    let configuration = configuration();
    let longest = configuration.jobs.iter().map(|job| job.timeout).max().unwrap();
    assert!(timeout("Collector") >= longest + MARGIN, "{longest:?}");
}

#[test]
fn the_metrics_api_outlives_its_longest_answer() {
    let configuration = configuration();
    let plans = &configuration.metrics_api().unwrap().plans;
    let longest = plans.values().map(|plan| plan.time).max().unwrap();
    assert!(timeout("MetricsApi") >= longest + MARGIN, "{longest:?}");
}
