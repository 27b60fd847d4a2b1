//! Upstreams that are not there, hang, or break off, each by its name.

use tokio::net::TcpSocket;

use super::*;

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
