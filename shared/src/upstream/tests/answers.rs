//! What is sent, and what each answer of the upstream means.

use super::*;

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
