//! The client of the Pushgateway, and the text that it carries, against the real one.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fanlight_tests as servers;
use fanlight_tests::promtool_check_metrics;
use serde_json::Value;
use shared::assembly::{Assembler, Form, Outcome};
use shared::config::job::{Duplicates, Label, Metric, MetricKind, NullValue, OnEmpty, Values};
use shared::pushgateway::{Auth, Body, GatewayError, GroupingKey, Pushgateway};
use shared::rows::{Column, Row, UnreadableCell};
use tokio::time::Instant;

fn client(gateway: &servers::Pushgateway) -> Result<Pushgateway> {
    Ok(Pushgateway::new(
        &gateway.url(),
        Auth::None,
        None,
        Duration::from_secs(10),
    )?)
}

fn text(text: &str) -> Body {
    Body::Plain(text.to_owned().into())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn job(name: &str) -> GroupingKey {
    GroupingKey::new(name, &[])
}

#[tokio::test]
async fn put_replaces_the_group_and_post_its_families() -> Result<()> {
    let gateway = servers::Pushgateway::start().await?;
    let client = client(&gateway)?;
    client.put(&job("other"), text("a 9\n"), soon()).await?;
    client
        .put(&job("a"), text("a{l=\"1\"} 1\na{l=\"2\"} 2\nb 3\n"), soon())
        .await?;
    client.post(&job("a"), text("a{l=\"2\"} 4\n"), soon()).await?;
    assert_eq!(
        gateway.series("a").await?,
        [r#"a{instance="",job="a",l="2"} 4"#, r#"a{instance="",job="other"} 9"#]
    );
    assert_eq!(gateway.series("b").await?, [r#"b{instance="",job="a"} 3"#]);
    client.put(&job("a"), text("b 5\n"), soon()).await?;
    assert_eq!(gateway.series("a").await?, [r#"a{instance="",job="other"} 9"#]);
    assert_eq!(gateway.series("b").await?, [r#"b{instance="",job="a"} 5"#]);
    client.put(&job("a"), Body::Gzip(Vec::new().into()), soon()).await?;
    assert!(gateway.series("b").await?.is_empty(), "cleared");
    assert!(
        gateway.group("a").await?.is_some(),
        "the group stays, and with it the time of its last push"
    );
    Ok(())
}

#[tokio::test]
async fn every_grouping_value_comes_back_as_it_was_given() -> Result<()> {
    let gateway = servers::Pushgateway::start().await?;
    let client = client(&gateway)?;
    let values = [
        "", "a/b", "/", "//", ".", "..", "...", "a b+c", "50%", "%2F", "a@base64", "?#&=;:", "é\n\t", "\\\"", "日本",
    ];
    for (number, value) in values.into_iter().enumerate() {
        let grouping = GroupingKey::new("a/b", &[("value".to_owned(), value.to_owned())]);
        client
            .put(&grouping, text(&format!("a {number}\n")), soon())
            .await
            .with_context(|| format!("{value:?}"))?;
    }
    let groups = gateway.groups().await?;
    assert_eq!(groups.len(), values.len());
    for value in values {
        let labels = |group: &&Value| group["labels"]["job"] == "a/b" && group["labels"]["value"] == value;
        assert_eq!(groups.iter().filter(labels).count(), 1, "{value:?} in {groups:#?}");
    }
    for (number, value) in values.into_iter().enumerate() {
        let grouping = GroupingKey::new("a/b", &[("value".to_owned(), value.to_owned())]);
        let stored = client.stored_gauge("a", &grouping, &[], soon()).await?;
        assert_eq!(stored, Some(f64::from(u32::try_from(number)?)), "{value:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_push_leaves_the_group_as_it_was_and_says_why() -> Result<()> {
    let gateway = servers::Pushgateway::start().await?;
    let client = client(&gateway)?;
    client.put(&job("a"), text("# TYPE a gauge\na 1\n"), soon()).await?;
    let before = gateway.pushed().await?;
    for (group, body, expected) in [
        ("a", "a 1 1700000000\n", "timestamp"),
        (
            "a",
            "a 1\na 2\n",
            "was collected before with the same name and label values",
        ),
        ("a", "a 2", "unexpected end of input stream"),
        ("a", "a{ 2\n", "text format parsing error in line 1"),
        // Of the two types, the one that the gateway happens to look at second.
        ("b", "# TYPE a counter\na 2\n", " is not a "),
    ] {
        let error = client.put(&job(group), text(body), soon()).await.unwrap_err();
        assert!(matches!(error, GatewayError::Refused { .. }), "{body:?}: {error:?}");
        let message = error.to_string();
        assert!(
            message.contains("refused the request with 400 Bad Request: "),
            "{message}"
        );
        assert!(message.contains(expected), "{body:?}: {message}");
        assert_eq!(gateway.series("a").await?, [r#"a{instance="",job="a"} 1"#], "{body:?}");
    }
    assert_eq!(gateway.pushed().await?, before);
    Ok(())
}

#[tokio::test]
async fn a_stored_gauge_is_found_among_many_series() -> Result<()> {
    let gateway = servers::Pushgateway::start().await?;
    let client = client(&gateway)?;
    assert_eq!(
        client.stored_gauge("m", &job("a"), &[], soon()).await?,
        None,
        "an empty gateway"
    );
    let many = |name: &str| {
        (0..20_000).fold(format!("# TYPE {name} gauge\n"), |text, n| {
            text + &format!("{name}{{n=\"{n}\"}} {n}\n")
        })
    };
    client
        .put(&job("many"), text(&(many("l") + &many("n"))), soon())
        .await?;
    client.put(&job("a"), text("m 1.7e9\n"), soon()).await?;
    client.put(&job("b"), text("m{env=\"x\"} 2\n"), soon()).await?;
    assert_eq!(client.stored_gauge("m", &job("a"), &[], soon()).await?, Some(1.7e9));
    let labels = [("env".to_owned(), "x".to_owned())];
    assert_eq!(client.stored_gauge("m", &job("b"), &labels, soon()).await?, Some(2.0));
    assert_eq!(client.stored_gauge("m", &job("b"), &[], soon()).await?, None);
    let last = [("n".to_owned(), "19999".to_owned())];
    assert_eq!(
        client.stored_gauge("n", &job("many"), &last, soon()).await?,
        Some(19999.0)
    );
    assert_eq!(client.stored_gauge("z", &job("a"), &[], soon()).await?, None);
    Ok(())
}

#[tokio::test]
async fn tls_and_a_password_let_in_only_who_has_both() -> Result<()> {
    let gateway = servers::Pushgateway::start_guarded().await?;
    let (url, ca_file) = (gateway.url(), gateway.ca_file());
    let limit = Duration::from_secs(10);
    let auth = |password: &str| Auth::Basic {
        username: servers::GATEWAY_USER.into(),
        password: password.into(),
    };
    let client = Pushgateway::new(&url, auth(servers::GATEWAY_PASSWORD), Some(&ca_file), limit)?;
    client.put(&job("a"), text("a 1\n"), soon()).await?;
    assert_eq!(client.stored_gauge("a", &job("a"), &[], soon()).await?, Some(1.0));

    for auth in [Auth::None, auth("wrong"), Auth::Bearer("wrong".into())] {
        let client = Pushgateway::new(&url, auth, Some(&ca_file), limit)?;
        let error = client
            .put(&job("a"), text("a 2\n"), soon())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("refused the request with 401 Unauthorized"), "{error}");
        assert!(error.ends_with("(check the sink's `basic` or `bearer`)"), "{error}");
    }

    let client = Pushgateway::new(&url, auth(servers::GATEWAY_PASSWORD), None, limit)?;
    let deadline = Instant::now() + Duration::from_secs(1);
    let error = client
        .put(&job("a"), text("a 2\n"), deadline)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("could not be reached: invalid peer certificate: UnknownIssuer"),
        "{error}"
    );

    assert_eq!(gateway.series("a").await?, [r#"a{instance="",job="a"} 1"#]);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_comes_back_in_time_gets_the_push() -> Result<()> {
    let mut gateway = servers::Pushgateway::start().await?;
    let client = client(&gateway)?;
    gateway.stop()?;
    let deadline = Instant::now() + Duration::from_secs(1);
    let error = client
        .put(&job("a"), text("a 1\n"), deadline)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("could not be reached: Connection refused"), "{error}");

    let group = job("a");
    let push = client.put(&group, text("a 2\n"), soon());
    let restart = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        gateway.start_again().await
    };
    let (pushed, restarted) = tokio::join!(push, restart);
    restarted?;
    pushed?;
    assert_eq!(gateway.series("a").await?, [r#"a{instance="",job="a"} 2"#]);
    Ok(())
}

#[tokio::test]
async fn a_frozen_gateway_is_cut_off() -> Result<()> {
    let mut gateway = servers::Pushgateway::start().await?;
    let client = Pushgateway::new(&gateway.url(), Auth::None, None, Duration::from_millis(300))?;
    gateway.freeze()?;
    let deadline = Instant::now() + Duration::from_secs(1);
    let error = client
        .stored_gauge("a", &job("a"), &[], deadline)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("did not answer within 0."), "{error}");
    gateway.thaw()?;
    let client = self::client(&gateway)?;
    assert_eq!(client.stored_gauge("a", &job("a"), &[], soon()).await?, None);
    Ok(())
}

/// A label and a value.
struct Pair(&'static str, f64);

impl Row for Pair {
    fn text(&self, _: usize) -> Result<Option<Cow<'_, str>>, UnreadableCell> {
        Ok(Some(Cow::Borrowed(self.0)))
    }

    fn number(&self, _: usize) -> Result<Option<f64>, UnreadableCell> {
        Ok(Some(self.1))
    }
}

const HOSTILE: [Pair; 7] = [
    Pair("plain", 1.0),
    Pair("\"} 1\nfake{l=\"", f64::NAN),
    Pair("back\\slash\\", f64::INFINITY),
    Pair("\\n is not\na line feed", f64::NEG_INFINITY),
    Pair("日本 {},=#", 0.1),
    Pair("", -0.25),
    Pair("large", 1e300),
];

fn assembled(name: &str, form: Form) -> Result<Vec<u8>> {
    let metric = Metric {
        name: name.to_owned(),
        kind: MetricKind::Gauge,
        help: "A \\ and a \" on\ntwo lines".to_owned(),
        unit: None,
        static_labels: vec![("env".to_owned(), "test".to_owned())],
        labels: vec![Label {
            name: "l".to_owned(),
            column: "l".to_owned(),
            allowed: None,
        }],
        values: Values::Column("value".to_owned()),
        null_value: NullValue::Skip,
        null_label: String::new(),
        on_empty: OnEmpty::Clear,
        duplicates: Duplicates::Error,
        fill: Vec::new(),
        max_series: 100,
        external: false,
    };
    let column = |name: &str| Column {
        name: name.to_owned(),
        type_name: "any".to_owned(),
        numeric: true,
        label: true,
    };
    let mut assembler = Assembler::new(&metric, &[column("l"), column("value")], form)?;
    for row in &HOSTILE {
        assembler.row(row)?;
    }
    let Outcome::Family(family) = assembler.finish()? else {
        bail!("there were rows")
    };
    let mut text = Vec::new();
    family.text.write_to(&mut text)?;
    Ok(text)
}

#[tokio::test]
async fn assembled_families_arrive_as_they_were() -> Result<()> {
    let gateway = servers::Pushgateway::start().await?;
    let client = client(&gateway)?;
    let mut body = assembled("first", Form::Gzip)?;
    body.extend(assembled("second", Form::Gzip)?);
    client.put(&job("a"), Body::Gzip(body.into()), soon()).await?;
    let group = gateway.group("a").await?.context("the group")?;
    for name in ["first", "second"] {
        assert_eq!(group[name]["help"], "A \\ and a \" on\ntwo lines", "{group:#}");
        let metrics = group[name]["metrics"].as_array().context("metrics")?;
        assert_eq!(metrics.len(), HOSTILE.len());
        for Pair(label, value) in &HOSTILE {
            let same = |metric: &&Value| metric["labels"]["l"].as_str().unwrap_or_default() == *label;
            let metric = metrics
                .iter()
                .find(same)
                .with_context(|| format!("{label:?} in {group:#}"))?;
            let stored: f64 = metric["value"].as_str().context("a value")?.parse()?;
            assert!(
                stored.to_bits() == value.to_bits() || stored.is_nan() && value.is_nan(),
                "{label:?}: {metric}"
            );
            assert_eq!(metric["labels"]["env"], "test");
        }
    }
    Ok(())
}

#[tokio::test]
async fn promtool_has_nothing_to_say_about_the_plain_text() -> Result<()> {
    promtool_check_metrics(&String::from_utf8(assembled("shop_carts", Form::Plain)?)?)
}
