//! The cache and the client against a small Secrets Manager of our own, which does what the real one does on bad days.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;

/// What the fake answers.
#[derive(Clone, Copy)]
enum Answer {
    /// `value-1`, `value-2` .., by the number of the request, once let go.
    Value,
    /// A status and a body.
    Body(StatusCode, &'static str),
    /// 500 to the first request, then as `Value`.
    Recovers,
    /// As `Value` to the first request, then a refusal.
    Deleted,
    /// Never.
    Hangs,
}

struct Fake {
    answer: Answer,
    requests: AtomicUsize,
    gate: Option<Notify>,
    endpoint: String,
}

impl Fake {
    async fn start(answer: Answer) -> Arc<Self> {
        Self::start_as(answer, None).await
    }

    /// Answers each request once `gate` is notified.
    async fn start_gated(answer: Answer) -> Arc<Self> {
        Self::start_as(answer, Some(Notify::new())).await
    }

    async fn start_as(answer: Answer, gate: Option<Notify>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let fake = Arc::new(Self {
            answer,
            requests: AtomicUsize::new(0),
            gate,
            endpoint,
        });
        let router = Router::new().fallback(answer_request).with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn manager(&self, limits: Limits) -> SecretsManager {
        manager(&self.endpoint, limits)
    }
}

async fn answer_request(State(fake): State<Arc<Fake>>, _body: Bytes) -> (StatusCode, String) {
    let number = fake.requests.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(gate) = &fake.gate {
        gate.notified().await;
    }
    let value = || {
        (
            StatusCode::OK,
            format!(r#"{{"Name":"db","SecretString":"value-{number}"}}"#),
        )
    };
    match fake.answer {
        Answer::Value => value(),
        Answer::Recovers if number > 1 => value(),
        Answer::Deleted if number == 1 => value(),
        Answer::Deleted => (
            StatusCode::BAD_REQUEST,
            r#"{"__type":"InvalidRequestException"}"#.to_owned(),
        ),
        Answer::Recovers => (StatusCode::INTERNAL_SERVER_ERROR, "{}".to_owned()),
        Answer::Body(status, body) => (status, body.to_owned()),
        Answer::Hangs => pending().await,
    }
}

fn manager(endpoint: &str, limits: Limits) -> SecretsManager {
    let credentials = Credentials::new("key", "signing-secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-west-3"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    SecretsManager::from_config(config, limits)
}

/// Short enough for a test, long enough for a busy machine where an answer is expected.
fn impatient() -> Limits {
    Limits {
        attempt: Duration::from_millis(100),
        total: Duration::from_millis(300),
        ..Limits::default()
    }
}

async fn value(manager: &SecretsManager) -> Result<String, SecretError> {
    manager
        .value("db", None)
        .await
        .map(|value| value.expose_secret().to_owned())
}

async fn fetch_error(manager: &SecretsManager) -> FetchError {
    match value(manager).await.unwrap_err().reason {
        SecretErrorReason::Fetch(error) => error,
        SecretErrorReason::Field(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_value_is_fetched_once_while_it_is_fresh() {
    let fake = Fake::start(Answer::Value).await;
    let manager = fake.manager(Limits::default());
    assert_eq!(value(&manager).await.as_deref(), Ok("value-1"));
    assert_eq!(value(&manager.clone()).await.as_deref(), Ok("value-1"));
    assert_eq!(fake.requests(), 1);
}

#[tokio::test]
async fn an_old_value_is_fetched_again() {
    let fake = Fake::start(Answer::Value).await;
    let manager = fake.manager(Limits {
        lifetime: Duration::ZERO,
        ..Limits::default()
    });
    assert_eq!(value(&manager).await.as_deref(), Ok("value-1"));
    assert_eq!(value(&manager).await.as_deref(), Ok("value-2"));
}

#[tokio::test]
async fn concurrent_callers_share_one_fetch() {
    let fake = Fake::start_gated(Answer::Value).await;
    let manager = fake.manager(Limits::default());
    let callers = join_all((0..50).map(|_| value(&manager)));
    let open = async {
        while fake.requests() == 0 {
            tokio::task::yield_now().await;
        }
        fake.gate.as_ref().unwrap().notify_one();
    };
    let (values, ()) = tokio::join!(callers, open);
    assert!(
        values.iter().all(|value| value.as_deref() == Ok("value-1")),
        "{values:?}"
    );
    assert_eq!(fake.requests(), 1);
}

#[tokio::test]
async fn concurrent_callers_share_one_failure() {
    let refusal = Answer::Body(
        StatusCode::BAD_REQUEST,
        r#"{"__type":"ResourceNotFoundException","message":"no"}"#,
    );
    let fake = Fake::start(refusal).await;
    let manager = fake.manager(Limits::default());
    let values = join_all((0..50).map(|_| value(&manager))).await;
    assert!(values.iter().all(Result::is_err), "{values:?}");
    assert_eq!(fake.requests(), 1);
}

/// Whoever asks a function while Secrets Manager is down must not wait for it each time.
#[tokio::test]
async fn a_fetch_that_got_no_answer_is_not_tried_again_within_the_interval() {
    let fake = Fake::start(Answer::Recovers).await;
    let manager = fake.manager(Limits {
        attempts: 1,
        interval: Duration::MAX,
        ..Limits::default()
    });
    let failed = value(&manager).await.unwrap_err();
    for _ in 0..2 {
        assert_eq!(value(&manager).await.unwrap_err(), failed);
        assert_eq!(manager.refresh("db").await.unwrap_err(), failed);
    }
    assert_eq!(fake.requests(), 1);
}

#[tokio::test]
async fn a_secret_that_was_at_fault_is_asked_for_again_at_once() {
    let missing = Answer::Body(
        StatusCode::BAD_REQUEST,
        r#"{"__type":"ResourceNotFoundException","message":"no"}"#,
    );
    let fake = Fake::start(missing).await;
    let manager = fake.manager(Limits {
        interval: Duration::MAX,
        ..Limits::default()
    });
    for asked in 1..=3 {
        value(&manager).await.unwrap_err();
        assert_eq!(fake.requests(), asked);
    }
    // Not so for a login that fails, which says nothing of the secret.
    manager.refresh("db").await.unwrap_err();
    assert_eq!(fake.requests(), 3);
}

#[tokio::test]
async fn a_fetch_that_failed_is_tried_again_after_the_interval_and_forgotten_once_it_succeeds() {
    let fake = Fake::start(Answer::Recovers).await;
    let manager = fake.manager(Limits {
        attempts: 1,
        interval: Duration::ZERO,
        ..Limits::default()
    });
    value(&manager).await.unwrap_err();
    assert_eq!(value(&manager).await.as_deref(), Ok("value-2"));
    manager.refresh("db").await.unwrap();
    assert_eq!(value(&manager).await.as_deref(), Ok("value-3"));
    assert_eq!(fake.requests(), 3);
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_take_the_fetch_from_the_others() {
    let fake = Fake::start_gated(Answer::Value).await;
    let manager = fake.manager(Limits::default());
    let mut first = Box::pin(value(&manager));
    let mut second = Box::pin(value(&manager));
    while fake.requests() == 0 {
        tokio::select! {
            biased;
            outcome = &mut first => panic!("{outcome:?}"),
            outcome = &mut second => panic!("{outcome:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(first);
    fake.gate.as_ref().unwrap().notify_one();
    assert_eq!(second.await.as_deref(), Ok("value-1"));
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_ends() {
    let fake = Fake::start_gated(Answer::Value).await;
    let manager = fake.manager(Limits::default());
    let mut given_up = Box::pin(value(&manager));
    while fake.requests() == 0 {
        tokio::select! {
            biased;
            outcome = &mut given_up => panic!("{outcome:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(given_up);
    // Kept for the next request, whichever of the two the fake sees first.
    fake.gate.as_ref().unwrap().notify_one();
    let next = async {
        let value = value(&manager).await;
        assert_eq!(value.as_deref(), Ok("value-2"));
    };
    let open = async {
        while fake.requests() < 2 {
            tokio::task::yield_now().await;
        }
        fake.gate.as_ref().unwrap().notify_one();
    };
    tokio::join!(next, open);
}

#[tokio::test]
async fn refresh_sees_the_new_value_once_an_interval() {
    let fake = Fake::start(Answer::Value).await;
    let manager = fake.manager(Limits::default());
    assert_eq!(value(&manager).await.as_deref(), Ok("value-1"));
    manager.refresh("db").await.unwrap();
    assert_eq!(value(&manager).await.as_deref(), Ok("value-2"));
    manager.refresh("db").await.unwrap();
    assert_eq!(value(&manager).await.as_deref(), Ok("value-2"));
    assert_eq!(fake.requests(), 2);

    let manager = fake.manager(Limits {
        interval: Duration::ZERO,
        ..Limits::default()
    });
    manager.refresh("db").await.unwrap();
    manager.refresh("db").await.unwrap();
    assert_eq!(fake.requests(), 4);
}

#[tokio::test]
async fn a_refresh_that_fails_keeps_the_value() {
    let fake = Fake::start(Answer::Deleted).await;
    let manager = fake.manager(Limits::default());
    assert_eq!(value(&manager).await.as_deref(), Ok("value-1"));
    manager.refresh("db").await.unwrap_err();
    assert_eq!(value(&manager).await.as_deref(), Ok("value-1"));
}

/// Each login that fails asks for a refresh: while Secrets Manager is down, that must not be a request each.
#[tokio::test]
async fn a_refresh_that_fails_is_not_tried_again_within_the_interval() {
    for (interval, asked_again) in [(Duration::MAX, 0), (Duration::ZERO, 2)] {
        let fake = Fake::start(Answer::Deleted).await;
        let manager = fake.manager(Limits {
            interval,
            ..Limits::default()
        });
        assert_eq!(value(&manager).await.as_deref(), Ok("value-1"));
        let failed = manager.refresh("db").await.unwrap_err();
        assert_eq!(fake.requests(), 2);
        for _ in 0..2 {
            // Whoever asks is told, for a token that is not known may be a new one.
            assert_eq!(manager.refresh("db").await.unwrap_err(), failed);
            assert_eq!(value(&manager).await.as_deref(), Ok("value-1"));
        }
        assert_eq!(fake.requests(), 2 + asked_again, "{interval:?}");
    }
}

#[tokio::test]
async fn a_server_error_is_tried_again() {
    let fake = Fake::start(Answer::Recovers).await;
    assert_eq!(value(&fake.manager(Limits::default())).await.as_deref(), Ok("value-2"));
}

#[tokio::test]
async fn a_lasting_server_error_is_named_after_all_attempts() {
    let fake = Fake::start(Answer::Body(StatusCode::SERVICE_UNAVAILABLE, "hunter2")).await;
    let error = value(&fake.manager(Limits {
        attempts: 2,
        ..Limits::default()
    }))
    .await
    .unwrap_err();
    assert_eq!(fake.requests(), 2);
    let text = format!("{error} {error:?}");
    assert!(text.contains("503"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (body, expected) in [
        (
            r#"{"__type":"ResourceNotFoundException","message":"Secrets Manager can't find the specified secret."}"#,
            "the secret `db` does not exist in eu-west-3: check its name and the region, or create it",
        ),
        (
            r#"{"__type":"AccessDeniedException","Message":"User: arn:aws:x is not authorized"}"#,
            "the secret `db` may not be read: allow `secretsmanager:GetSecretValue` on it, and `kms:Decrypt` on its \
             key when it has one of its own (AWS says: User: arn:aws:x is not authorized)",
        ),
        (
            r#"{"__type":"InvalidRequestException","message":"it was marked for deletion"}"#,
            "the secret `db` was refused by AWS Secrets Manager: InvalidRequestException: it was marked for deletion",
        ),
    ] {
        let fake = Fake::start(Answer::Body(StatusCode::BAD_REQUEST, body)).await;
        let error = value(&fake.manager(Limits::default())).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(fake.requests(), 1, "{error}");
    }
}

#[tokio::test]
async fn answers_without_text_are_told_apart() {
    for (body, expected) in [
        (r#"{"Name":"db","SecretBinary":"aHVudGVyMg=="}"#, FetchError::Binary),
        (r#"{"Name":"db"}"#, FetchError::Empty),
    ] {
        let fake = Fake::start(Answer::Body(StatusCode::OK, body)).await;
        assert_eq!(fetch_error(&fake.manager(Limits::default())).await, expected);
    }
}

#[tokio::test]
async fn an_unreadable_answer_is_not_shown() {
    let fake = Fake::start(Answer::Body(StatusCode::OK, r#"{"SecretString":"hunter2"#)).await;
    let error = fetch_error(&fake.manager(Limits {
        attempts: 1,
        ..Limits::default()
    }))
    .await;
    assert!(
        matches!(&error, FetchError::Refused { code, .. } if code == "HTTP status 200"),
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn a_hanging_endpoint_times_out() {
    let fake = Fake::start(Answer::Hangs).await;
    let limits = impatient();
    assert_eq!(
        fetch_error(&fake.manager(limits)).await,
        FetchError::TimedOut { within: limits.total }
    );
    assert!(fake.requests() > 1, "a hanging attempt is followed by another");
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = fetch_error(&manager(&endpoint, Limits::default())).await;
    assert!(
        matches!(&error, FetchError::Unreachable { message } if message.contains("refused")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_closed_connection_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.read(&mut [0; 64]).await;
        }
    });
    let error = fetch_error(&manager(
        &endpoint,
        Limits {
            attempts: 1,
            ..Limits::default()
        },
    ))
    .await;
    // Closed or reset: the kernel decides by what it has read of the request.
    assert!(
        matches!(
            &error,
            FetchError::NotAnswered { message } | FetchError::Unreachable { message } if message.contains("connection")
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_missing_in_the_environment_is_named() {
    let builder = || SdkConfig::builder().behavior_version(BehaviorVersion::v2026_01_12());
    let no_region = SecretsManager::from_config(builder().build(), Limits::default());
    assert_eq!(fetch_error(&no_region).await, FetchError::NoRegion);

    let no_credentials = builder()
        .region(Region::new("eu-west-3"))
        .endpoint_url("http://127.0.0.1:9")
        .build();
    let error = fetch_error(&SecretsManager::from_config(no_credentials, Limits::default())).await;
    assert!(
        matches!(&error, FetchError::NotAnswered { message } if message.contains("identity")),
        "{error:?}"
    );
}

#[tokio::test]
async fn debug_shows_no_value() {
    let fake = Fake::start(Answer::Value).await;
    let manager = fake.manager(Limits::default());
    let value = manager.value("db", None).await.unwrap();
    let text = format!(
        "{manager:?} {value:?} {:?}",
        manager.value("db", Some("password")).await.unwrap_err()
    );
    assert!(!text.contains("value-1") && !text.contains("signing-secret"), "{text}");
}
