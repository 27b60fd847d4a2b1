//! Several services in one job: one that fails takes its own series with it, and never falsifies a sum.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use axum::Router;
use axum::routing::get;
use fanlight_tests::faults::refusing;
use fanlight_tests::scripted::{Scripted, whole};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::JoinHandle;

use super::{Pages, page};

const METRICS: &str = "
  metrics:
  - {name: jobs_waiting, help: h, labels: [target, queue], value: n, from_query: q}
  - {name: jobs_all, help: h, value: n, duplicates: sum, from_query: q}
  queries:
    q: {query: {http: {path: /q, rows: /queues, key: queue, columns: {n: ''}}}}
";

fn config(one: &str, other: &str, more: &str) -> String {
    format!(
        "sources:\n  pages: {{http: {{targets: {{one: '{one}', other: '{other}'}}}}}}\njobs:\n- name: j\n  schedule: '* * * * *'\n  \
         source: pages\n{more}{}",
        METRICS.trim_start_matches('\n')
    )
}

/// A job of these services, with these settings.
fn job_of(targets: &[(&str, &Scripted)], job: &str) -> String {
    let targets: Vec<_> = targets
        .iter()
        .map(|(name, service)| format!("{name}: '{}'", service.url()))
        .collect();
    format!(
        "sources:\n  pages: {{http: {{targets: {{{}}}}}}}\njobs:\n- name: j\n  schedule: '* * * * *'\n  source: pages\n{}",
        targets.join(", "),
        job.trim_start_matches('\n')
    )
}

#[tokio::test]
async fn each_row_has_its_target_and_sums_have_all() -> Result<()> {
    let (one, other) = (
        page(r#"{"queues": {"a": 1, "b": 2}}"#).await?,
        page(r#"{"queues": {"a": 4}}"#).await?,
    );
    let pages = Pages::new(&config(&one.url(), &other.url(), "")).await?;
    assert_eq!(pages.succeed().await?, json!({"job": "j", "series": 4}));
    assert_eq!(
        pages.series("jobs_waiting").await?,
        [
            r#"jobs_waiting{queue="a",target="one"} 1"#,
            r#"jobs_waiting{queue="a",target="other"} 4"#,
            r#"jobs_waiting{queue="b",target="one"} 2"#,
        ]
    );
    assert_eq!(pages.series("jobs_all").await?, ["jobs_all 7"]);
    assert_eq!(
        pages.series("fanlight_target_up").await?,
        [
            r#"fanlight_target_up{target="one"} 1"#,
            r#"fanlight_target_up{target="other"} 1"#
        ]
    );
    assert_eq!(
        (one.asked().len(), other.asked().len()),
        (1, 1),
        "one page for both metrics"
    );
    Ok(())
}

/// A run with both, and one in which the second is down.
async fn one_goes_down(on_error: &str) -> Result<(Pages, String)> {
    let one = Scripted::start(vec![
        whole(200, &[], r#"{"queues": {"a": 1, "b": 2}}"#),
        whole(200, &[], r#"{"queues": {"a": 8}}"#),
    ])
    .await?;
    let other = Scripted::start(vec![
        whole(200, &[], r#"{"queues": {"a": 4}}"#),
        whole(500, &[], "secret of the service"),
    ])
    .await?;
    let pages = Pages::new(&config(&one.url(), &other.url(), &format!("  on_error: {on_error}\n"))).await?;
    pages.succeed().await?;
    let (kind, message) = pages.fail().await?;
    assert_eq!(kind, "status");
    let told = format!(
        "the target `other` at {}/q answered 500 Internal Server Error",
        other.url()
    );
    assert!(message.contains(&told) && !message.contains("secret"), "{message}");
    assert_eq!(
        pages.series("fanlight_target_up").await?,
        [
            r#"fanlight_target_up{target="one"} 1"#,
            r#"fanlight_target_up{target="other"} 0"#
        ]
    );
    let failed = pages.logged("target failed");
    assert_eq!(
        (failed.len(), &failed[0]["source_target"], &failed[0]["error_type"]),
        (1, &json!("other"), &json!("status"))
    );
    assert!(!pages.collector.log().contains("secret of the service"));
    Ok((pages, message))
}

#[tokio::test]
async fn one_that_is_down_loses_its_series_only_and_a_sum_keeps_its_last_good_value() -> Result<()> {
    let (pages, message) = one_goes_down("keep").await?;
    assert!(
        message.contains("jobs_all failed: ") && message.ends_with("the other metrics were pushed"),
        "{message}"
    );
    assert_eq!(
        pages.series("jobs_waiting").await?,
        [r#"jobs_waiting{queue="a",target="one"} 8"#]
    );
    assert_eq!(
        pages.series("jobs_all").await?,
        ["jobs_all 7"],
        "a sum without one of its parts would be wrong"
    );
    Ok(())
}

#[tokio::test]
async fn by_drop_the_sum_vanishes() -> Result<()> {
    let (pages, _) = one_goes_down("drop").await?;
    assert_eq!(
        pages.series("jobs_waiting").await?,
        [r#"jobs_waiting{queue="a",target="one"} 8"#]
    );
    assert_eq!(pages.series("jobs_all").await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn by_fail_nothing_is_pushed() -> Result<()> {
    let (pages, message) = one_goes_down("fail").await?;
    assert!(message.ends_with("nothing was pushed"), "{message}");
    assert_eq!(pages.series("jobs_waiting").await?.len(), 3);
    assert_eq!(pages.series("jobs_all").await?, ["jobs_all 7"]);
    Ok(())
}

#[tokio::test]
async fn where_every_metric_tells_targets_apart_the_run_fails_and_all_of_it_is_pushed() -> Result<()> {
    let one = page(r#"{"queues": {"a": 1}}"#).await?;
    let config = config(&one.url(), &format!("http://{}", refusing()?), "").replace(
        "  - {name: jobs_all, help: h, value: n, duplicates: sum, from_query: q}\n",
        "",
    );
    let pages = Pages::new(&config).await?;
    let (kind, message) = pages.fail().await?;
    assert_eq!(kind, "connect");
    assert!(
        message.starts_with("job j: target other failed: query q (")
            && message.contains("refused the connection")
            && message.ends_with("; the series of the other targets were pushed"),
        "{message}"
    );
    assert_eq!(
        pages.series("jobs_waiting").await?,
        [r#"jobs_waiting{queue="a",target="one"} 1"#]
    );
    let up = pages.gateway.value("fanlight_job_up").await?;
    assert!(up.abs() < f64::EPSILON, "{up}");
    Ok(())
}

#[tokio::test]
async fn a_grid_or_a_bucket_never_speaks_for_a_target_that_is_not_known() -> Result<()> {
    for more in [
        "fill: {target: [one, other], queue: [a]}",
        "allowed_values: {target: [one]}",
    ] {
        let one = page(r#"{"queues": {"a": 1}}"#).await?;
        let config = config(&one.url(), &format!("http://{}", refusing()?), "").replace(
            "labels: [target, queue], value: n,",
            &format!("labels: [target, queue], value: n, {more},"),
        );
        let pages = Pages::new(&config).await?;
        let (_, message) = pages.fail().await?;
        assert!(message.contains("jobs_waiting, jobs_all failed: "), "{message}");
        assert_eq!(pages.series("jobs_waiting").await?, Vec::<String>::new());
    }
    Ok(())
}

/// A service that answers as soon as two requests wait, and the most that ever waited.
async fn pairing() -> Result<(String, Arc<AtomicUsize>, JoinHandle<()>)> {
    let (pair, waiting, most) = (
        Arc::new(Barrier::new(2)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let counted = Arc::clone(&most);
    let answer = move || {
        let (pair, waiting, most) = (Arc::clone(&pair), Arc::clone(&waiting), Arc::clone(&counted));
        async move {
            let now = waiting.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            pair.wait().await;
            waiting.fetch_sub(1, Ordering::SeqCst);
            r#"{"queues": {"a": 1}}"#
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let task = tokio::spawn(async move {
        // Accepting goes on until the task is aborted.
        let _ = axum::serve(listener, Router::new().fallback(get(answer))).await;
    });
    Ok((url, most, task))
}

#[tokio::test]
async fn so_many_pages_are_fetched_side_by_side_and_no_more() -> Result<()> {
    let (url, most, task) = pairing().await?;
    let targets: Vec<_> = (0..6).map(|n| format!("t{n}: '{url}/{n}'")).collect();
    let config = config("ONE", "OTHER", "").replace(
        "{one: 'ONE', other: 'OTHER'}",
        &format!("{{{}}}, concurrency: 2", targets.join(", ")),
    );
    let pages = Pages::new(&config).await?;
    assert_eq!(pages.succeed().await?, json!({"job": "j", "series": 7}));
    assert_eq!(most.load(Ordering::SeqCst), 2);
    task.abort();
    Ok(())
}

#[tokio::test]
async fn when_all_are_down_every_metric_fails() -> Result<()> {
    let config = config(
        &format!("http://{}", refusing()?),
        &format!("http://{}", refusing()?),
        "",
    );
    let pages = Pages::new(&config).await?;
    let (kind, message) = pages.fail().await?;
    assert_eq!(kind, "connect");
    assert!(
        message.contains("jobs_waiting, jobs_all failed: ") && message.contains("target other failed: "),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn a_health_page_that_says_a_check_twice_is_that_targets_failure_alone() -> Result<()> {
    let one = page(r#"[{"db": "ok"}]"#).await?;
    for twice in [
        r#"[{"db": "ok"}, {"mail": "ok"}, {"db": "critical"}]"#,
        r#"[{"db": "ok", "db": "critical"}]"#,
    ] {
        let other = page(twice).await?;
        let config = job_of(
            &[("one", &one), ("other", &other)],
            "
  on_error: drop
  metrics:
  - {name: service_check, help: h, labels: [target, check, state], value: value, query: {http: {page: health}}}
",
        );
        let pages = Pages::new(&config).await?;
        let (_, message) = pages.fail().await?;
        assert!(
            message.contains("target other failed") && message.contains("twice") | message.contains("a second time"),
            "{message}"
        );
        let series = pages.series("service_check").await?;
        assert!(
            series.len() == 3 && series.iter().all(|series| series.contains(r#"target="one""#)),
            "{series:?}"
        );
        assert_eq!(
            pages.series("fanlight_target_up").await?,
            [
                r#"fanlight_target_up{target="one"} 1"#,
                r#"fanlight_target_up{target="other"} 0"#
            ]
        );
    }
    Ok(())
}

#[tokio::test]
async fn rows_that_a_metric_does_not_take_are_that_targets_failure_alone() -> Result<()> {
    let one = page(r#"{"rows": [{"q": "a", "n": 1}, {"q": "b", "n": 2}]}"#).await?;
    let job = "
  queries: {rows: {query: {http: {rows: /rows, columns: {q: q, n: n}}}}}
  metrics:
  - {name: waiting, help: h, labels: [target, q], value: n, from_query: rows}
  - {name: newest, help: h, labels: [target], value: n, duplicates: last, from_query: rows}
  - {name: total, help: h, value: n, duplicates: sum, from_query: rows}
";
    for (rows, words, others) in [
        (
            r#"[{"q": "a", "n": 4}, {"q": "b", "n": 8}, {"q": "a", "n": 16}]"#,
            "row 3 has the same labels as an earlier row, {target=\"other\",q=\"a\"}",
            ["newest{target=\"one\"} 2", "newest{target=\"other\"} 16"].as_slice(),
        ),
        (
            r#"[{"q": "a", "n": 4}, {"q": ["secret"], "n": 8}]"#,
            "row 2: column \"q\"",
            &["newest{target=\"one\"} 2", "newest{target=\"other\"} 8"],
        ),
        (
            r#"[{"q": "a", "n": "secret"}]"#,
            "row 1: column \"n\"",
            &["newest{target=\"one\"} 2"],
        ),
    ] {
        let other = page(&format!(r#"{{"rows": {rows}}}"#)).await?;
        let config = job_of(&[("one", &one), ("other", &other)], job);
        let pages = Pages::new(&config).await?;
        let (kind, message) = pages.fail().await?;
        assert_eq!(kind, "rows");
        let told = format!(
            "`waiting` takes no row of the page of the target `other` at {}: {words}",
            other.url()
        );
        assert!(message.contains(&told) && !message.contains("secret"), "{message}");
        assert_eq!(
            pages.series("waiting").await?,
            [r#"waiting{q="a",target="one"} 1"#, r#"waiting{q="b",target="one"} 2"#]
        );
        assert_eq!(pages.series("newest").await?, others, "{rows}");
        let total: &[&str] = if rows.contains("\"secret\"}") {
            &[]
        } else {
            &["total 31", "total 15"]
        };
        let made = pages.series("total").await?;
        assert!(made.iter().all(|series| total.contains(&series.as_str())) && made.is_empty() == total.is_empty());
        assert_eq!(
            pages.series("fanlight_target_up").await?,
            [
                r#"fanlight_target_up{target="one"} 1"#,
                r#"fanlight_target_up{target="other"} 0"#
            ]
        );
    }
    Ok(())
}

#[tokio::test]
async fn where_no_targets_rows_are_taken_the_metric_is_at_fault() -> Result<()> {
    let one = page(r#"[{"n": 1}, {"n": 2}]"#).await?;
    let other = page(r#"[{"n": 4}, {"n": 8}]"#).await?;
    let empty = page("[]").await?;
    let config = job_of(
        &[("one", &one), ("other", &other), ("empty", &empty)],
        "
  metrics:
  - {name: n, help: h, labels: [target], value: n, query: {http: {columns: {n: n}}}}
",
    );
    let pages = Pages::new(&config).await?;
    let (_, message) = pages.fail().await?;
    assert!(
        message.starts_with("job j: n failed: ") && message.contains("row 2 has the same labels"),
        "{message}"
    );
    assert_eq!(
        pages.series("fanlight_target_up").await?,
        ["empty", "one", "other"].map(|target| format!("fanlight_target_up{{target=\"{target}\"}} 1"))
    );
    Ok(())
}
