//! The client against upstreams that answer, refuse, fail, hang and break off.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request as Incoming, State};
use axum::response::{IntoResponse as _, Response as Outgoing};
use futures_util::StreamExt as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use reqwest::header::HeaderName;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;
use crate::config::metrics_api::{ClientCertificate, UpstreamAuth};
use crate::placeholders::{Environment, Provider, Template};
use crate::secrets::{Limits, SecretsManager};

const CANARY: &str = "canary-7c1e";

/// What a request was.
#[derive(Debug)]
struct Received {
    line: String,
    headers: HeaderMap,
    body: String,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }
}

type Answered = (u16, Vec<(&'static str, &'static str)>, &'static str);

/// An upstream that gives prepared answers, the last one for ever, and keeps what it was asked.
#[derive(Clone)]
struct Fake {
    at: SocketAddr,
    answers: Arc<Mutex<VecDeque<Answered>>>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Fake {
    async fn answering(answers: impl IntoIterator<Item = Answered>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            at: listener.local_addr().unwrap(),
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            received: Arc::default(),
        };
        let app = Router::new().fallback(Self::answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        fake
    }

    async fn answer(State(fake): State<Self>, request: Incoming) -> Outgoing {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        fake.received.lock().unwrap().push(Received {
            line: format!("{} {}", head.method, head.uri),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        });
        let mut answers = fake.answers.lock().unwrap();
        let next = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        let (status, headers, body) = next.unwrap();
        let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
        for (name, value) in headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }

    fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn settings(url: &str) -> UpstreamSettings {
    UpstreamSettings {
        url: template(url),
        auth: UpstreamAuth::None,
        headers: Vec::new(),
        ca_file: None,
        client_certificate: None,
        timeout: Duration::from_secs(20),
    }
}

fn resolver(variables: &[(&str, &str)]) -> Resolver {
    let variables: HashMap<_, _> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)))
        .collect();
    let secrets = SecretsManager::from_environment(Limits::default());
    Resolver::new(BTreeMap::new(), Environment::Given(variables), secrets)
}

fn plain(at: SocketAddr) -> Upstream {
    Upstream::new(settings(&format!("http://{at}")), resolver(&[]))
}

fn question(method: Method, path: &str, form: &[(&str, &str)]) -> Question {
    Question {
        method,
        path: path.to_owned(),
        form: form
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        gzip: true,
    }
}

fn up() -> Question {
    question(Method::Post, "/api/v1/query", &[("query", "up")])
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

async fn text(answer: Answer) -> Result<String, UpstreamError> {
    let body = answer.body.beginning(1 << 20).await?;
    Ok(String::from_utf8(body).unwrap())
}

/// A server that treats each connection by its number.
async fn raw<F>(treat: impl Fn(usize, TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(treat(number, stream));
        }
    });
    at
}

/// Reads one request, whose body comes in one piece with its head.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut buffer = [0; 4096];
    matches!(stream.read(&mut buffer).await, Ok(1..))
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test]
async fn a_question_is_sent_strictly_encoded_and_with_our_headers_only() {
    let fake = Fake::answering([(200, vec![], "{}")]).await;
    let mut settings = settings(&format!("http://{}/prefix/{{{{PATH}}}}/", fake.at));
    settings.auth = UpstreamAuth::Basic {
        username: template("user"),
        password: template("{{PASSWORD}}"),
    };
    settings.headers = vec![("x-scope-orgid".to_owned(), template("tenant {{PATH}}"))];
    let upstream = Upstream::new(settings, resolver(&[("PASSWORD", "p:ä"), ("PATH", "a/b")]));
    let form = [("query", "a{b=~\"c+d\"} % é *'()!~-._"), ("match[]", "x y")];
    let path = "/api/v1/label/U__a%20b/values";
    let encoded = "query=a%7Bb%3D~%22c%2Bd%22%7D%20%25%20%C3%A9%20%2A%27%28%29%21~-._&match%5B%5D=x%20y";
    let get = question(Method::Get, path, &form);
    let post = question(Method::Post, path, &form);
    for (question, line, body) in [
        (&get, format!("GET /prefix/a%2Fb{path}?{encoded}"), ""),
        (&post, format!("POST /prefix/a%2Fb{path}"), encoded),
        (
            &question(Method::Get, path, &[]),
            format!("GET /prefix/a%2Fb{path}"),
            "",
        ),
    ] {
        let answer = upstream.ask(question, soon()).await.unwrap();
        assert_eq!(
            (answer.status, answer.gzip, answer.content_length),
            (StatusCode::OK, false, Some(2))
        );
        assert_eq!(text(answer).await.unwrap(), "{}");
        let received = fake.received().pop().unwrap();
        assert_eq!((&received.line, &*received.body), (&line, body));
        assert_eq!(received.header("authorization"), Some("Basic dXNlcjpwOsOk"));
        assert_eq!(received.header("x-scope-orgid"), Some("tenant a/b"));
        assert_eq!(received.header("accept"), Some("application/json"));
        assert_eq!(received.header("accept-encoding"), Some("gzip"));
        assert!(received.header("user-agent").unwrap().starts_with("fanlight/"));
        let ours = [
            "accept",
            "accept-encoding",
            "authorization",
            "host",
            "user-agent",
            "x-scope-orgid",
        ];
        let bodys = ["content-length", "content-type"];
        let expected: Vec<_> = if question.method == Method::Post {
            assert_eq!(
                received.header("content-type"),
                Some("application/x-www-form-urlencoded")
            );
            ours[..3].iter().chain(&bodys).chain(&ours[3..]).copied().collect()
        } else {
            ours.to_vec()
        };
        assert_eq!(received.names(), expected);
    }
    let plain = Question { gzip: false, ..get };
    upstream.ask(&plain, soon()).await.unwrap();
    assert_eq!(fake.received()[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_not_asked() {
    let fake = Fake::answering([(200, vec![], "{}")]).await;
    for path in [
        "/api/v1/label/%2e%2e/values",
        "/api/v1/../admin",
        "/a b",
        "/a?b",
        "/a#b",
    ] {
        let question = question(Method::Get, path, &[]);
        let error = plain(fake.at).ask(&question, soon()).await.unwrap_err();
        assert_eq!(error.kind(), "settings", "{path}");
    }
    assert!(fake.received().is_empty());
}

#[tokio::test]
async fn an_answer_is_what_the_upstream_says() {
    let fake = Fake::answering([
        (429, vec![("retry-after", "7")], "slow"),
        (503, vec![("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")], "down"),
        (422, vec![("content-encoding", "identity")], "no"),
        (200, vec![("content-encoding", "gzip")], "zip"),
    ])
    .await;
    let upstream = plain(fake.at);
    for (status, retry_after, gzip, body) in [
        (429, Some(7), false, "slow"),
        (503, None, false, "down"),
        (422, None, false, "no"),
        (200, None, true, "zip"),
    ] {
        let answer = upstream.ask(&up(), soon()).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.retry_after, answer.gzip),
            (status, retry_after, gzip)
        );
        assert_eq!(text(answer).await.unwrap(), body);
    }
    let fake = Fake::answering([(200, vec![], "0123456789")]).await;
    let answer = plain(fake.at).ask(&up(), soon()).await.unwrap();
    assert_eq!(answer.body.beginning(4).await.unwrap(), b"0123");
}

#[tokio::test]
async fn an_encoding_that_was_not_asked_for_is_refused() {
    for (encoding, gzip) in [("br", true), ("gzip", false), ("gzip, gzip", true)] {
        let fake = Fake::answering([(200, vec![("content-encoding", encoding)], "x")]).await;
        let question = Question { gzip, ..up() };
        let error = plain(fake.at).ask(&question, soon()).await.unwrap_err();
        assert_eq!(error.kind(), "protocol");
        assert!(error.to_string().contains(&format!("{encoding:?}")), "{error}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Fake::answering([(200, vec![], "{}")]).await;
    let location: &'static str = format!("http://{}/secret-path", elsewhere.at).leak();
    for status in [301, 302, 303, 307, 308] {
        let fake = Fake::answering([(status, vec![("location", location)], "")]).await;
        let error = plain(fake.at).ask(&up(), soon()).await.unwrap_err();
        assert_eq!(error.kind(), "redirected");
        assert!(
            error
                .to_string()
                .contains(&format!("a redirect to http://{}, which", elsewhere.at)),
            "{error}"
        );
    }
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn no_failure_shows_a_secret() {
    let fake = Fake::answering([(200, vec![], "{}")]).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (url, kind) in [
        (format!("http://{closed}/{CANARY}"), "refused"),
        (format!("http://user:{CANARY}@{}", fake.at), "settings"),
        (format!("http://{}/?token={CANARY}", fake.at), "settings"),
        (format!("ftp://{CANARY}"), "settings"),
    ] {
        let mut settings = settings("{{URL}}");
        settings.auth = UpstreamAuth::Bearer(template("{{TOKEN}}"));
        let upstream = Upstream::new(settings, resolver(&[("URL", &url), ("TOKEN", CANARY)]));
        let error = upstream.ask(&up(), soon()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(!format!("{error} {error:?} {upstream:?}").contains(CANARY), "{error:?}");
    }
    let mut broken = settings(&format!("http://{}", fake.at));
    broken.auth = UpstreamAuth::Bearer(template("{{TOKEN}}"));
    let upstream = Upstream::new(broken.clone(), resolver(&[("TOKEN", "canary-7c1e\r\nx: y")]));
    let error = upstream.ask(&up(), soon()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the upstream cannot be asked: its `bearer`: its value holds a line break or another control character"
    );
    let upstream = Upstream::new(broken, resolver(&[]));
    let error = upstream.ask(&up(), soon()).await.unwrap_err();
    assert_eq!(error.kind(), "credentials");
    assert!(error.to_string().contains("TOKEN is not set"), "{error}");
    assert!(fake.received().is_empty());
}

#[tokio::test]
async fn each_way_of_not_being_there_has_its_name() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let no_http = raw(async |_, mut stream: TcpStream| {
        read_request(&mut stream).await;
        stream.write_all(b"SSH-2.0-hello\r\n\r\n").await.unwrap();
    })
    .await;
    let cut = raw(async |_, mut stream: TcpStream| {
        read_request(&mut stream).await;
    })
    .await;
    let reset = raw(async |_, mut stream: TcpStream| {
        stream.read_exact(&mut [0]).await.unwrap();
        stream.set_zero_linger().unwrap();
    })
    .await;
    let silent = raw(async |_, stream: TcpStream| {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    // Its queue of connections is full, so that a further one is not answered.
    let full = TcpSocket::new_v4().unwrap();
    full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full_at = full.local_addr().unwrap();
    let full = full.listen(0).unwrap();
    let _waiting = TcpStream::connect(full_at).await.unwrap();
    for (url, kind, message) in [
        (format!("http://{closed}"), "refused", "refused the connection"),
        ("http://fanlight.invalid".to_owned(), "dns", "is not known by name: "),
        (format!("https://{no_http}"), "tls", "could not be talked to by TLS: "),
        (format!("http://{no_http}"), "protocol", "does not keep to HTTP: "),
        (format!("http://{cut}"), "cut", "cut the connection before it answered"),
        (
            format!("http://{reset}"),
            "cut",
            "cut the connection before it answered",
        ),
        (format!("http://{silent}"), "timeout", "did not answer within 0.4 s"),
        (format!("https://{silent}"), "timeout", "did not "),
        (format!("http://{full_at}"), "timeout", "did not "),
    ] {
        let mut settings = settings(&url);
        settings.timeout = Duration::from_millis(400);
        let upstream = Upstream::new(settings, resolver(&[]));
        let error = upstream.ask(&up(), soon()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{url}: {error}");
        let expected = format!("the upstream at {url} {message}");
        assert!(error.to_string().starts_with(&expected), "{error}, not {expected}");
    }
    drop(full);
    let error = plain(closed).ask(&up(), Instant::now()).await.unwrap_err();
    assert_eq!(error.problem, Problem::NoTimeLeft);
}

#[tokio::test]
async fn a_body_that_does_not_come_whole_ends_with_an_error() {
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234";
    let cut = raw(async |_, mut stream: TcpStream| {
        read_request(&mut stream).await;
        stream.write_all(begun).await.unwrap();
    })
    .await;
    let chunked = raw(async |_, mut stream: TcpStream| {
        read_request(&mut stream).await;
        let half = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n01234\r\n";
        stream.write_all(half).await.unwrap();
    })
    .await;
    for at in [cut, chunked] {
        let mut body = plain(at).ask(&up(), soon()).await.unwrap().body;
        assert_eq!(body.next().await.unwrap().unwrap(), "01234");
        let error = body.next().await.unwrap().unwrap_err();
        assert_eq!(
            (&error.problem, error.at),
            (&Problem::CutInside, Some(format!("http://{at}")))
        );
        assert!(body.next().await.is_none());
    }
    let hanging = raw(async |_, mut stream: TcpStream| {
        read_request(&mut stream).await;
        stream.write_all(begun).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let deadline = Instant::now() + Duration::from_millis(400);
    let mut body = plain(hanging).ask(&up(), deadline).await.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "01234");
    let error = body.next().await.unwrap().unwrap_err();
    assert_eq!((&error.problem, error.kind()), (&Problem::Overdue, "timeout"));
}

#[tokio::test]
async fn a_kept_connection_that_was_cut_is_made_anew_once() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let at = raw(move |number, mut stream: TcpStream| {
        let seen = Arc::clone(&seen);
        async move {
            let mut answered = false;
            while read_request(&mut stream).await {
                seen.lock().unwrap().push(number);
                // The third connection answers nothing at all.
                if answered || number == 2 {
                    return;
                }
                stream.write_all(OK).await.unwrap();
                answered = true;
            }
        }
    })
    .await;
    let upstream = plain(at);
    for _ in 0..2 {
        assert_eq!(text(upstream.ask(&up(), soon()).await.unwrap()).await.unwrap(), "{}");
    }
    assert_eq!(std::mem::take(&mut *requests.lock().unwrap()), [0, 0, 1]);
    let error = upstream.ask(&up(), soon()).await.unwrap_err();
    assert_eq!(error.problem, Problem::Cut);
    assert_eq!(
        std::mem::take(&mut *requests.lock().unwrap()),
        [1, 2],
        "one attempt more, and no other"
    );
    // A connection that was never used before is not made anew.
    let fresh = raw(async |_, mut stream: TcpStream| {
        read_request(&mut stream).await;
    })
    .await;
    let error = plain(fresh).ask(&up(), soon()).await.unwrap_err();
    assert_eq!(error.problem, Problem::Cut);
}

#[tokio::test]
async fn a_connection_is_kept_from_one_question_to_the_next() {
    let connections = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&connections);
    let at = raw(move |_, mut stream: TcpStream| {
        *seen.lock().unwrap() += 1;
        async move {
            while read_request(&mut stream).await {
                stream.write_all(OK).await.unwrap();
            }
        }
    })
    .await;
    let upstream = plain(at);
    for _ in 0..5 {
        assert_eq!(text(upstream.ask(&up(), soon()).await.unwrap()).await.unwrap(), "{}");
    }
    assert_eq!(*connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_refusal_of_credentials_that_are_no_secret_is_an_answer() {
    let fake = Fake::answering([(401, vec![], "no")]).await;
    let mut settings = settings(&format!("http://{}", fake.at));
    settings.auth = UpstreamAuth::Bearer(template("{{TOKEN}}"));
    let upstream = Upstream::new(settings, resolver(&[("TOKEN", "t")]));
    let answer = upstream.ask(&up(), soon()).await.unwrap();
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(fake.received().len(), 1);
}

/// A resolver whose `{{TOKEN}}` is a secret that a Secrets Manager gives.
async fn secret(answers: impl IntoIterator<Item = &'static str>) -> (Fake, Resolver) {
    let manager = Fake::answering(answers.into_iter().map(|answer| (200, vec![], answer))).await;
    let secrets = SecretsManager::from_config(aws(manager.at).await, Limits::default());
    let provider = Provider::Secret {
        id: "token".to_owned(),
        field: None,
    };
    let providers = BTreeMap::from([("TOKEN".to_owned(), provider)]);
    (manager, Resolver::new(providers, Environment::default(), secrets))
}

/// AWS with every service at one place.
async fn aws(at: SocketAddr) -> SdkConfig {
    let credentials = Credentials::new("AKIDEXAMPLE", "signing-secret", None, None, "test");
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-west-3"))
        .endpoint_url(format!("http://{at}"))
        .credentials_provider(credentials)
        .load()
        .await
}

#[tokio::test]
async fn a_secret_that_was_rotated_is_fetched_again_and_used_once() {
    const OLD: &str = r#"{"Name":"token","SecretString":"old"}"#;
    const NEW: &str = r#"{"Name":"token","SecretString":"new"}"#;
    let no: Answered = (401, vec![], "no");
    let yes: Answered = (200, vec![], "{}");
    for (secrets, answers, status, tokens) in [
        (
            vec![OLD, NEW],
            vec![no.clone(), yes],
            200,
            vec!["Bearer old", "Bearer new"],
        ),
        (vec![OLD, NEW], vec![no.clone()], 401, vec!["Bearer old", "Bearer new"]),
        (vec![OLD], vec![no.clone()], 401, vec!["Bearer old"]),
        (vec![OLD, NEW], vec![(403, vec![], "no")], 403, vec!["Bearer old"]),
    ] {
        let (_manager, resolver) = secret(secrets).await;
        let fake = Fake::answering(answers).await;
        let mut settings = settings(&format!("http://{}", fake.at));
        settings.auth = UpstreamAuth::Bearer(template("{{TOKEN}}"));
        let answer = Upstream::new(settings, resolver).ask(&up(), soon()).await.unwrap();
        assert_eq!(answer.status, status);
        let received = fake.received();
        let used: Vec<_> = received
            .iter()
            .map(|one| one.header("authorization").unwrap())
            .collect();
        assert_eq!(used, tokens);
    }
}

/// The signature that AWS would compute of what it received, by the steps of its documentation.
fn signature(received: &Received, key: &str, region: &str, service: &str) -> String {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .concat()
    };
    let hash = |text: &str| hex(digest(&SHA256, text.as_bytes()).as_ref());
    let hmac = |key: &[u8], text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
            .as_ref()
            .to_vec()
    };

    let (method, url) = received.line.split_once(' ').unwrap();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path
        .split('/')
        .map(|part| utf8_percent_encode(part, RESERVED).to_string());
    let mut query: Vec<_> = query.split('&').collect();
    query.sort_unstable();
    let authorization = received.header("authorization").unwrap();
    let signed = authorization
        .split("SignedHeaders=")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let headers: Vec<_> = signed
        .split(';')
        .map(|name| format!("{name}:{}\n", received.header(name).unwrap()))
        .collect();
    let canonical = [
        method,
        &path.collect::<Vec<_>>().join("/"),
        &query.join("&"),
        &headers.concat(),
        signed,
        &hash(&received.body),
    ]
    .join("\n");
    let time = received.header("x-amz-date").unwrap();
    let scope = format!("{}/{region}/{service}/aws4_request", &time[..8]);
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(&canonical));
    let secret = hmac(format!("AWS4{key}").as_bytes(), &time[..8]);
    let secret = [region, service, "aws4_request"]
        .iter()
        .fold(secret, |secret, part| hmac(&secret, part));
    hex(&hmac(&secret, &to_sign))
}

fn signed_by(settings: &mut UpstreamSettings, region: Option<&str>, role: Option<&str>) {
    settings.auth = UpstreamAuth::SigV4 {
        region: region.map(str::to_owned),
        service: "aps".to_owned(),
        role: role.map(str::to_owned),
    };
}

#[tokio::test]
async fn the_signature_is_the_one_that_aws_computes() {
    let fake = Fake::answering([(200, vec![], "{}")]).await;
    let mut settings = settings(&format!("http://{}/workspaces/ws-1", fake.at));
    settings.headers = vec![("x-team".to_owned(), template("a"))];
    let form = [
        ("query", "sum(a{b=~\"c+d|é\"}) / 2 * 3"),
        ("match[]", "x y"),
        ("end", "1"),
        ("a", "~"),
    ];
    for (region, expected) in [(None, "eu-west-3"), (Some("us-east-1"), "us-east-1")] {
        signed_by(&mut settings, region, None);
        let upstream = Upstream::with_aws(settings.clone(), resolver(&[]), Some(aws(fake.at).await));
        for question in [
            question(Method::Post, "/api/v1/query", &form),
            question(Method::Get, "/api/v1/label/U__a%20b/values", &form),
            question(Method::Get, "/api/v1/labels", &[]),
        ] {
            upstream.ask(&question, soon()).await.unwrap();
            let received = fake.received().pop().unwrap();
            let authorization = received.header("authorization").unwrap();
            let computed = signature(&received, "signing-secret", expected, "aps");
            assert!(
                authorization.ends_with(&format!("Signature={computed}")),
                "{authorization}"
            );
            assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
            assert!(authorization.contains("host;x-amz-date;x-team,"), "{authorization}");
        }
    }
}

#[tokio::test]
async fn a_role_is_assumed_once_and_its_credentials_sign() {
    const ASSUMED: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
        <Credentials><AccessKeyId>ROLEKEY</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>\
        <SessionToken>role-token</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>\
        <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/fanlight</Arn><AssumedRoleId>x</AssumedRoleId>\
        </AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>";
    let sts = Fake::answering([(200, vec![], ASSUMED)]).await;
    let fake = Fake::answering([(200, vec![], "{}")]).await;
    let mut settings = settings(&format!("http://{}", fake.at));
    signed_by(&mut settings, None, Some("arn:aws:iam::1:role/r"));
    let upstream = Upstream::with_aws(settings, resolver(&[]), Some(aws(sts.at).await));
    for _ in 0..3 {
        upstream.ask(&up(), soon()).await.unwrap();
    }
    for received in fake.received() {
        let authorization = received.header("authorization").unwrap();
        assert!(authorization.contains("Credential=ROLEKEY/"));
        assert_eq!(received.header("x-amz-security-token"), Some("role-token"));
        let computed = signature(&received, "role-secret", "eu-west-3", "aps");
        assert!(authorization.ends_with(&computed), "{authorization}");
    }
    let asked = sts.received();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"));
}

#[tokio::test]
async fn want_of_aws_credentials_has_its_name() {
    const DENIED: &str =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>";
    let sts = Fake::answering([(403, vec![], DENIED)]).await;
    let mut settings = settings("http://127.0.0.1:9");
    signed_by(&mut settings, None, Some("arn:aws:iam::1:role/r"));
    let upstream = Upstream::with_aws(settings.clone(), resolver(&[]), Some(aws(sts.at).await));
    let error = upstream.ask(&up(), soon()).await.unwrap_err();
    assert_eq!(error.kind(), "credentials");
    assert!(
        error.to_string().contains("for the role arn:aws:iam::1:role/r"),
        "{error}"
    );
    assert!(!error.to_string().contains("signing-secret"));

    signed_by(&mut settings, None, None);
    let nowhere = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .build();
    let upstream = Upstream::with_aws(settings, resolver(&[]), Some(nowhere));
    let error = upstream.ask(&up(), soon()).await.unwrap_err();
    assert_eq!(error.kind(), "credentials");
    assert!(error.to_string().contains("no AWS region is known"), "{error}");
}

/// An authority, its certificate's file, and what it certifies.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate and its key, in PEM.
    fn certify(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A server that asks for a certificate of this authority.
async fn tls_server(authority: &Authority) -> SocketAddr {
    let (certificate, key) = authority.certify("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crate::tls::provider())
        .build()
        .unwrap();
    let config = rustls::ServerConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    raw(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            while read_request(&mut stream).await {
                stream.write_all(OK).await.unwrap();
            }
        }
    })
    .await
}

#[tokio::test]
async fn both_sides_of_tls_prove_who_they_are() {
    let authority = Authority::new();
    let other = Authority::new();
    let at = tls_server(&authority).await;
    let url = format!("https://localhost:{}", at.port());
    let good = authority.certify("client", ExtendedKeyUsagePurpose::ClientAuth);
    let foreign = other.certify("client", ExtendedKeyUsagePurpose::ClientAuth);
    let mixed = (good.0.clone(), foreign.1.clone());
    let no_key = (good.0.clone(), format!("hello {CANARY}"));
    let no_certificate = ("hello".to_owned(), good.1.clone());
    let ask = async |ca_file: Option<PathBuf>, identity: Option<&(String, String)>| {
        let mut settings = settings(&url);
        settings.ca_file = ca_file;
        settings.client_certificate = identity.map(|_| ClientCertificate {
            certificate: template("{{CERTIFICATE}}"),
            key: template("{{KEY}}"),
        });
        let (certificate, key) = identity.cloned().unwrap_or_default();
        let upstream = Upstream::new(settings, resolver(&[("CERTIFICATE", &certificate), ("KEY", &key)]));
        let outcome = upstream.ask(&up(), soon()).await;
        assert!(!format!("{outcome:?} {upstream:?}").contains(CANARY));
        outcome
            .map(|answer| answer.status.as_u16())
            .map_err(|error| (error.kind(), error.to_string()))
    };
    assert_eq!(ask(Some(authority.file()), Some(&good)).await, Ok(200));
    for (ca_file, identity, kind, message) in [
        (None, Some(&good), "tls", "invalid peer certificate: UnknownIssuer"),
        (Some(other.file()), Some(&good), "tls", "invalid peer certificate"),
        (Some(authority.file()), None, "tls", "CertificateRequired"),
        (Some(authority.file()), Some(&foreign), "tls", "received fatal alert"),
        (
            Some(authority.file()),
            Some(&mixed),
            "settings",
            "certificate and private key cannot be used",
        ),
        (
            Some(authority.file()),
            Some(&no_key),
            "settings",
            "private key is not PEM",
        ),
        (
            Some(authority.file()),
            Some(&no_certificate),
            "settings",
            "certificate is not PEM",
        ),
        (
            Some(Path::new("/nowhere/ca.pem").to_owned()),
            Some(&good),
            "settings",
            "CA file /nowhere/ca.pem: cannot be read",
        ),
    ] {
        let (found, error) = ask(ca_file, identity).await.unwrap_err();
        assert!(
            found == kind && error.contains(message),
            "{found}: {error}; not {kind}: {message}"
        );
    }
}
