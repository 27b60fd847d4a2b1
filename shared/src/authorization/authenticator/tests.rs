//! Who is let in, who is not, and what is said of it in the log.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::config::{Credentials as AwsCredentials, SharedCredentialsProvider};
use axum::Router;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing_subscriber::fmt::MakeWriter;

use super::super::fake_issuer::{FakeIssuer, Pair};
use super::*;
use crate::config::metrics_api::{Authorizer, Issuer, LabelRule, Plan, UpstreamAuth, UpstreamSettings};
use crate::placeholders::{Environment, Provider};
use crate::promql::Characters;
use crate::secrets::{Limits as SecretLimits, SecretsManager};

const NOW: &str = "2026-11-21T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn metrics_api(tokens: Option<&str>, issuers: Vec<Issuer>) -> MetricsApi {
    MetricsApi {
        upstream: UpstreamSettings {
            url: Template::parse("http://prometheus:9090").unwrap(),
            auth: UpstreamAuth::None,
            headers: Vec::new(),
            ca_file: None,
            client_certificate: None,
            timeout: std::time::Duration::from_secs(1),
        },
        labels: vec![LabelRule::Organisations {
            name: "organisation".to_owned(),
            characters: Characters::default(),
        }],
        exemplars: false,
        plans: BTreeMap::from([
            ("default".to_owned(), Plan::default()),
            ("gold".to_owned(), Plan::default()),
        ]),
        authorizer: Authorizer {
            tokens: tokens.map(|text| Template::parse(text).unwrap()),
            dashboards: None,
            issuers,
        },
    }
}

/// An authenticator whose records stand in an environment variable.
fn with_records(records: &[Value], issuers: Vec<Issuer>) -> Authenticator {
    let document = json!({"tokens": records}).to_string();
    let variables = HashMap::from([("TOKENS".to_owned(), document.into())]);
    let secrets = SecretsManager::from_environment(SecretLimits::default());
    let resolver = Resolver::new(BTreeMap::new(), Environment::Given(variables), secrets);
    Authenticator::new(metrics_api(Some("{{TOKENS}}"), issuers), resolver).unwrap()
}

fn record(token: &Token, changes: &Value) -> Value {
    let mut record = json!({"id": "r1", "sha256": token.hash().to_hex(), "client": "acme",
        "organisations": ["acme-fr", "acme-de"], "expires": "2026-11-21T12:00:01Z"});
    for (name, value) in changes.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

fn request(header: &str, source: &str) -> Request {
    let event = json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:eu-west-3:123456789012:abcdef1234/live/GET/api/v1/query",
        "multiValueHeaders": {"Authorization": [header]},
        "requestContext": {"identity": {"sourceIp": source}},
    });
    Request::parse(&event).unwrap()
}

fn bearer(token: &Token) -> String {
    format!("Bearer {}", token.expose())
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

async fn reason(authenticator: &Authenticator, header: &str) -> Option<Reason> {
    denied(authenticator, header, "203.0.113.9", now())
        .await
        .map(|denied| denied.reason)
}

async fn denied(authenticator: &Authenticator, header: &str, source: &str, now: Timestamp) -> Option<Denied> {
    match authenticator.authenticate(&request(header, source), now).await {
        Ok(_) => None,
        Err(NotAuthenticated::Denied(denied)) => Some(denied),
        Err(NotAuthenticated::Unavailable(error)) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_token_makes_its_records_caller() {
    let token = Token::generate().unwrap();
    let authenticator = with_records(&[record(&token, &json!({"plan": "gold"}))], Vec::new());
    for header in [bearer(&token), basic("acme", token.expose())] {
        let caller = authenticator
            .authenticate(&request(&header, "203.0.113.9"), now())
            .await
            .unwrap();
        let expected = Caller {
            client: "acme".to_owned(),
            organisations: vec!["acme-fr".to_owned(), "acme-de".to_owned()],
            plan: "gold".to_owned(),
            expires: "2026-11-21T12:00:01Z".parse().unwrap(),
        };
        assert_eq!(caller, Admitted::Customer(expected));
    }
}

#[tokio::test]
async fn a_token_for_the_dashboards_makes_a_reader_of_them_and_a_customers_never_does() {
    let [customer, reader, both] = [(); 3].map(|()| Token::generate().unwrap());
    let readers_record = |id: &str, token: &Token| {
        let mut record = record(token, &json!({"id": id, "client": "grafana"}));
        record.as_object_mut().unwrap().remove("organisations");
        record
    };
    let customers = json!({"tokens": [record(&customer, &json!({})), record(&both, &json!({"id": "r2"}))]});
    let readers = json!({"tokens": [readers_record("d1", &reader), readers_record("d2", &both)]});
    let authenticator = |readers_template: Option<&str>| {
        let variables = [("TOKENS", &customers), ("DASHBOARDS", &readers)];
        let variables = variables.map(|(name, document)| (name.to_owned(), document.to_string().into()));
        let secrets = SecretsManager::from_environment(SecretLimits::default());
        let resolver = Resolver::new(BTreeMap::new(), Environment::Given(variables.into()), secrets);
        let mut settings = metrics_api(Some("{{TOKENS}}"), Vec::new());
        settings.authorizer.dashboards = readers_template.map(|text| Template::parse(text).unwrap());
        Authenticator::new(settings, resolver).unwrap()
    };
    let with = authenticator(Some("{{DASHBOARDS}}"));
    let admitted = async |authenticator: &Authenticator, header: &str| {
        let request = request(header, "203.0.113.9");
        authenticator.authenticate(&request, now()).await
    };
    for header in [bearer(&reader), basic("grafana", reader.expose())] {
        let expected = Reader {
            client: "grafana".to_owned(),
            expires: "2026-11-21T12:00:01Z".parse().unwrap(),
        };
        assert_eq!(admitted(&with, &header).await.unwrap(), Admitted::Reader(expected));
    }
    for token in [&customer, &both] {
        let found = admitted(&with, &bearer(token)).await.unwrap();
        assert!(matches!(found, Admitted::Customer(_)), "{found:?}");
    }
    assert_eq!(
        reason(&with, &basic("acme", reader.expose())).await,
        Some(Reason::WrongClient)
    );
    let late = denied(
        &with,
        &bearer(&reader),
        "203.0.113.9",
        "2026-11-21T12:00:01Z".parse().unwrap(),
    )
    .await;
    assert_eq!(late.map(|denied| denied.reason), Some(Reason::Expired));
    // Nobody reads dashboards where nothing says who may.
    let without = authenticator(None);
    assert_eq!(reason(&without, &bearer(&reader)).await, Some(Reason::UnknownToken));
    // And nobody is anything while the customers' records cannot be read.
    let broken = {
        let mut settings = metrics_api(Some("{{ABSENT}}"), Vec::new());
        settings.authorizer.dashboards = Some(Template::parse("{{DASHBOARDS}}").unwrap());
        let variables = HashMap::from([("DASHBOARDS".to_owned(), readers.to_string().into())]);
        let secrets = SecretsManager::from_environment(SecretLimits::default());
        let resolver = Resolver::new(BTreeMap::new(), Environment::Given(variables), secrets);
        Authenticator::new(settings, resolver).unwrap()
    };
    let unknown = admitted(&broken, &bearer(&reader)).await;
    assert!(matches!(unknown, Err(NotAuthenticated::Unavailable(_))), "{unknown:?}");
}

#[tokio::test]
async fn whoever_has_not_the_right_token_is_denied() {
    let (token, other) = (Token::generate().unwrap(), Token::generate().unwrap());
    let authenticator = with_records(&[record(&token, &json!({}))], Vec::new());
    for (header, expected) in [
        (bearer(&token), None),
        (bearer(&other), Some(Reason::UnknownToken)),
        (
            format!("Bearer {}", token.hash().to_hex()),
            Some(Reason::MalformedToken),
        ),
        (format!("Bearer {}x", token.expose()), Some(Reason::MalformedToken)),
        (basic("Acme", token.expose()), Some(Reason::WrongClient)),
        (basic("acme ", token.expose()), Some(Reason::WrongClient)),
        (basic("acme", other.expose()), Some(Reason::UnknownToken)),
        (basic(token.expose(), "x"), Some(Reason::MalformedToken)),
        (basic("acme", "a.b.c"), Some(Reason::MalformedToken)),
        ("Bearer a.b.c".to_owned(), Some(Reason::MalformedJwt)),
        ("Bearer".to_owned(), Some(Reason::MalformedCredentials)),
        (format!("Token {}", token.expose()), Some(Reason::Scheme)),
    ] {
        assert_eq!(reason(&authenticator, &header).await, expected, "{header}");
    }
}

#[tokio::test]
async fn a_token_ends_at_its_time_and_is_good_from_its_origins_only() {
    let token = Token::generate().unwrap();
    let authenticator = with_records(&[record(&token, &json!({"origins": ["203.0.113.0/24"]}))], Vec::new());
    for (source, at, expected) in [
        ("203.0.113.9", NOW, None),
        ("::ffff:203.0.113.9", NOW, None),
        ("203.0.114.9", NOW, Some(Reason::Origin)),
        ("2001:db8::1", NOW, Some(Reason::Origin)),
        ("unknown", NOW, Some(Reason::Origin)),
        ("203.0.113.9", "2026-11-21T12:00:00.999999999Z", None),
        ("203.0.113.9", "2026-11-21T12:00:01Z", Some(Reason::Expired)),
        ("203.0.113.9", "2030-01-01T00:00:00Z", Some(Reason::Expired)),
    ] {
        let outcome = denied(&authenticator, &bearer(&token), source, at.parse().unwrap()).await;
        let expected = expected.map(|reason| Denied {
            reason,
            client: Some("acme".to_owned()),
            record: Some("r1".to_owned()),
        });
        assert_eq!(outcome, expected, "{source} {at}");
    }
}

#[tokio::test]
async fn what_the_api_could_not_serve_is_denied() {
    for (changes, expected) in [
        (json!({"plan": "platinum"}), Reason::UnknownPlan),
        (json!({"organisations": ["acme-fr", "a|b"]}), Reason::Organisation),
        (json!({"organisations": [".*"]}), Reason::Organisation),
        // The record is left out.
        (json!({"organisations": []}), Reason::UnknownToken),
        (json!({"expires": "never"}), Reason::UnknownToken),
    ] {
        let token = Token::generate().unwrap();
        let authenticator = with_records(&[record(&token, &changes)], Vec::new());
        assert_eq!(
            reason(&authenticator, &bearer(&token)).await,
            Some(expected),
            "{changes}"
        );
    }
}

#[tokio::test]
async fn a_flawed_record_denies_its_own_client_only() {
    let (good, bad) = (Token::generate().unwrap(), Token::generate().unwrap());
    let records = [
        record(&bad, &json!({"id": "bad", "expire": "2027-01-01T00:00:00Z"})),
        record(&good, &json!({})),
    ];
    let authenticator = with_records(&records, Vec::new());
    assert_eq!(reason(&authenticator, &bearer(&good)).await, None);
    assert_eq!(reason(&authenticator, &bearer(&bad)).await, Some(Reason::UnknownToken));
}

#[tokio::test]
async fn without_tokens_or_issuers_nobody_has_any() {
    let token = Token::generate().unwrap();
    let secrets = SecretsManager::from_environment(SecretLimits::default());
    let resolver = Resolver::new(BTreeMap::new(), Environment::default(), secrets);
    let authenticator = Authenticator::new(metrics_api(None, Vec::new()), resolver).unwrap();
    assert_eq!(
        reason(&authenticator, &bearer(&token)).await,
        Some(Reason::UnknownToken)
    );
    let jwt = Pair::ed().jwt(r#"{"alg":"EdDSA","kid":"k"}"#, r#"{"iss":"https://id.example"}"#);
    assert_eq!(
        reason(&authenticator, &format!("Bearer {jwt}")).await,
        Some(Reason::Issuer)
    );
}

#[tokio::test]
async fn a_jwt_is_held_to_plans_and_organisations_too() {
    let pair = Pair::ed();
    let issuer = FakeIssuer::start(vec![pair.jwk("k")]).await;
    let authenticator = with_records(&[], vec![issuer.configured()]);
    let end = Timestamp::now().as_second() + 600;
    for (organisation, plan, expected) in [
        ("acme-fr", "gold", None),
        ("acme-fr", "platinum", Some(Reason::UnknownPlan)),
        ("a|b", "gold", Some(Reason::Organisation)),
    ] {
        let claims = json!({"iss": issuer.url, "aud": "metrics", "exp": end, "sub": "acme",
            "organisations": organisation, "realm": {"plan": plan}});
        let jwt = pair.jwt(r#"{"alg":"EdDSA","kid":"k"}"#, &claims.to_string());
        assert_eq!(
            reason(&authenticator, &format!("Bearer {jwt}")).await,
            expected,
            "{organisation} {plan}"
        );
        // A client's name and a JWT are no pair.
        assert_eq!(
            reason(&authenticator, &basic("acme", &jwt)).await,
            Some(Reason::MalformedToken)
        );
    }
}

#[tokio::test]
async fn records_that_cannot_be_had_are_nobodys_bad_token() {
    let token = Token::generate().unwrap();
    for (variables, kind) in [
        (HashMap::new(), "tokens_unavailable"),
        (
            HashMap::from([("TOKENS".to_owned(), "{\"tokens\": hunter2".into())]),
            "tokens_malformed",
        ),
        (HashMap::from([("TOKENS".to_owned(), "{}".into())]), "tokens_malformed"),
    ] {
        let secrets = SecretsManager::from_environment(SecretLimits::default());
        let resolver = Resolver::new(BTreeMap::new(), Environment::Given(variables), secrets);
        let authenticator = Authenticator::new(metrics_api(Some("{{TOKENS}}"), Vec::new()), resolver).unwrap();
        let outcome = authenticator
            .authenticate(&request(&bearer(&token), "203.0.113.9"), now())
            .await;
        match outcome {
            Err(NotAuthenticated::Unavailable(error)) => {
                assert_eq!(error.kind(), kind);
                assert!(!format!("{error} {error:?}").contains("hunter2"));
            }
            outcome => panic!("{kind}: {outcome:?}"),
        }
        // What can be told without them is.
        assert_eq!(
            reason(&authenticator, "Bearer hunter2").await,
            Some(Reason::MalformedToken)
        );
    }
}

/// A Secrets Manager that answers with what it is told to, and counts.
struct Secrets {
    text: Mutex<Option<String>>,
    requests: AtomicUsize,
}

impl Secrets {
    async fn start(text: &str) -> (Arc<Self>, SdkConfig) {
        let secrets = Arc::new(Self {
            text: Mutex::new(Some(text.to_owned())),
            requests: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answering = Arc::clone(&secrets);
        let router = Router::new().fallback(async move || {
            answering.requests.fetch_add(1, Ordering::SeqCst);
            match answering.text.lock().unwrap().as_ref() {
                Some(text) => (
                    StatusCode::OK,
                    json!({"Name": "tokens", "SecretString": text}).to_string(),
                ),
                None => (
                    StatusCode::BAD_REQUEST,
                    r#"{"__type":"AccessDeniedException"}"#.to_owned(),
                ),
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-3"))
            .endpoint_url(endpoint)
            .credentials_provider(SharedCredentialsProvider::new(AwsCredentials::new(
                "k", "s", None, None, "test",
            )))
            .build();
        (secrets, config)
    }

    fn store(&self, text: Option<&Value>) {
        *self.text.lock().unwrap() = text.map(ToString::to_string);
    }
}

fn with_secret(config: SdkConfig, limits: SecretLimits) -> Authenticator {
    let provider = Provider::Secret {
        id: "tokens".to_owned(),
        field: None,
    };
    let secrets = SecretsManager::from_config(config, limits);
    let providers = BTreeMap::from([("TOKENS".to_owned(), provider)]);
    let resolver = Resolver::new(providers, Environment::Given(HashMap::new()), secrets);
    Authenticator::new(metrics_api(Some("{{TOKENS}}"), Vec::new()), resolver).unwrap()
}

#[tokio::test]
async fn a_token_that_was_stored_a_moment_ago_is_found() {
    let (old, new) = (Token::generate().unwrap(), Token::generate().unwrap());
    let document = json!({"tokens": [record(&old, &json!({}))]});
    let (secrets, config) = Secrets::start(&document.to_string()).await;
    let authenticator = with_secret(config, SecretLimits::default());
    for _ in 0..3 {
        assert_eq!(reason(&authenticator, &bearer(&old)).await, None);
    }
    assert_eq!(secrets.requests.load(Ordering::SeqCst), 1);
    secrets.store(Some(&json!({"tokens": [record(&new, &json!({"id": "r2"}))]})));
    assert_eq!(reason(&authenticator, &bearer(&new)).await, None);
    assert_eq!(reason(&authenticator, &bearer(&old)).await, Some(Reason::UnknownToken));
    // Whoever tries tokens out does not have the secret fetched for each.
    for _ in 0..20 {
        assert_eq!(
            reason(&authenticator, &bearer(&Token::generate().unwrap())).await,
            Some(Reason::UnknownToken)
        );
    }
    assert_eq!(secrets.requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn while_the_secret_is_away_known_tokens_go_on_and_others_are_not_called_bad() {
    let (known, other) = (Token::generate().unwrap(), Token::generate().unwrap());
    let document = json!({"tokens": [record(&known, &json!({}))]});
    for (interval, asked) in [(Duration::MAX, 2), (Duration::ZERO, 4)] {
        let (secrets, config) = Secrets::start(&document.to_string()).await;
        let limits = SecretLimits {
            interval,
            ..SecretLimits::default()
        };
        let authenticator = with_secret(config, limits);
        assert_eq!(reason(&authenticator, &bearer(&known)).await, None);
        secrets.store(None);
        for _ in 0..3 {
            assert_eq!(reason(&authenticator, &bearer(&known)).await, None);
            let outcome = authenticator
                .authenticate(&request(&bearer(&other), "203.0.113.9"), now())
                .await;
            assert!(
                matches!(outcome, Err(NotAuthenticated::Unavailable(Unavailable::Records { .. }))),
                "{outcome:?}"
            );
        }
        // Whoever tries tokens out does not have the secret asked for with each, either, while it is away.
        assert_eq!(secrets.requests.load(Ordering::SeqCst), asked, "{interval:?}");
        if interval.is_zero() {
            // A document that was spoilt afterwards spoils nothing before it is fetched, and is told then.
            secrets.store(Some(&json!({"token": []})));
            let outcome = authenticator
                .authenticate(&request(&bearer(&other), "203.0.113.9"), now())
                .await;
            assert!(
                matches!(outcome, Err(NotAuthenticated::Unavailable(Unavailable::Document(_)))),
                "{outcome:?}"
            );
        }
    }
}

#[tokio::test]
async fn while_the_secret_is_gone_and_none_is_kept_it_is_asked_for_once_a_request() {
    let token = Token::generate().unwrap();
    let document = json!({"tokens": [record(&token, &json!({}))]});
    // Without an interval, once more as for a token that is not known.
    for (interval, asked) in [(Duration::MAX, 1 + 3), (Duration::ZERO, 1 + 3 * 2)] {
        let (secrets, config) = Secrets::start(&document.to_string()).await;
        let limits = SecretLimits {
            interval,
            lifetime: Duration::ZERO,
            ..SecretLimits::default()
        };
        let authenticator = with_secret(config, limits);
        assert_eq!(reason(&authenticator, &bearer(&token)).await, None);
        secrets.store(None);
        for _ in 0..3 {
            let outcome = authenticator
                .authenticate(&request(&bearer(&token), "203.0.113.9"), now())
                .await;
            assert!(
                matches!(outcome, Err(NotAuthenticated::Unavailable(Unavailable::Records { .. }))),
                "{outcome:?}"
            );
        }
        assert_eq!(secrets.requests.load(Ordering::SeqCst), asked, "{interval:?}");
    }
}

/// Everything that is logged.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Paper {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_log_tells_the_reason_and_never_the_credentials() {
    let (token, flawed, stranger) = (
        Token::generate().unwrap(),
        Token::generate().unwrap(),
        Token::generate().unwrap(),
    );
    let pair = Pair::ed();
    let issuer = FakeIssuer::start(vec![pair.jwk("k")]).await;
    let records = [
        record(&token, &json!({"origins": ["203.0.113.9"]})),
        record(&flawed, &json!({"id": "r2", "expires": 1})),
    ];
    let authenticator = with_records(&records, vec![issuer.configured()]);
    let claims = json!({"iss": issuer.url, "aud": "other", "exp": 9_999_999_999_u64, "sub": "acme"}).to_string();
    let jwt = pair.jwt(r#"{"alg":"EdDSA","kid":"k"}"#, &claims);

    let paper = Paper::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(paper.clone())
        .finish();
    // While there is a second one, what another test's thread logs first is not taken for wanted by nobody.
    let _other = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let guard = tracing::subscriber::set_default(subscriber);
    let credentials = [
        bearer(&token),
        basic("acme", token.expose()),
        basic("evil", token.expose()),
        bearer(&stranger),
        bearer(&flawed),
        format!("Bearer {jwt}"),
        format!("Digest {}", token.expose()),
    ];
    for header in &credentials {
        for source in ["203.0.113.9", "198.51.100.7"] {
            let outcome = authenticator.authenticate(&request(header, source), now()).await;
            let debug = format!("{outcome:?} {:?}", request(header, source));
            assert!(!debug.contains(token.expose()) && !debug.contains(&jwt), "{debug}");
        }
    }
    drop(guard);
    let log = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    for expected in [
        "let in client=\"acme\" record=\"r1\" plan=\"default\"",
        "denied reason=\"origin\" client=\"acme\" record=\"r1\" source=198.51.100.7",
        "denied reason=\"wrong_client\" client=\"acme\" record=\"r1\" source=203.0.113.9",
        "denied reason=\"unknown_token\" source=203.0.113.9",
        "denied reason=\"audience\" source=203.0.113.9",
        "denied reason=\"scheme\" source=203.0.113.9",
        "a token cannot be used flaw=",
        "the token record 2 (`r2`) has a field `expires` that is not a point in time",
    ] {
        assert!(log.contains(expected), "{expected} is not in\n{log}");
    }
    assert_eq!(
        log.matches("a token cannot be used").count(),
        1,
        "a flaw is told once\n{log}"
    );
    let payload = jwt.split('.').nth(1).unwrap();
    for secret in [&token, &flawed, &stranger] {
        assert!(
            !log.contains(secret.expose()) && !log.contains(&secret.hash().to_hex()),
            "{log}"
        );
    }
    for header in &credentials {
        let (_, secret) = header.split_once(' ').unwrap();
        assert!(!log.contains(secret), "{log}");
    }
    assert!(!log.contains(payload) && !log.contains("evil"), "{log}");
}
