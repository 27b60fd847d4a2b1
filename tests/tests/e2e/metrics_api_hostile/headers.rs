//! Headers that claim something, and credentials that are several.

use super::*;

#[tokio::test]
async fn headers_that_claim_something() -> Result<()> {
    let door = Door::open().await?;
    let forged = [
        "X-Scope-OrgID: bolt",
        "x-sCoPe-oRgId: bolt|acme",
        "X-Prom-Label-Policy: {}",
        "THANOS-TENANT: bolt",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: bolt",
        "X-Forwarded-Proto: http",
        "Forwarded: for=10.0.0.1;host=bolt",
        "X-Amzn-Trace-Id: Root=bolt",
        "X-Amzn-Requestid: bolt",
        r#"X-Amzn-Request-Context: {"authorizer":{"organisations":"[\"bolt\"]"}}"#,
        "X-Amz-Security-Token: bolt",
        "X-Amz-Date: 20260101T000000Z",
        "X-Api-Key: bolt",
        "X-Original-URL: /api/v1/admin",
        "X-Rewrite-URL: /api/v1/admin",
        "Cookie: organisation_id=bolt",
        "Connection: x-scope-orgid",
        "Proxy-Authorization: Basic Ym9sdDpib2x0",
        "Te: trailers",
        "Upgrade: h2c",
        "Range: bytes=0-1",
        "If-None-Match: *",
        "Expect: 100-continue",
        "Accept: text/html",
        "Accept-Encoding: gzip;q=0, br, zstd",
        "Accept-Encoding: identity;q=0",
        "Accept-Encoding: ,;;q=,",
        "Organisations: bolt",
        "Principalid: bolt",
    ];
    let mut attacks = Vec::new();
    for header in forged {
        for target in [
            "/api/v1/query?query=up",
            "/federate?match[]=up",
            "/api/v1/label/a/values",
        ] {
            attacks.push(attack("a header", "GET", target, 200, "").header(header));
        }
    }
    let all = forged.iter().fold(
        attack("all of them", "GET", "/api/v1/query?query=up", 200, ""),
        |all, header| all.header(*header),
    );
    attacks.push(all);
    attacks.push(
        attack("Accept", "GET", "/federate", 200, "text/plain").header(format!("Accept: {}", "a/b;q=,".repeat(1_000))),
    );
    attacks.push(
        attack("no gzip", "GET", "/federate", 200, "fanlight_federate_samples 0").header("Accept-Encoding: gzip;q=0"),
    );
    door.attempt_all(attacks).await?;
    Ok(())
}

#[tokio::test]
async fn credentials_that_are_several() -> Result<()> {
    let door = Door::open().await?;
    let (acme, bolt) = (door.acme.authorization(), door.bolt.authorization());
    let query = "/api/v1/query?query=up";
    let several = |name: &str, lines: &[String]| {
        let attack = attack(name, "GET", query, 401, "unauthorized");
        lines.iter().fold(attack, Attack::header)
    };
    let attacks = vec![
        several(
            "both",
            &[format!("Authorization: {acme}"), format!("Authorization: {bolt}")],
        ),
        several(
            "the same",
            &[format!("Authorization: {acme}"), format!("authorization: {acme}")],
        ),
        several("a list", &[format!("Authorization: {acme}, {bolt}")]),
        several(
            "one that is empty",
            &["Authorization: ".to_owned(), format!("AUTHORIZATION: {acme}")],
        ),
        several("two words", &[format!("Authorization: Bearer {acme}")]),
        several(
            "another scheme",
            &[format!("Authorization: Token {}", door.acme.token())],
        ),
        several(
            "another header",
            &["Authorization: ".to_owned(), format!("X-Authorization: {acme}")],
        ),
        attack(
            "a parameter",
            "GET",
            format!("{query}&access_token={}", door.acme.token()),
            400,
            "unknown parameter",
        ),
        attack("an odd case", "GET", query, 200, "").header(format!("aUtHoRiZaTiOn: bEaReR {}", door.acme.token())),
    ];
    door.attempt_all(attacks).await
}
