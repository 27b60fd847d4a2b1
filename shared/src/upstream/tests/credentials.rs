//! Secrets that are rotated, and requests that are signed as AWS computes it.

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;

use super::*;
use crate::placeholders::Provider;

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
