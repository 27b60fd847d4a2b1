//! Who is let in by the deployed authorizer, for how long, and what his plan allows him.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fanlight_cli::runner::api_gateway::UsagePlan;
use fanlight_tests::scripted::{Scripted, Step, head, whole};
use fanlight_tests::{
    Answer, Customer, Deployment, MetricFilter, MetricsApi, SecretsManager, binaries, configuration, records,
};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use shared::authorization::usage_identifier_key;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::metrics_api_issuer::{Issuer, Key};

const QUERY: &str = "/api/v1/query?query=orders";
const NOTHING: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

async fn upstream() -> Result<Scripted> {
    Scripted::always(whole(200, &[], NOTHING)).await
}

/// A customer whose record is refused, or not.
fn customer(name: &str, change: impl FnOnce(&mut shared::authorization::Record)) -> Result<Customer> {
    Ok(Customer::new(name, &[name])?.recorded(change))
}

/// 401 as everybody gets it, whatever the reason.
fn is_denied(answer: &Answer) -> Result<()> {
    let said = answer.error()?;
    ensure!(said == (401, "unauthorized: Unauthorized".to_owned()), "{said:?}");
    ensure!(answer.headers.contains_key("www-authenticate"), "no challenge");
    Ok(())
}

/// The lines of the log with this level.
fn lines<'l>(log: &'l str, level: &str) -> Vec<&'l str> {
    let level = format!(r#""level":"{level}""#);
    log.lines().filter(|line| line.contains(&level)).collect()
}

#[tokio::test]
async fn a_token_is_worth_what_its_record_says() -> Result<()> {
    let upstream = upstream().await?;
    let past = Timestamp::now() - Duration::from_secs(2);
    let local = "127.0.0.1".parse()?;
    let elsewhere = "203.0.113.0/24".parse()?;
    let customers = [
        customer("acme", |_| ())?,
        customer("from-here", |record| record.origins = Some(vec![local]))?,
        customer("expired", |record| record.expires = past)?,
        customer("elsewhere", |record| record.origins = Some(vec![elsewhere]))?,
        customer("nowhere", |record| record.origins = Some(Vec::new()))?,
        customer("unplanned", |record| record.plan = "none".to_owned())?,
        customer("pattern", |record| record.organisations = vec![".*".to_owned()])?,
    ];
    // A secret's worth of tokens, and one that stands in no record.
    let stranger = Customer::new("stranger", &["acme"])?;
    let known: Vec<_> = customers
        .iter()
        .filter(|customer| customer.name() != "nowhere")
        .collect();
    let document = json!({"tokens": known.iter().map(|customer| customer.record()).collect::<Vec<_>>()});
    let config = configuration(&format!("    url: {:?}\n", upstream.url()), "");
    let mut deployment = Deployment::new(&config, &customers);
    deployment.environment[0].1 = document.to_string();
    let api = deployment.start().await?;

    for customer in &customers[..2] {
        assert_eq!(api.get(customer, QUERY).await?.status, 200, "{}", customer.name());
        let asked = upstream.asked();
        let form = asked.last().context("the upstream was not asked")?.form();
        let enforced = format!(r#"organisation_id = "{}""#, customer.name());
        assert!(form[0].1.contains(&enforced), "{form:?}");
    }
    for customer in customers[2..].iter().chain([&stranger]) {
        is_denied(&api.get(customer, QUERY).await?).with_context(|| customer.name().to_owned())?;
    }
    assert_eq!(upstream.asked().len(), 2);

    // The operator knows why; and none of it is an error, which would wake him up.
    let log = api.log();
    for (client, reason) in [
        ("expired", "expired"),
        ("elsewhere", "origin"),
        ("unplanned", "unknown_plan"),
        ("pattern", "organisation"),
    ] {
        let told = log
            .lines()
            .find(|line| line.contains(&format!(r#""reason":"{reason}""#)));
        assert!(
            told.is_some_and(|line| line.contains(&format!(r#""client":"{client}""#))),
            "{client}: {log}"
        );
    }
    assert_eq!(log.matches(r#""reason":"unknown_token""#).count(), 2, "{log}");
    assert!(lines(&log, "ERROR").is_empty(), "{:?}", lines(&log, "ERROR"));
    assert_eq!(MetricFilter::of("Refusals")?.count(&log), customers.len() - 1, "{log}");
    assert_eq!(MetricFilter::of("AuthorizerFailures")?.count(&log), 0, "{log}");
    Ok(())
}

#[tokio::test]
async fn a_record_without_organisations_opens_nothing() -> Result<()> {
    let upstream = upstream().await?;
    let customers = [
        customer("acme", |_| ())?,
        customer("nobody", |record| record.organisations.clear())?,
        customer("empty", |record| record.organisations = vec![String::new()])?,
    ];
    let api = MetricsApi::start(&upstream.url(), &customers).await?;
    for customer in &customers[1..] {
        is_denied(&api.get(customer, QUERY).await?).with_context(|| customer.name().to_owned())?;
    }
    assert_eq!(api.get(&customers[0], QUERY).await?.status, 200);
    assert_eq!(upstream.asked().len(), 1);
    let log = api.log();
    assert!(log.contains("a token cannot be used"), "{log}");
    // One customer's record, and the others are served: nobody is woken up.
    assert!(lines(&log, "ERROR").is_empty(), "{:?}", lines(&log, "ERROR"));
    Ok(())
}

/// The API whose tokens stand in a secret, and whose gateway keeps no answers. Nobody can fetch the secret of the dashboards'
/// readers, which is no matter to customers.
async fn of_a_secret(upstream: &Scripted, aws: &SecretsManager, customers: &[Customer]) -> Result<MetricsApi> {
    let config = format!(
        "placeholders:\n  API_TOKENS: {{secret: api/tokens}}\n  DASHBOARD_TOKENS: {{secret: api/dashboards}}\n{}",
        configuration(&format!("    url: {:?}\n", upstream.url()), "").replace(
            "{tokens: '{{API_TOKENS}}'}",
            "{tokens: '{{API_TOKENS}}', dashboards: '{{DASHBOARD_TOKENS}}'}"
        )
    );
    ensure!(config.contains("dashboards:"), "{config}");
    let mut deployment = Deployment::new(&config, customers);
    deployment.environment.remove(0);
    deployment.environment.extend(aws.environment());
    deployment.cache_ttl = Duration::ZERO;
    deployment.start().await
}

#[tokio::test]
async fn tokens_are_added_to_the_secret_and_taken_from_it() -> Result<()> {
    let (upstream, aws) = (upstream().await?, SecretsManager::start().await?);
    let [acme, bolt, carol] = ["acme", "bolt", "carol"].map(|name| Customer::new(name, &[name]));
    let (both, later) = ([acme?, bolt?], [carol?]);
    aws.create("api/tokens", &records(&both)).await?;
    let api = of_a_secret(&upstream, &aws, &both).await?;
    let [acme, bolt] = &both;
    for customer in &both {
        assert_eq!(api.get(customer, QUERY).await?.status, 200, "{}", customer.name());
    }

    let remaining = json!({"tokens": [bolt.record(), later[0].record()]});
    aws.put("api/tokens", &remaining.to_string()).await?;
    // A token that is new makes the authorizer look again, and so it notices which is gone.
    assert_eq!(api.get(&later[0], QUERY).await?.status, 200);
    let log = api.log();
    assert!(lines(&log, "ERROR").is_empty(), "{log}");
    // Whether what is no customer's token is a reader's cannot be told.
    for (customer, status) in [(acme, 500), (bolt, 200)] {
        assert_eq!(api.get(customer, QUERY).await?.status, status, "{}", customer.name());
    }
    aws.create("api/dashboards", r#"{"tokens": []}"#).await?;
    assert_eq!(api.get(acme, QUERY).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_is_no_fault_of_the_callers() -> Result<()> {
    let (upstream, mut aws) = (upstream().await?, SecretsManager::start().await?);
    let customers = [Customer::new("acme", &["acme"])?];
    let api = of_a_secret(&upstream, &aws, &customers).await?;
    let failed = (500, "internal: Internal server error".to_owned());
    assert_eq!(
        api.get(&customers[0], QUERY).await?.error()?,
        failed,
        "a secret that is not there"
    );
    api.log_until(|log| log.contains("the secret `api/tokens` does not exist"))
        .await?;

    aws.create("api/tokens", "{\"tokens\": 7}").await?;
    assert_eq!(
        api.get(&customers[0], QUERY).await?.error()?,
        failed,
        "a secret that is no document"
    );
    let log = api.log_until(|log| log.contains("tokens_malformed")).await?;
    assert!(MetricFilter::of("AuthorizerFailures")?.count(&log) >= 2, "{log}");
    assert_eq!(MetricFilter::of("Refusals")?.count(&log), 0, "{log}");
    aws.stop()?;
    let other = of_a_secret(&upstream, &aws, &customers).await?;
    assert_eq!(
        other.get(&customers[0], QUERY).await?.error()?,
        failed,
        "a service that is down"
    );
    other.log_until(|log| log.contains("tokens_unavailable")).await?;
    assert!(upstream.asked().is_empty());
    Ok(())
}

const PLANS: &str = "  plans:
    small: {query_bytes: 60, depth: 5, selectors: 2, range: 1h, reach: 2h, points: 100, step: 30s, response_bytes: 2000}
    large: {range: 31d}
";

/// What the plan small does not allow, with the status, the limit and the words.
fn too_much() -> Vec<(String, u16, &'static str, String)> {
    let now = Timestamp::now().as_second();
    let long = format!("/api/v1/query?query={}", "orders_of_many_shops%2B".repeat(3) + "up");
    let range = |back: i64, step: i64| {
        format!(
            "/api/v1/query_range?query=up&start={}&end={now}&step={step}",
            now - back
        )
    };
    let over = |limit: &str, found: &str, allowed: &str| {
        format!("{found}, and the plan \"small\" allows {allowed} (limit `{limit}`); ")
    };
    vec![
        (
            long,
            400,
            "query_bytes",
            "the query has 65 bytes, more than the 60 allowed".to_owned(),
        ),
        (
            "/api/v1/query?query=((((((up))))))".to_owned(),
            400,
            "depth",
            "nested deeper than the 5 levels allowed".to_owned(),
        ),
        (
            "/api/v1/query?query=a%2Bb%2Bc".to_owned(),
            400,
            "selectors",
            "more than the 2 selectors allowed".to_owned(),
        ),
        (
            "/api/v1/series?match[]=a&match[]=b&match[]=c".to_owned(),
            400,
            "selectors",
            over("selectors", "the request has 3 selectors", "2"),
        ),
        (
            format!("/federate?match[]=a&match[]={}", "b".repeat(60)),
            400,
            "query_bytes",
            over("query_bytes", "the selectors have 61 bytes together", "60"),
        ),
        (
            range(3_600, 10),
            400,
            "step",
            over("step", "the step is 10s", "no less than 30s"),
        ),
        (
            range(7_200, 300),
            422,
            "range",
            over("range", "the time from start to end is 2h", "1h"),
        ),
        (
            "/api/v1/query?query=rate(up[3h])".to_owned(),
            422,
            "reach",
            over("reach", "the request reads samples of up to 2h59m59s999ms ago", "2h"),
        ),
        (
            "/api/v1/query?query=up%20offset%201d".to_owned(),
            422,
            "reach",
            "ago, and the plan \"small\" allows 2h (limit `reach`)".to_owned(),
        ),
        (
            range(3_600, 30),
            422,
            "points",
            "points a series, and the plan \"small\" allows 100 (limit `points`)".to_owned(),
        ),
        (
            "/api/v1/query?query=max_over_time(up[1h:1s])".to_owned(),
            422,
            "points",
            "and the plan \"small\" allows 100 (limit `points`)".to_owned(),
        ),
        (
            "/federate".to_owned(),
            422,
            "response_bytes",
            "larger than the 2000 bytes that the plan \"small\" allows (limit `response_bytes`)".to_owned(),
        ),
    ]
}

#[tokio::test]
async fn a_plan_is_held_to_its_limits() -> Result<()> {
    let samples: Vec<String> = (0..100)
        .map(|number| format!(r#"{{"metric":{{"__name__":"orders","shop":"{number}"}},"value":[1700000000,"5"]}}"#))
        .collect();
    let answer = NOTHING.replace("[]", &format!("[{}]", samples.join(",")));
    let upstream = Scripted::always(whole(200, &[], &answer)).await?;
    let customers = [
        customer("small", |record| record.plan = "small".to_owned())?,
        customer("large", |record| record.plan = "large".to_owned())?,
    ];
    let api = MetricsApi::configured(&format!("    url: {:?}\n", upstream.url()), PLANS, &customers).await?;
    for (target, status, limit, words) in too_much() {
        let before = upstream.asked().len();
        let (found, said) = api.get(&customers[0], &target).await?.error()?;
        assert_eq!(found, status, "{target}: {said}");
        assert!(said.contains(&words), "{target}: {said}");
        assert!(
            said.contains(limit) && said.contains(r#"plan "small""#),
            "{target}: {said}"
        );
        let reached = upstream.asked().len() > before;
        assert_eq!(reached, limit == "response_bytes", "{target}");
        let answer = api.get(&customers[1], &target).await?;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text()?);
    }
    // What goes out before the limit is reached is no answer.
    let answer = api.get(&customers[0], QUERY).await?;
    assert!(answer.data().is_err(), "{}", answer.text()?);
    Ok(())
}

#[tokio::test]
async fn the_time_of_a_plan_is_over_sooner() -> Result<()> {
    let hanging = fanlight_tests::faults::Hanging::start().await?;
    let customers = [customer("small", |record| record.plan = "small".to_owned())?];
    let upstream = format!("    url: http://{}\n", hanging.address());
    let api = MetricsApi::configured(&upstream, "  plans: {small: {time: 1s}}\n", &customers).await?;
    for target in [QUERY, "/federate"] {
        let said = api.get(&customers[0], target).await?.error()?;
        assert_eq!(
            said,
            (
                504,
                "timeout: the upstream did not answer in time; ask for less".to_owned()
            )
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_that_never_stops_is_stopped() -> Result<()> {
    let sample = r#"{"metric":{"__name__":"orders"},"value":[1700000000,"5"]},"#;
    let endless = Step::Repeat(sample.repeat(100).into_bytes(), u64::MAX);
    let beginning = NOTHING.strip_suffix("]}}").context("an answer of nothing")?;
    let head = [head(200, &[("content-length", "99999999999")]), beginning.into()].concat();
    let upstream = Scripted::always(vec![Step::Send(head), endless]).await?;
    let customers = [customer("small", |record| record.plan = "small".to_owned())?];
    let plans = "  plans: {small: {time: 1s, response_bytes: 1000000000}}\n";
    let api = MetricsApi::configured(&format!("    url: {:?}\n", upstream.url()), plans, &customers).await?;
    for target in [QUERY, "/federate"] {
        let answer = api.get(&customers[0], target).await?;
        assert_eq!(answer.status, 200, "{target}");
        assert!(answer.json().is_err(), "{target}");
    }
    api.log_until(|log| log.matches(r#""kind":"timeout""#).count() == 2)
        .await?;
    Ok(())
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_to_wait() -> Result<()> {
    let upstream = upstream().await?;
    let [acme, bolt, carol] = ["acme", "bolt", "carol"].map(|name| Customer::new(name, &[name]));
    let customers = [acme?, bolt?, carol?];
    let config = configuration(&format!("    url: {:?}\n", upstream.url()), "");
    let deployment = Deployment {
        gateway: |api| {
            let plan = |rate, burst| UsagePlan {
                rate,
                burst,
                quota: None,
            };
            let key = |client| [usage_identifier_key(client)];
            api.usage_plan(&plan(0.001, 2), key("acme"))
                .usage_plan(&plan(1000.0, 1000), key("bolt"))
        },
        ..Deployment::new(&config, &customers)
    };
    let api = deployment.start().await?;
    let [acme, bolt, carol] = &customers;
    for _ in 0..2 {
        assert_eq!(api.get(acme, QUERY).await?.status, 200);
    }
    let refused = api.get(acme, QUERY).await?;
    let (status, said) = refused.error()?;
    assert_eq!((status, said.as_str()), (429, "too_many_requests: Too Many Requests"));
    assert_eq!(refused.headers["retry-after"], "1");
    for _ in 0..4 {
        assert_eq!(
            api.get(bolt, QUERY).await?.status,
            200,
            "another's requests are not counted"
        );
    }
    assert_eq!(
        api.get(carol, QUERY).await?.error()?.0,
        403,
        "a client without a usage plan"
    );
    assert_eq!(upstream.asked().len(), 6);
    Ok(())
}

#[tokio::test]
async fn a_kept_answer_does_not_outlive_the_token() -> Result<()> {
    let upstream = upstream().await?;
    // So that nothing has to be built while the token lives; what is left is for the functions' start.
    binaries::authorizer()?;
    let expires = Timestamp::from_second(Timestamp::now().as_second() + 8)?;
    let customers = [customer("acme", |record| record.expires = expires)?];
    let api = MetricsApi::start(&upstream.url(), &customers).await?;
    assert_eq!(api.get(&customers[0], QUERY).await?.status, 200);
    let left = expires.duration_since(Timestamp::now());
    tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
    for target in [QUERY, "/federate", "/api/v1/status/buildinfo"] {
        let answer = api.get(&customers[0], target).await?;
        let said = (401, "unauthorized: the credentials have expired".to_owned());
        assert_eq!(answer.error()?, said, "{target}");
        // API Gateway passes this header on under another name.
        assert!(
            answer.headers.contains_key("x-amzn-remapped-www-authenticate"),
            "{target}"
        );
    }
    assert_eq!(api.log().matches("\"let in\"").count(), 1, "API Gateway asks once");
    assert_eq!(upstream.asked().len(), 1);
    Ok(())
}

/// The status of a request that comes from this address.
async fn from(api: &MetricsApi, address: Ipv4Addr, customer: &Customer) -> Result<u16> {
    let (_, place) = api.url().split_once("://").context("a URL")?;
    let (gateway, stage) = place.split_once('/').context("a stage")?;
    let socket = TcpSocket::new_v4()?;
    socket.bind((address, 0).into())?;
    let mut stream = socket.connect(gateway.parse()?).await?;
    let head = format!(
        "GET /{stage}{QUERY} HTTP/1.1\r\nHost: api\r\nConnection: close\r\nAuthorization: {}\r\n\r\n",
        customer.authorization()
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).context("a status")?;
    Ok(status.parse()?)
}

#[tokio::test]
async fn a_kept_answer_is_of_one_token_and_one_address() -> Result<()> {
    let upstream = upstream().await?;
    let here: shared::authorization::Origin = "127.0.0.1".parse()?;
    let customers = [
        customer("acme", |record| record.origins = Some(vec![here]))?,
        customer("bolt", |_| ())?,
    ];
    let api = MetricsApi::start(&upstream.url(), &customers).await?;
    let [acme, bolt] = &customers;
    let (here, there) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
    for (address, customer, status, let_in) in [
        (here, acme, 200, 1),
        (here, acme, 200, 1),
        (there, acme, 401, 1),
        (here, acme, 200, 1),
        (here, bolt, 200, 2),
        (there, bolt, 200, 3),
        (there, bolt, 200, 3),
    ] {
        let name = customer.name();
        assert_eq!(from(&api, address, customer).await?, status, "{name} from {address}");
        assert_eq!(api.log().matches("\"let in\"").count(), let_in, "{name} from {address}");
    }
    for (asked, customer) in upstream.asked().iter().zip([acme, acme, acme, bolt, bolt, bolt]) {
        let enforced = format!(r#"organisation_id = "{}""#, customer.name());
        assert!(asked.form()[0].1.contains(&enforced), "{asked:?}");
    }
    Ok(())
}

#[tokio::test]
async fn jwts_of_a_trusted_issuer() -> Result<()> {
    let (upstream, key) = (upstream().await?, Key::new("first")?);
    let issuer = Issuer::start(&key).await?;
    let config = configuration(&format!("    url: {:?}\n", upstream.url()), "").replace(
        "authorizer: {tokens: '{{API_TOKENS}}'}",
        &format!(
            "authorizer: {{issuers: [{{issuer: {:?}, audience: [fanlight], algorithms: [EdDSA]}}]}}",
            issuer.url()
        ),
    );
    let api = Deployment::new(&config, &[]).start().await?;
    let now = Timestamp::now().as_second();
    let claims = json!({
        "iss": issuer.url(), "aud": "fanlight", "sub": "acme", "organisations": ["acme-fr"],
        "exp": now + 3_600, "nbf": now - 60,
    });
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let ask = async |jwt: &str| {
        let request = api.request(None, Method::GET, QUERY)?;
        api.send(request.header("authorization", format!("Bearer {jwt}"))).await
    };

    assert_eq!(ask(&key.jwt(&claims)?).await?.status, 200);
    assert!(
        upstream.asked()[0].form()[0]
            .1
            .contains(r#"organisation_id = "acme-fr""#)
    );
    let forger = Key::new("first")?;
    let cases = [
        ("expired", key.jwt(&with("exp", json!(now - 3_600)))?),
        ("without an end", key.jwt(&with("exp", Value::Null))?),
        ("of tomorrow", key.jwt(&with("nbf", json!(now + 86_400)))?),
        ("for somebody else", key.jwt(&with("aud", json!("other")))?),
        ("of somebody else", key.jwt(&with("iss", json!("http://127.0.0.1:1")))?),
        ("without organisations", key.jwt(&with("organisations", Value::Null))?),
        ("with no organisation", key.jwt(&with("organisations", json!([])))?),
        ("with an empty one", key.jwt(&with("organisations", json!([""])))?),
        ("with a pattern", key.jwt(&with("organisations", json!([".*"])))?),
        ("without a name", key.jwt(&with("sub", Value::Null))?),
        ("signed by another", forger.jwt(&claims)?),
        (
            "not signed",
            key.jwt_with(&json!({"alg": "none", "kid": "first"}), &claims)?,
        ),
        (
            "by a shared key",
            key.jwt_with(&json!({"alg": "HS256", "kid": "first"}), &claims)?,
        ),
        (
            "by a key of its own",
            forger.jwt_with(&json!({"alg": "EdDSA", "jku": upstream.url()}), &claims)?,
        ),
        ("changed", key.jwt(&claims)?.replacen('.', ".e", 1)),
    ];
    for (name, jwt) in cases {
        is_denied(&ask(&jwt).await?).with_context(|| format!("a JWT {name}"))?;
        assert!(!api.log().contains(&jwt), "{name}: {}", api.log());
    }
    assert_eq!(upstream.asked().len(), 1);

    // The authorizer asks for unknown keys once in half a minute, and no sooner for whoever makes them up.
    let second = Key::new("second")?;
    issuer.rotate(&second);
    let jwt = second.jwt(&claims)?;
    let deadline = Instant::now() + Duration::from_secs(50);
    loop {
        let answer = ask(&jwt).await?;
        if answer.status == 200 {
            break;
        }
        is_denied(&answer)?;
        ensure!(
            Instant::now() < deadline,
            "the issuer's new key is not known: {}",
            api.log()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // A JWT of the old key that API Gateway has not seen yet.
    is_denied(&ask(&key.jwt(&with("jti", json!("another")))?).await?)?;
    let log = api.log();
    assert!(lines(&log, "ERROR").is_empty(), "{log}");
    Ok(())
}
