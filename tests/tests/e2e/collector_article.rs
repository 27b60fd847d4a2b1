//! The example of the article that Fanlight began with, from the YAML file to the number in Prometheus.

use anyhow::Result;
use fanlight_tests::{Prometheus, Stage};

/// Letter for letter as it was published.
const ARTICLE: &str = include_str!("article.yaml");

#[tokio::test]
async fn the_articles_example_becomes_a_number_in_prometheus() -> Result<()> {
    let stage = Stage::new(
        ARTICLE,
        "CREATE TABLE transfers (id int GENERATED ALWAYS AS IDENTITY, status text);
        INSERT INTO transfers (status) SELECT unnest(ARRAY['failed', 'to_send', 'failed', 'sent', 'failed'])",
    )
    .await?;
    let answer = stage
        .deliver("transfers-status-collection", "2026-01-31T10:20:00Z")
        .await??;
    assert_eq!(
        answer.to_string(),
        r#"{"job":"transfers-status-collection","series":2}"#
    );

    let prometheus = Prometheus::start(&[stage.gateway.target()]).await?;
    let query = r#"core_transfers_status{status="failed"}"#;
    let series = prometheus.query_until(query, |series| !series.is_empty()).await?;
    assert_eq!(series.len(), 1);
    assert_eq!(
        (series[0].to_string().as_str(), series[0].value),
        (
            r#"core_transfers_status{job="transfers-status-collection",status="failed"}"#,
            3.0
        )
    );

    let told = stage.told("transfers-status-collection").await?;
    assert_eq!(told.job("up"), Some(1.0));
    assert_eq!(told.job("scheduled_timestamp_seconds"), Some(1_769_854_800.0));
    assert_eq!(
        told.job("last_run_timestamp_seconds"),
        told.job("last_success_timestamp_seconds")
    );
    assert!(told.job("duration_seconds").is_some_and(|seconds| seconds > 0.0));
    for (gauge, expected) in [
        ("up", "core_transfers_status=1"),
        ("rows", "core_transfers_status=2"),
        ("series", "core_transfers_status=2"),
        ("nulls", "core_transfers_status=0"),
        ("rows_without_organisation", ""),
    ] {
        assert_eq!(told.metrics(gauge), expected, "{gauge}");
    }
    assert!(told.has_build_info());
    Ok(())
}
