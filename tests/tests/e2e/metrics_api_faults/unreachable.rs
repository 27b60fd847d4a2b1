//! An upstream that cannot be asked, comes late, leads elsewhere or wants other credentials.

use std::time::Duration;

use fanlight_tests::canary::ROTATED_PASSWORD;
use fanlight_tests::faults::{Hanging, refusing};
use fanlight_tests::scripted::Step;
use fanlight_tests::{Deployment, PASSWORD, SecretsManager, configuration};

use super::*;

#[tokio::test]
async fn an_upstream_that_cannot_be_asked() -> Result<()> {
    let hanging = Hanging::start().await?;
    let (refusing, hanging) = (refusing()?, hanging.address());
    // A name that is too long for the DNS is unknown without asking anybody.
    let nowhere = format!("http://{}.bolt", "n".repeat(70));
    let cases = [
        (format!("http://{refusing}"), 502, NOT_REACHED, "refused the connection"),
        (nowhere, 502, NOT_REACHED, "is not known by name"),
        (
            format!("http://{hanging}"),
            504,
            TOO_LATE,
            "did not answer within 1.0 s",
        ),
        (format!("https://{hanging}"), 504, TOO_LATE, "within 1.0 s"),
    ];
    for (url, status, words, told) in cases {
        let (api, acme) = at(&url, "    timeout: 1s\n", "").await?;
        for target in [QUERY, FEDERATE] {
            let answer = ask(&api, &acme, target, "*/*", true).await?;
            assert_eq!(answer.error()?, (status, words.to_owned()), "{url} {target}");
            let seen = format!("{:?}{}", answer.headers, answer.text()?);
            assert!(!seen.contains(&refusing.port().to_string()), "{seen}");
            assert!(!seen.contains(&hanging.port().to_string()), "{seen}");
        }
        let log = api.log_until(|log| log.matches(told).count() >= 2).await;
        log.with_context(|| url.clone())?;
    }
    Ok(())
}

#[tokio::test]
async fn the_time_is_up_before_the_functions_is() -> Result<()> {
    let hanging = Hanging::start().await?;
    let config = configuration(&format!("    url: http://{}\n", hanging.address()), "");
    let customers = [Customer::new("acme", &["acme-fr"])?];
    let deployment = Deployment {
        timeout: Duration::from_secs(2),
        ..Deployment::new(&config, &customers)
    };
    let api = deployment.start().await?;
    for target in [QUERY, FEDERATE] {
        let answer = ask(&api, &customers[0], target, "*/*", true).await?;
        // API Gateway's own would say "Endpoint request timed out".
        assert_eq!(answer.error()?, (504, TOO_LATE.to_owned()), "{target}");
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_that_did_not_outlive_the_freeze_is_made_anew_once() -> Result<()> {
    let good = || whole(200, &[], series(1));
    let upstream = Scripted::start(vec![good(), vec![Step::Close], good()]).await?;
    let (api, acme) = behind(&upstream).await?;
    for invocation in [1, 2] {
        assert_eq!(ask(&api, &acme, QUERY, "*/*", false).await?.status, 200);
        // The next request must find the same process free.
        api.peak_memory(invocation).await?;
    }
    let connections: Vec<u64> = upstream.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
    assert!(
        api.log()
            .contains("the upstream had cut the connection meanwhile; asking again on a new one")
    );

    // An upstream that cuts every connection is asked no third time.
    let upstream = Scripted::start(vec![good(), vec![Step::Close]]).await?;
    let (api, acme) = behind(&upstream).await?;
    assert_eq!(ask(&api, &acme, QUERY, "*/*", false).await?.status, 200);
    api.peak_memory(1).await?;
    let answer = ask(&api, &acme, QUERY, "*/*", false).await?;
    assert_eq!(answer.error()?, (502, NOT_REACHED.to_owned()));
    assert_eq!(upstream.asked().len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_redirect_is_not_followed() -> Result<()> {
    let elsewhere = Scripted::always(whole(200, &[], series(1))).await?;
    for status in [301, 302, 307, 308] {
        let location = format!("{}/api/v1/query?token=hidden", elsewhere.url());
        let upstream = Scripted::always(whole(status, &[("location", &location)], "")).await?;
        let (api, acme) = behind(&upstream).await?;
        for target in [QUERY, FEDERATE, "/api/v1/label/shop/values"] {
            let answer = ask(&api, &acme, target, "*/*", false).await?;
            assert_eq!(answer.error()?, (502, NOT_REACHED.to_owned()), "{status} {target}");
            assert!(!format!("{:?}", answer.headers).contains(&elsewhere.port()), "{status}");
        }
        let told = format!("a redirect to {}, which is not followed", elsewhere.url());
        let log = api.log_until(|log| log.matches(&told).count() >= 3).await?;
        assert!(!log.contains("hidden"), "{log}");
    }
    assert!(elsewhere.asked().is_empty());
    Ok(())
}

#[tokio::test]
async fn credentials_that_were_rotated_are_fetched_again() -> Result<()> {
    let good = || whole(200, &[], series(1));
    let refused = || whole(401, &[], format!("wrong password {PASSWORD} of store-7"));
    let upstream = Scripted::start(vec![good(), refused(), good(), refused()]).await?;
    let aws = SecretsManager::start().await?;
    aws.create("upstream", PASSWORD).await?;
    let customers = [Customer::new("acme", &["acme-fr"])?];
    let settings = format!(
        "    url: {:?}\n    basic: {{username: fanlight, password: '{{{{PASSWORD}}}}'}}\n",
        upstream.url()
    );
    let config = format!(
        "placeholders:\n  PASSWORD: {{secret: upstream}}\n{}",
        configuration(&settings, "")
    );
    let mut deployment = Deployment::new(&config, &customers);
    deployment.environment.extend(aws.environment());
    let api = deployment.start().await?;

    assert_eq!(ask(&api, &customers[0], QUERY, "*/*", false).await?.status, 200);
    api.peak_memory(1).await?;
    aws.put("upstream", ROTATED_PASSWORD).await?;
    assert_eq!(ask(&api, &customers[0], QUERY, "*/*", false).await?.status, 200);
    let sent: Vec<String> = upstream
        .asked()
        .iter()
        .map(|asked| asked.header("authorization").concat())
        .collect();
    assert_eq!(sent.len(), 3);
    assert!(sent[0].starts_with("Basic ") && sent[0] == sent[1] && sent[1] != sent[2]);

    // Nothing of the credentials is acme's business.
    let answer = ask(&api, &customers[0], QUERY, "*/*", false).await?;
    let (status, said) = answer.error()?;
    assert_eq!(status, 502);
    assert_eq!(
        said,
        "unavailable: the upstream does not let us ask; tell whoever runs this API"
    );
    assert!(!answer.headers.contains_key("www-authenticate"));
    api.log_until(|log| log.contains("the upstream answered 401")).await?;
    Ok(())
}
