//! The dashboards as a reader gets them through API Gateway, the authorizer and the Metrics API; and as nobody else does.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fanlight_cli::runner::api_gateway::UsagePlan;
use fanlight_tests::scripted::{Scripted, whole};
use fanlight_tests::{Answer, Customer, Deployment, MetricsApi, binaries, configuration, records};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use shared::authorization::usage_identifier_key;

const LIST: &str = "/grafana";
const FILE: &str = "/grafana/growth-main.json";
const NOTHING: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

/// Two customers, one of them without an API key, and two readers, whose records stand in a secret of their own.
struct Stage {
    api: MetricsApi,
    everybody: [Customer; 4],
    upstream: Scripted,
}

impl Stage {
    async fn open() -> Result<Self> {
        let upstream = Scripted::always(whole(200, &[], NOTHING)).await?;
        let reader = |name: &str| Customer::new(name, &[]).map(|reader| reader.recorded(|record| record.plan.clear()));
        let past = Timestamp::now() - Duration::from_secs(2);
        let everybody = [
            Customer::new("acme", &["acme"])?,
            Customer::new("carol", &["carol"])?,
            reader("grafana")?,
            reader("late")?.recorded(|record| record.expires = past),
        ];
        let config = configuration(&format!("    url: {:?}\n", upstream.url()), "").replace(
            "{tokens: '{{API_TOKENS}}'}",
            "{tokens: '{{API_TOKENS}}', dashboards: '{{DASHBOARD_TOKENS}}'}",
        );
        let mut deployment = Deployment {
            // As deployed: customers are counted by API keys, of which a reader has none.
            gateway: |api| {
                let plan = UsagePlan {
                    rate: 1000.0,
                    burst: 1000,
                    quota: None,
                };
                api.usage_plan(&plan, [usage_identifier_key("acme")])
            },
            ..Deployment::new(&config, &everybody)
        };
        let folder = binaries::workspace().join("dashboards").display().to_string();
        deployment.environment[0].1 = records(&everybody[..2]);
        deployment
            .environment
            .push(("DASHBOARD_TOKENS", records(&everybody[2..])));
        deployment.environment.push(("FANLIGHT_DASHBOARDS", folder));
        let api = deployment.start().await?;
        Ok(Self {
            api,
            everybody,
            upstream,
        })
    }

    async fn ask(&self, who: Option<&Customer>, method: Method, target: &str, has: Option<&str>) -> Result<Answer> {
        let mut request = self.api.request(who, method, target)?;
        if let Some(tag) = has {
            request = request.header("if-none-match", tag);
        }
        self.api.send(request).await
    }
}

#[tokio::test]
async fn a_reader_gets_every_listed_dashboard_once() -> Result<()> {
    let stage = Stage::open().await?;
    let [_, _, grafana, _] = &stage.everybody;
    let listed = stage.api.get(grafana, LIST).await?;
    assert_eq!(listed.status, 200);
    let listed: Vec<Value> = serde_json::from_slice(&listed.body)?;
    ensure!(
        listed.contains(&json!({"dashboard_file": "growth-main.json", "folder": "Growth"})),
        "{listed:?}"
    );
    for entry in &listed {
        let word = |key: &str| entry[key].as_str().with_context(|| entry.to_string());
        let (file, folder) = (word("dashboard_file")?, word("folder")?);
        let stored = fs::read(binaries::workspace().join("dashboards/prod").join(folder).join(file))?;
        let target = format!("{LIST}/{file}");
        let answer = stage.api.get(grafana, &target).await?;
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &stored), "{file}");
        let tag = answer.headers["etag"].to_str()?.to_owned();
        ensure!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "{tag}");
        for method in [Method::GET, Method::HEAD] {
            let known = stage.ask(Some(grafana), method.clone(), &target, Some(&tag)).await?;
            assert_eq!((known.status.as_u16(), known.body.len()), (304, 0), "{method} {file}");
            assert_eq!(known.headers["etag"], tag, "{method} {file}");
        }
        let head = stage
            .ask(Some(grafana), Method::HEAD, &target, Some("\"other\""))
            .await?;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{file}");
        assert_eq!(head.headers["etag"], tag, "{file}");
    }
    ensure!(
        stage.upstream.asked().is_empty(),
        "the dashboards are not the upstream's"
    );
    Ok(())
}

#[tokio::test]
async fn nobody_else_gets_any_and_a_reader_gets_nothing_else() -> Result<()> {
    let stage = Stage::open().await?;
    let [acme, carol, grafana, late] = &stage.everybody;
    for target in [LIST, FILE] {
        for method in [Method::GET, Method::HEAD] {
            for (who, status) in [(None, 401), (Some(late), 401), (Some(acme), 404), (Some(carol), 404)] {
                let answer = stage.ask(who, method.clone(), target, Some("*")).await?;
                let name = who.map_or("nobody", Customer::name);
                assert_eq!(answer.status.as_u16(), status, "{method} {target} of {name}");
                ensure!(!answer.headers.contains_key("etag"), "{method} {target} of {name}");
                ensure!(
                    !String::from_utf8_lossy(&answer.body).contains("panels"),
                    "{target} of {name}"
                );
            }
        }
    }
    // A customer is told what he is told of any path that there is not.
    let (status, said) = stage.api.get(acme, FILE).await?.error()?;
    assert_eq!(
        (status, said),
        (404, format!("not_found: nothing is served at {FILE:?}"))
    );
    // What there is for customers, a reader is let in to by neither the policy nor an API key.
    for target in [
        "/api/v1/query?query=1",
        "/federate",
        "/api/v1/labels",
        "/api/v1/status/buildinfo",
        "/nothing",
    ] {
        let (status, _) = stage.api.get(grafana, target).await?.error()?;
        assert_eq!(status, 403, "{target}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = stage.ask(Some(grafana), method.clone(), FILE, None).await?;
        assert_eq!(answer.status.as_u16(), 404, "{method}");
    }
    for target in [
        "/grafana/none.json",
        "/grafana/..%2Fdevelop",
        "/grafana/growth-main.json?x=1",
    ] {
        let (status, _) = stage.api.get(grafana, target).await?.error()?;
        assert_eq!(status, if target.contains('?') { 400 } else { 404 }, "{target}");
    }
    ensure!(stage.upstream.asked().is_empty(), "nothing of this is the upstream's");
    // And a customer is still one.
    assert_eq!(stage.api.get(acme, "/api/v1/query?query=up").await?.status, 200);
    Ok(())
}
