//! A Prometheus with series of two customers and of nobody's, and the Metrics API in front of it.

use anyhow::{Result, ensure};
use fanlight_tests::faults::Answering;
use fanlight_tests::{Customer, MetricsApi, Prometheus};
use serde_json::Value;

/// The series of two organisations of acme's, one of bolt's, and some that are nobody's.
const SERIES: &str = r#"orders{metric_purpose="external",organisation_id="acme-fr",status="paid"} 5
orders{metric_purpose="external",organisation_id="acme-fr",status="open"} 2
orders{metric_purpose="external",organisation_id="acme-de",status="paid"} 7
orders{metric_purpose="external",organisation_id="bolt",status="bolted"} 11
bolts{metric_purpose="external",organisation_id="bolt",size="m8"} 3
orders{metric_purpose="internal",organisation_id="acme-fr",status="audited"} 13
margin{metric_purpose="internal",team="finance"} 0.25
builds 17
"#;

/// What must not be in a byte of what acme is told.
const NOT_ACMES: [&str; 7] = ["bolt", "m8", "internal", "audited", "margin", "finance", "builds"];

pub(crate) struct Shop {
    pub(crate) api: MetricsApi,
    _prometheus: Prometheus,
    pub(crate) acme: Customer,
    pub(crate) bolt: Customer,
    _page: Answering,
}

impl Shop {
    pub(crate) async fn open() -> Result<Self> {
        Self::with("").await
    }

    /// With these further lines under `metrics_api`.
    pub(crate) async fn with(settings: &str) -> Result<Self> {
        let page = Answering::start(&[(200, SERIES)]).await?;
        let target = page.url().trim_start_matches("http://").to_owned();
        let prometheus = Prometheus::start(&[target]).await?;
        prometheus.query_until("builds", |series| !series.is_empty()).await?;
        let customers = [
            Customer::new("acme", &["acme-fr", "acme-de"])?,
            Customer::new("bolt", &["bolt"])?,
        ];
        let upstream = format!("    url: {:?}\n", prometheus.url());
        let api = MetricsApi::configured(&upstream, settings, &customers).await?;
        let [acme, bolt] = customers;
        Ok(Self {
            api,
            _prometheus: prometheus,
            acme,
            bolt,
            _page: page,
        })
    }

    /// The `data` that acme gets, in which nothing of others stands.
    pub(crate) async fn acmes(&self, target: &str) -> Result<Value> {
        let answer = self.api.get(&self.acme, target).await?;
        nothing_of_others(target, answer.text()?)?;
        answer.data()
    }
}

pub(crate) fn nothing_of_others(what: &str, said: &str) -> Result<()> {
    for canary in NOT_ACMES {
        ensure!(!said.contains(canary), "{what} tells acme of {canary}: {said}");
    }
    Ok(())
}

/// The series of a vector as `name{label="value"} value`, without the labels that each of them has.
pub(crate) fn vector(data: &Value) -> Vec<String> {
    let mut series: Vec<String> = data["result"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|series| {
            let labels = series["metric"].as_object().into_iter().flatten();
            let labels: Vec<_> = labels
                .filter(|(name, _)| !["__name__", "metric_purpose", "instance", "job"].contains(&name.as_str()))
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let name = series["metric"]["__name__"].as_str().unwrap_or_default();
            let value = series["value"][1].as_str().unwrap_or_default();
            format!("{name}{{{}}} {value}", labels.join(","))
        })
        .collect();
    series.sort();
    series
}

/// What acme is told of `orders`.
pub(crate) const ACMES: [&str; 3] = [
    r#"orders{organisation_id="acme-de",status="paid"} 7"#,
    r#"orders{organisation_id="acme-fr",status="open"} 2"#,
    r#"orders{organisation_id="acme-fr",status="paid"} 5"#,
];
