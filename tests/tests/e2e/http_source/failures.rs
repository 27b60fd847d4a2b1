//! Each way in which a service can fail, by its name, and never with what the page holds.

use anyhow::Result;
use fanlight_tests::canary::TOKEN;
use fanlight_tests::faults::{Answering, Hanging, refusing};
use fanlight_tests::scripted::{Scripted, Step, beginning, head, whole};

use super::{HEALTH_JOB, Pages, source};

const MORE: &str = ", timeout: 700ms, max_bytes: 1000, bearer: '{{SOURCE_TOKEN}}'";
const SECRET: &str = "content-of-the-page";

/// The failure of a job whose service is at this URL.
async fn failure(url: &str) -> Result<(String, String)> {
    let pages = Pages::new(&format!("{}{HEALTH_JOB}", source(url, MORE))).await?;
    let (kind, message) = pages.fail().await?;
    assert!(
        !message.contains(SECRET) && !pages.collector.log().contains(SECRET),
        "{message}"
    );
    let place = format!(
        "job j: check_state failed: query check_state ({}/a.yaml:",
        pages.collector.config.path().display()
    );
    assert!(message.starts_with(&place), "{message}");
    assert_eq!(pages.series("check_state").await?, Vec::<String>::new());
    assert_eq!(pages.series("fanlight_target_up").await?.len(), 1, "{message}");
    Ok((kind, message))
}

#[tokio::test]
async fn a_service_that_cannot_be_reached() -> Result<()> {
    let hanging = Hanging::start().await?;
    let plain = Answering::start(&[(200, "[]")]).await?;
    for (url, kind, expected) in [
        (
            format!("http://{}", refusing()?),
            "connect",
            "refused the connection; is it running, and is the port of its `url` right?",
        ),
        (
            "http://nobody.invalid".to_owned(),
            "connect",
            "the target at http://nobody.invalid is not known by name",
        ),
        (
            format!("http://{}", hanging.address()),
            "timeout",
            "did not answer within 0.7 s",
        ),
        (
            plain.url().replace("http:", "https:"),
            "connect",
            "could not be talked to by TLS",
        ),
    ] {
        let failure = failure(&url).await?;
        assert!(
            failure.0 == kind && failure.1.contains(expected),
            "{expected}: {failure:?}"
        );
    }
    Ok(())
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of answers and what is said of them")]
async fn an_answer_that_is_no_page() -> Result<()> {
    let text = |body: &str| whole(200, &[("content-type", "text/html")], body);
    let secret = format!("{{\"{SECRET}\": 1}}");
    let large = format!("[{}]", vec![r#"{"check": "ok"}"#; 100].join(","));
    let cases = [
        (
            whole(500, &[], SECRET),
            "status",
            "answered 500 Internal Server Error; ",
        ),
        (whole(404, &[], SECRET), "status", "answered 404 Not Found; "),
        (
            whole(503, &[], &secret),
            "status",
            "answered 503 Service Unavailable with JSON all the same",
        ),
        (whole(204, &[], ""), "status", "answered 204 No Content"),
        (
            whole(401, &[], SECRET),
            "login",
            "refused the credentials with 401 Unauthorized: check `bearer`",
        ),
        (
            whole(403, &[], SECRET),
            "login",
            "refused the credentials with 403 Forbidden: check `bearer`",
        ),
        (
            text(&format!("<html>{SECRET}")),
            "page",
            "the page of the target at http://127.0.0.1:PORT is HTML and not JSON",
        ),
        (text(""), "page", "is empty"),
        (
            text(&format!("{SECRET} and more")),
            "page",
            "is not JSON: it is malformed at line 1, column 1",
        ),
        (
            text(&format!("[{{\"{SECRET}\": ")),
            "page",
            "is not JSON: it ends too early at line 1",
        ),
        (
            whole(
                200,
                &[],
                [b"[{\"".as_slice(), SECRET.as_bytes(), b"\xff\": \"ok\"}]"].concat(),
            ),
            "page",
            "is not UTF-8 from byte 22 on",
        ),
        (whole(200, &[], b"\xff\xfe[\0]\0"), "page", "is UTF-16 or UTF-32"),
        (
            text(&secret),
            "rows",
            "has an object at its root, where a list of checks is expected",
        ),
        (
            text(&format!("[{{\"{SECRET}\": 1}}]")),
            "rows",
            "has a number at `/0`, where a check's state as text is expected",
        ),
        (
            text(&large),
            "page",
            "answered with more than the 1000 bytes that `max_bytes` allows",
        ),
        (
            beginning(&[], vec![b'x'; 1001], Step::Hold),
            "page",
            "answered with more than the 1000 bytes that `max_bytes` allows",
        ),
        (
            vec![
                Step::Send(head(200, &[("transfer-encoding", "chunked")])),
                Step::Repeat(b"5\r\n     \r\n".to_vec(), 1_000_000),
                Step::Close,
            ],
            "page",
            "answered with more than the 1000 bytes",
        ),
        (
            whole(200, &[("content-encoding", "gzip")], SECRET),
            "page",
            "answered with a content encoding, which was not asked for",
        ),
        (vec![Step::Close], "connection", "cut the connection before it answered"),
        (
            beginning(&[], "[{", Step::Close),
            "connection",
            "cut the connection in the middle of its answer",
        ),
        (
            vec![
                Step::Send([head(200, &[("content-length", "100")]), b"[{".to_vec()].concat()),
                Step::Close,
            ],
            "connection",
            "cut the connection in the middle of its answer",
        ),
        (
            beginning(&[], "[{", Step::Hold),
            "timeout",
            "had not sent all of its answer within 0.7 s",
        ),
        (vec![Step::Hold], "timeout", "did not answer within 0.7 s"),
        (
            vec![Step::Send(b"SSH-2.0-OpenSSH\r\n".to_vec()), Step::Close],
            "connection",
            "does not keep to HTTP",
        ),
    ];
    for (reply, kind, expected) in cases {
        let service = Scripted::always(reply).await?;
        let failure = failure(&service.url()).await?;
        let expected = expected.replace("PORT", &service.port());
        assert!(
            failure.0 == kind && failure.1.contains(&expected),
            "{expected}: {failure:?}"
        );
        assert_eq!(
            service
                .asked()
                .first()
                .map(|asked| asked.header("authorization").join("")),
            Some(format!("Bearer {TOKEN}"))
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_url_that_only_the_placeholder_shows_to_be_none() -> Result<()> {
    for (url, expected) in [
        (
            "{{NO_SUCH_VARIABLE}}",
            "the target `unknown`: {{NO_SUCH_VARIABLE}}: the environment variable NO_SUCH_VARIABLE is not set",
        ),
        ("{{SOURCE_TOKEN}}", "the target `unknown`: "),
    ] {
        let (kind, message) = failure(url).await?;
        assert!(kind == "placeholder" && message.contains(expected), "{message}");
    }
    Ok(())
}

#[tokio::test]
async fn pages_end_with_the_job_and_leave_time_to_tell_of_it() -> Result<()> {
    let hanging = Hanging::start().await?;
    let config = format!(
        "{}{HEALTH_JOB}",
        source(&format!("http://{}", hanging.address()), ", timeout: 1m")
    )
    .replace("  source: pages", "  source: pages\n  timeout: 2s");
    let pages = Pages::new(&config).await?;
    let (kind, message) = pages.fail().await?;
    assert!(
        kind == "timeout" && message.contains("did not answer within 1.6 s"),
        "{message}"
    );
    assert_eq!(pages.series("fanlight_target_up").await?.len(), 1);
    Ok(())
}
