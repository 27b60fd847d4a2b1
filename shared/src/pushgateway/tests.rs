//! The client against gateways that answer, refuse, fail, hang and break off.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode as Status};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use super::*;

/// What a request was.
#[derive(Debug)]
struct Received {
    method: String,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A gateway that gives prepared answers, the last one for ever, and keeps what it was asked.
#[derive(Clone)]
struct Fake {
    at: SocketAddr,
    answers: Arc<Mutex<VecDeque<Answered>>>,
    received: Arc<Mutex<Vec<Received>>>,
}

type Answered = (Status, Vec<(&'static str, String)>, Vec<u8>);

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

    async fn answer(State(fake): State<Self>, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let received = Received {
            method: head.method.to_string(),
            path: head.uri.to_string(),
            headers: head.headers,
            body: to_bytes(body, usize::MAX).await.unwrap(),
        };
        fake.received.lock().unwrap().push(received);
        let mut answers = fake.answers.lock().unwrap();
        let (status, headers, body) = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        }
        .unwrap();
        let mut response = (status, body).into_response();
        for (name, value) in headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }

    fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }

    fn gateway(&self) -> Pushgateway {
        gateway(self.at)
    }
}

fn says(status: Status, body: &str) -> Answered {
    (status, Vec::new(), body.as_bytes().to_vec())
}

fn gateway(at: SocketAddr) -> Pushgateway {
    Pushgateway::new(&format!("http://{at}"), Auth::None, None, Duration::from_secs(30)).unwrap()
}

fn group() -> GroupingKey {
    GroupingKey::new("transfers", &[("env".to_owned(), "a/b".to_owned())])
}

fn body() -> Body {
    Body::Plain(Bytes::from_static(b"a 1\n"))
}

fn within(time: Duration) -> Instant {
    Instant::now() + time
}

fn soon() -> Instant {
    within(Duration::from_mins(1))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn pushes_carry_the_group_the_text_and_its_encoding() {
    let fake = Fake::answering([says(Status::OK, "")]).await;
    let url = format!("http://{}/prefix/", fake.at);
    let gateway = Pushgateway::new(&url, Auth::None, None, Duration::from_secs(30)).unwrap();
    gateway
        .put(&group(), Body::Gzip(gzip("a 1\n").into()), soon())
        .await
        .unwrap();
    gateway.post(&group(), body(), soon()).await.unwrap();
    gateway.put(&group(), Body::Gzip(Bytes::new()), soon()).await.unwrap();
    let [put, post, clear] = &fake.received()[..] else {
        panic!("three requests")
    };
    for (request, method, encoding, body) in [
        (put, "PUT", Some("gzip"), gzip("a 1\n")),
        (post, "POST", None, b"a 1\n".to_vec()),
        (clear, "PUT", None, Vec::new()),
    ] {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            (method, "/prefix/metrics/job/transfers/env@base64/YS9i")
        );
        assert_eq!(request.header("content-encoding"), encoding);
        assert_eq!(
            request.header("content-type"),
            Some("text/plain; version=0.0.4; charset=utf-8")
        );
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.body, body);
    }
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let fake = Fake::answering([says(Status::UNAUTHORIZED, "Unauthorized\n")]).await;
    let basic = Auth::Basic {
        username: "fan".into(),
        password: "s3cret".into(),
    };
    for (auth, header) in [
        (basic, "Basic ZmFuOnMzY3JldA=="),
        (Auth::Bearer("s3cret".into()), "Bearer s3cret"),
    ] {
        let url = format!("http://{}/s3cret", fake.at);
        let gateway = Pushgateway::new(&url, auth, None, Duration::from_secs(30)).unwrap();
        let error = gateway.put(&group(), body(), soon()).await.unwrap_err();
        assert_eq!(fake.received()[0].header("authorization"), Some(header));
        let expected = "refused the request with 401 Unauthorized: Unauthorized (check the sink's `basic` or `bearer`)";
        assert!(error.to_string().ends_with(expected), "{error}");
        for shown in [
            format!("{gateway:?}"),
            format!("{:?}", gateway.auth),
            format!("{error:?} {error}"),
        ] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_carries_the_gateways_message() {
    let fake = Fake::answering([says(
        Status::BAD_REQUEST,
        "pushed metrics are invalid:\n a, b\x1b[31m\n",
    )])
    .await;
    let error = fake.gateway().put(&group(), body(), soon()).await.unwrap_err();
    let expected = format!(
        "the gateway at http://{} refused the request with 400 Bad Request: pushed metrics are invalid: a, b [31m",
        fake.at
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(fake.received().len(), 1, "not tried again");
}

#[tokio::test]
async fn a_long_message_is_shortened() {
    let fake = Fake::answering([says(Status::BAD_REQUEST, &"é".repeat(1_000_000))]).await;
    let error = fake
        .gateway()
        .put(&group(), body(), soon())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.len() < 2_200 && error.ends_with("é…"), "{} bytes", error.len());
}

#[tokio::test]
async fn a_gateway_that_recovers_gets_the_same_body_again() {
    let answers = [
        says(Status::INTERNAL_SERVER_ERROR, "a"),
        says(Status::BAD_GATEWAY, ""),
        says(Status::ACCEPTED, ""),
    ];
    let fake = Fake::answering(answers).await;
    fake.gateway().put(&group(), body(), soon()).await.unwrap();
    let received = fake.received();
    assert_eq!(received.len(), 3);
    assert!(
        received
            .iter()
            .all(|request| request.method == "PUT" && request.body == b"a 1\n"[..])
    );
}

#[tokio::test]
async fn a_gateway_that_does_not_recover_is_given_up_with_its_last_message() {
    let fake = Fake::answering([says(Status::SERVICE_UNAVAILABLE, "no disk\n")]).await;
    let error = fake
        .gateway()
        .put(&group(), body(), within(Duration::from_secs(1)))
        .await
        .unwrap_err();
    let tried = fake.received().len();
    let expected = format!(
        "the gateway at http://{} answered 503 Service Unavailable: no disk; gave up after {tried} attempts",
        fake.at
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(tried > 1, "tried again");
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_then_told() {
    // Bound but not listening: the port stays ours, and connections to it are refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = socket.local_addr().unwrap();
    let error = gateway(at)
        .put(&group(), body(), within(Duration::from_millis(500)))
        .await
        .unwrap_err();
    let expected =
        format!("the gateway at http://{at} could not be reached: Connection refused (os error 111); gave up after");
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(
        matches!(&error, GatewayError::GaveUp(GaveUp { attempts: 2.., .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_hanging_gateway_is_cut_off_at_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let limit = Duration::from_millis(200);
    let gateway = Pushgateway::new(&format!("http://{at}"), Auth::None, None, limit).unwrap();
    let error = gateway.put(&group(), body(), within(10 * limit)).await.unwrap_err();
    let expected = format!("the gateway at http://{at} did not answer within 0.");
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(
        matches!(&error, GatewayError::GaveUp(GaveUp { attempts: 2.., .. })),
        "tried again: {error:?}"
    );
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let gateway = gateway(at);
    let answers = ["", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"];
    let server = async {
        for answer in answers {
            let (mut connection, _) = listener.accept().await.unwrap();
            connection.read_buf(&mut Vec::with_capacity(65536)).await.unwrap();
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    let group = group();
    let (pushed, ()) = tokio::join!(gateway.put(&group, body(), soon()), server);
    pushed.unwrap();

    let always = tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            connection.read_buf(&mut Vec::with_capacity(65536)).await.unwrap();
        }
    });
    let error = gateway
        .put(&group, body(), within(Duration::from_secs(2)))
        .await
        .unwrap_err();
    let expected = format!("the gateway at http://{at} broke the connection off: ");
    assert!(error.to_string().starts_with(&expected), "{error}");
    always.abort();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Fake::answering([says(Status::OK, "")]).await;
    let location = format!("http://{}/metrics?token=s3cret", elsewhere.at);
    let fake = Fake::answering([(Status::MOVED_PERMANENTLY, vec![("location", location)], Vec::new())]).await;
    let error = fake.gateway().put(&group(), body(), soon()).await.unwrap_err();
    let expected = format!(
        "the gateway at http://{} answered 301 Moved Permanently, a redirect to http://{}, which is not followed: ",
        fake.at, elsewhere.at
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!((fake.received().len(), elsewhere.received().len()), (1, 0));
}

#[tokio::test]
async fn without_time_nothing_is_sent() {
    let fake = Fake::answering([says(Status::OK, "")]).await;
    let error = fake.gateway().put(&group(), body(), Instant::now()).await.unwrap_err();
    assert!(matches!(error, GatewayError::NoTimeLeft { .. }), "{error}");
    assert_eq!(fake.received().len(), 0);
}

#[test]
fn urls_that_no_gateway_can_have_are_refused_without_showing_them() {
    for (url, expected) in [
        ("", "the sink's `url` is not a URL: relative URL without a base"),
        (
            "s3cret:9091",
            "the sink's `url` must begin with `http://` or `https://` and name a host",
        ),
        (
            "ftp://s3cret/",
            "the sink's `url` must begin with `http://` or `https://` and name a host",
        ),
        (
            "http://user:s3cret@h/",
            "the sink's `url` holds credentials: put them under `basic` or `bearer` instead",
        ),
        (
            "http://h/?s3cret",
            "the sink's `url` has a query or a fragment, to which no path can be added: remove it",
        ),
        (
            "http://h/#s3cret",
            "the sink's `url` has a query or a fragment, to which no path can be added: remove it",
        ),
    ] {
        let error = Pushgateway::new(url, Auth::None, None, Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.to_string(), expected, "{url}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
}

const STORED: &str =
    "# TYPE a gauge\na{env=\"a/b\",instance=\"\",job=\"other\"} 1\na{env=\"a/b\",instance=\"\",job=\"transfers\"} 2\n";

#[tokio::test]
async fn a_stored_gauge_is_read_plain_and_compressed() {
    let compressed = (Status::OK, vec![("content-encoding", "gzip".to_owned())], gzip(STORED));
    for answer in [says(Status::OK, STORED), compressed] {
        let fake = Fake::answering([answer]).await;
        let gateway = fake.gateway();
        assert_eq!(
            gateway.stored_gauge("a", &group(), &[], soon()).await.unwrap(),
            Some(2.0)
        );
        assert_eq!(
            gateway
                .stored_gauge("a", &GroupingKey::new("x", &[]), &[], soon())
                .await
                .unwrap(),
            None
        );
        assert_eq!(gateway.stored_gauge("b", &group(), &[], soon()).await.unwrap(), None);
        let labels = [("c".to_owned(), "d".to_owned())];
        assert_eq!(
            gateway.stored_gauge("a", &group(), &labels, soon()).await.unwrap(),
            None
        );
        let all = gateway.stored_gauges("a", soon()).await.unwrap();
        let all: Vec<_> = all
            .iter()
            .map(|(labels, value)| (labels["job"].as_str(), labels.len(), *value))
            .collect();
        assert_eq!(all, [("other", 2, 1.0), ("transfers", 2, 2.0)]);
        let received = fake.received();
        assert_eq!(
            (received[0].method.as_str(), received[0].path.as_str()),
            ("GET", "/metrics")
        );
        assert_eq!(received[0].header("accept-encoding"), Some("gzip"));
    }
}

#[tokio::test]
async fn an_incomplete_exposition_is_an_error_and_not_an_absent_gauge() {
    let whole = gzip(STORED);
    let cut = (
        Status::OK,
        vec![("content-encoding", "gzip".to_owned())],
        whole[..whole.len() - 12].to_vec(),
    );
    let fake = Fake::answering([cut]).await;
    let error = fake
        .gateway()
        .stored_gauge("b", &group(), &[], within(Duration::from_secs(3)))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("broke the connection off"), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = gateway(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            connection.read_buf(&mut Vec::with_capacity(65536)).await.unwrap();
            connection
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\na{job=\"x\"} 1\n")
                .await
                .unwrap();
        }
    });
    let error = gateway
        .stored_gauge("b", &group(), &[], within(Duration::from_secs(3)))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("broke the connection off"), "{error}");
    server.abort();
}

#[test]
fn requests_can_run_on_any_thread() {
    fn is_send<T: Send>(_: T) {}
    let gateway = gateway("127.0.0.1:1".parse().unwrap());
    is_send(gateway.put(&group(), body(), soon()));
    is_send(gateway.stored_gauge("a", &group(), &[], soon()));
    is_send(gateway.stored_gauges("a", soon()));
}
