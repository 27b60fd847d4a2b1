//! JWTs as they should be, and the ways in which they are forged.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use serde_json::json;

use super::super::fake_issuer::{FakeIssuer, Pair, unsigned};
use super::*;

/// Far enough from any edge for a busy machine.
const FAR: u64 = 600;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn trust(issuer: Issuer) -> Vec<Trusted> {
    vec![Trusted::new(issuer, Times::default()).unwrap()]
}

fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": "metrics", "exp": now() + FAR, "nbf": now() - FAR, "sub": "acme",
        "organisations": ["acme-fr", "acme-de"]})
}

fn with(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            // `null` takes a field away.
            Value::Null => drop(object.as_object_mut().unwrap().remove(name)),
            value => object[name] = value.clone(),
        }
    }
    object
}

async fn outcome(jwt: &str, trusted: &[Trusted]) -> Result<Caller, Reason> {
    match authenticate(jwt, trusted).await {
        Ok(caller) => Ok(caller),
        Err(NotAuthenticated::Denied(denied)) => Err(denied.reason),
        Err(NotAuthenticated::Unavailable(error)) => panic!("{error}"),
    }
}

#[tokio::test]
async fn each_kind_of_key_verifies_its_own_algorithm_and_no_other() {
    let pairs = [
        ("rsa", Pair::rsa(), &["RS256", "PS256"][..]),
        ("p256", Pair::ec256(), &["ES256"]),
        ("p384", Pair::ec384(), &["ES384"]),
        ("ed", Pair::ed(), &["EdDSA"]),
    ];
    let keys = pairs.iter().map(|(id, pair, _)| pair.jwk(id)).collect();
    let issuer = FakeIssuer::start(keys).await;
    let trusted = trust(issuer.configured());
    for (id, pair, own) in &pairs {
        for algorithm in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
            let header = json!({"alg": algorithm, "kid": id, "typ": "JWT"}).to_string();
            let outcome = outcome(&pair.jwt(&header, &claims(&issuer.url).to_string()), &trusted).await;
            if own.contains(&algorithm) {
                assert_eq!(outcome.unwrap().client, "acme", "{id} {algorithm}");
            } else {
                assert_eq!(outcome, Err(Reason::UnknownKey), "{id} {algorithm}");
            }
        }
    }
}

#[tokio::test]
async fn claims_make_the_caller() {
    let pair = Pair::ec256();
    let issuer = FakeIssuer::start(vec![pair.jwk("k")]).await;
    let trusted = trust(issuer.configured());
    let header = json!({"alg": "ES256", "kid": "k"}).to_string();
    let end = now() + FAR;
    for (changes, organisations, plan) in [
        (json!({}), &["acme-fr", "acme-de"][..], "default"),
        (json!({"organisations": "acme-fr"}), &["acme-fr"], "default"),
        (json!({"organisations": "a b,c"}), &["a b,c"], "default"),
        (json!({"realm": {"plan": "gold"}}), &["acme-fr", "acme-de"], "gold"),
        (json!({"realm": {}}), &["acme-fr", "acme-de"], "default"),
        (
            json!({"aud": ["other", "https://metrics.example"]}),
            &["acme-fr", "acme-de"],
            "default",
        ),
        (json!({"nbf": null}), &["acme-fr", "acme-de"], "default"),
    ] {
        let claims = with(with(claims(&issuer.url), &changes), &json!({"exp": end}));
        let caller = outcome(&pair.jwt(&header, &claims.to_string()), &trusted)
            .await
            .unwrap();
        let expected = Caller {
            client: "acme".to_owned(),
            organisations: organisations.iter().map(|name| (*name).to_owned()).collect(),
            plan: plan.to_owned(),
            expires: Timestamp::from_second(i64::try_from(end + LEEWAY).unwrap()).unwrap(),
        };
        assert_eq!(caller, expected, "{changes}");
    }
}

#[tokio::test]
async fn a_jwt_with_wrong_claims_is_refused() {
    let pair = Pair::ec256();
    let issuer = FakeIssuer::start(vec![pair.jwk("k")]).await;
    let trusted = trust(issuer.configured());
    let header = json!({"alg": "ES256", "kid": "k"}).to_string();
    let none: &[&str] = &[];
    for (changes, reason) in [
        (json!({"iss": null}), Reason::Issuer),
        (json!({"iss": "https://evil.example"}), Reason::Issuer),
        (json!({"iss": format!("{}/", issuer.url)}), Reason::Issuer),
        (json!({"iss": [issuer.url]}), Reason::Issuer),
        (json!({"aud": null}), Reason::Claims),
        (json!({"aud": "other"}), Reason::Audience),
        (json!({"aud": ["other"]}), Reason::Audience),
        (json!({"aud": none}), Reason::Audience),
        (json!({"aud": "Metrics"}), Reason::Audience),
        (json!({"aud": 1}), Reason::Claims),
        (json!({"exp": null}), Reason::Claims),
        (json!({"exp": now() - FAR}), Reason::Expired),
        (json!({"exp": 0}), Reason::Expired),
        (json!({"exp": (now() + FAR).to_string()}), Reason::Claims),
        (json!({"exp": -1}), Reason::Claims),
        (json!({"exp": 1e300}), Reason::Claims),
        (json!({"nbf": now() + FAR}), Reason::NotYetValid),
        (json!({"nbf": "soon"}), Reason::Claims),
        (json!({"sub": null}), Reason::Claims),
        (json!({"sub": ""}), Reason::Claims),
        (json!({"sub": "a\nb"}), Reason::Claims),
        (json!({"sub": 7}), Reason::Claims),
        (json!({"organisations": null}), Reason::Claims),
        (json!({"organisations": none}), Reason::Claims),
        (json!({"organisations": ""}), Reason::Claims),
        (json!({"organisations": ["a", ""]}), Reason::Claims),
        (json!({"organisations": ["a", 1]}), Reason::Claims),
        (json!({"organisations": {"a": true}}), Reason::Claims),
        (json!({"realm": {"plan": 1}}), Reason::Claims),
    ] {
        let claims = with(claims(&issuer.url), &changes);
        assert_eq!(
            outcome(&pair.jwt(&header, &claims.to_string()), &trusted).await,
            Err(reason),
            "{changes}"
        );
    }
    for seconds in [LEEWAY - 10, LEEWAY + 10] {
        let late = with(claims(&issuer.url), &json!({"exp": now() - seconds}));
        let early = with(claims(&issuer.url), &json!({"nbf": now() + seconds}));
        for (claims, reason) in [(late, Reason::Expired), (early, Reason::NotYetValid)] {
            let outcome = outcome(&pair.jwt(&header, &claims.to_string()), &trusted).await;
            assert_eq!(outcome.err(), (seconds > LEEWAY).then_some(reason), "{seconds}");
        }
    }
}

#[tokio::test]
async fn a_claim_that_stands_twice_is_refused() {
    let pair = Pair::ec256();
    let issuer = FakeIssuer::start(vec![pair.jwk("k")]).await;
    let trusted = trust(issuer.configured());
    let header = json!({"alg": "ES256", "kid": "k"}).to_string();
    let claims = claims(&issuer.url).to_string();
    for (name, value) in [
        ("organisations", "[\"b\"]"),
        ("iss", "\"x\""),
        ("exp", "9999999999"),
        ("sub", "\"b\""),
    ] {
        let twice = format!("{},\"{name}\":{value}}}", &claims[..claims.len() - 1]);
        assert_eq!(
            outcome(&pair.jwt(&header, &twice), &trusted).await,
            Err(Reason::MalformedJwt),
            "{name}"
        );
    }
    for header in [
        r#"{"alg":"ES256","kid":"k","alg":"none"}"#,
        r#"{"alg":"ES256","kid":"x","kid":"k"}"#,
    ] {
        assert_eq!(
            outcome(&pair.jwt(header, &claims), &trusted).await,
            Err(Reason::MalformedJwt),
            "{header}"
        );
    }
}

#[tokio::test]
async fn forged_headers_are_refused() {
    let (pair, foreign) = (Pair::ec256(), Pair::ec256());
    let issuer = FakeIssuer::start(vec![pair.jwk("k")]).await;
    let trusted = trust(issuer.configured());
    let header = json!({"alg": "ES256", "kid": "k", "typ": "JWT"});
    for (changes, expected) in [
        (json!({}), Ok("acme")),
        (json!({"typ": null}), Ok("acme")),
        (json!({"typ": "at+JWT"}), Ok("acme")),
        (json!({"alg": "none"}), Err(Reason::Algorithm)),
        (json!({"alg": "None"}), Err(Reason::Algorithm)),
        (json!({"alg": null}), Err(Reason::Algorithm)),
        (json!({"alg": "HS256"}), Err(Reason::Algorithm)),
        (json!({"alg": "es256"}), Err(Reason::Algorithm)),
        (json!({"alg": ["ES256"]}), Err(Reason::Algorithm)),
        // Known, and not for this issuer.
        (json!({"alg": "RS512"}), Err(Reason::Algorithm)),
        (json!({"alg": "RS256"}), Err(Reason::UnknownKey)),
        (json!({"kid": null}), Err(Reason::UnknownKey)),
        (json!({"kid": "../../dev/null"}), Err(Reason::UnknownKey)),
        (json!({"kid": ["k"]}), Err(Reason::UnknownKey)),
        (json!({"crit": ["exp"]}), Err(Reason::JwtHeader)),
        (json!({"crit": ["b64"], "b64": false}), Err(Reason::JwtHeader)),
        (json!({"zip": "DEF"}), Err(Reason::JwtHeader)),
        (json!({"enc": "A128GCM"}), Err(Reason::JwtHeader)),
        (json!({"typ": "logout+jwt"}), Err(Reason::JwtHeader)),
        (json!({"typ": 1}), Err(Reason::JwtHeader)),
    ] {
        let header = with(header.clone(), &changes).to_string();
        let outcome = outcome(&pair.jwt(&header, &claims(&issuer.url).to_string()), &trusted).await;
        assert_eq!(
            outcome.as_ref().map(|caller| caller.client.as_str()),
            expected.as_ref().copied(),
            "{changes}"
        );
    }
    // Signed by somebody who brings his key along, or says where it is.
    let elsewhere = FakeIssuer::start(vec![foreign.jwk("k")]).await;
    for changes in [
        json!({}),
        json!({"jwk": foreign.jwk("k")}),
        json!({"jku": format!("{}/keys", elsewhere.url)}),
        json!({"x5u": format!("{}/keys", elsewhere.url)}),
        json!({"x5c": ["AAAA"]}),
    ] {
        let jwt = foreign.jwt(
            &with(header.clone(), &changes).to_string(),
            &claims(&issuer.url).to_string(),
        );
        assert_eq!(outcome(&jwt, &trusted).await, Err(Reason::Signature), "{changes}");
    }
    assert_eq!(elsewhere.asked(), [""; 0], "nobody looks where a JWT says");
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let pair = Pair::rsa();
    let jwk = pair.jwk("k");
    let modulus = jwk["n"].as_str().unwrap().to_owned();
    // An issuer that shows a shared key as well, by mistake.
    let shared = json!({"kty": "oct", "kid": "s", "k": "c2VjcmV0", "alg": "HS256"});
    let issuer = FakeIssuer::start(vec![jwk.clone(), shared]).await;
    let trusted = trust(issuer.configured());
    let secrets = [
        ("k", modulus.clone().into_bytes()),
        ("k", URL_SAFE_NO_PAD.decode(&modulus).unwrap()),
        ("k", jwk.to_string().into_bytes()),
        ("s", b"secret".to_vec()),
    ];
    for (id, secret) in secrets {
        let signed = |header: &str| {
            let message = unsigned(header, &claims(&issuer.url).to_string());
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
        };
        let hmac = signed(&json!({"alg": "HS256", "kid": id}).to_string());
        assert_eq!(outcome(&hmac, &trusted).await, Err(Reason::Algorithm), "{id}");
        let claimed = signed(&json!({"alg": "RS256", "kid": id}).to_string());
        let expected = if id == "k" {
            Reason::Signature
        } else {
            Reason::UnknownKey
        };
        assert_eq!(outcome(&claimed, &trusted).await, Err(expected), "{id}");
    }
}

#[tokio::test]
async fn what_is_not_signed_or_changed_afterwards_is_refused() {
    let pair = Pair::ec256();
    let issuer = FakeIssuer::start(vec![pair.jwk("k")]).await;
    let trusted = trust(issuer.configured());
    let header = json!({"alg": "ES256", "kid": "k"}).to_string();
    let jwt = pair.jwt(&header, &claims(&issuer.url).to_string());
    let (message, signature) = jwt.rsplit_once('.').unwrap();
    let other = unsigned(
        &header,
        &with(claims(&issuer.url), &json!({"organisations": ["b"]})).to_string(),
    );
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    for (jwt, reason) in [
        (format!("{message}."), Reason::Signature),
        (format!("{other}.{signature}"), Reason::Signature),
        // 63 bytes.
        (
            format!("{message}.{}", &signature[..signature.len() - 2]),
            Reason::Signature,
        ),
        // CVE-2022-21449: a signature of zeros.
        (format!("{message}.{zeros}"), Reason::Signature),
        (message.to_owned(), Reason::MalformedJwt),
        (format!("{jwt}."), Reason::MalformedJwt),
        (format!("{jwt}.a.b"), Reason::MalformedJwt),
        (format!("{message}.{signature}="), Reason::MalformedJwt),
        ("..".to_owned(), Reason::MalformedJwt),
        ("a.b.c".to_owned(), Reason::MalformedJwt),
        (unsigned("[]", "{}") + ".", Reason::MalformedJwt),
        (unsigned(&header, "[]") + ".", Reason::MalformedJwt),
        (unsigned(&header, "{}") + ".", Reason::Issuer),
    ] {
        assert_eq!(outcome(&jwt, &trusted).await, Err(reason), "{jwt}");
    }
    assert!(outcome(&jwt, &trusted).await.is_ok());
    assert_eq!(outcome(&jwt, &[]).await, Err(Reason::Issuer));
}

#[tokio::test]
async fn one_issuer_does_not_speak_for_another() {
    let (pair, evil) = (Pair::ec256(), Pair::ec256());
    let issuer = FakeIssuer::start(vec![pair.jwk("k")]).await;
    let second = FakeIssuer::start(vec![evil.jwk("k")]).await;
    let mut trusted = trust(issuer.configured());
    trusted.extend(trust(second.configured()));
    let header = json!({"alg": "ES256", "kid": "k"}).to_string();
    assert!(
        outcome(&evil.jwt(&header, &claims(&second.url).to_string()), &trusted)
            .await
            .is_ok()
    );
    let forged = evil.jwt(&header, &claims(&issuer.url).to_string());
    assert_eq!(outcome(&forged, &trusted).await, Err(Reason::Signature));
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_nobodys_bad_token() {
    let pair = Pair::ec256();
    let issuer = FakeIssuer::start(vec![pair.jwk("k")]).await;
    issuer.answers().hangs = true;
    let times = Times {
        patience: Duration::from_millis(50),
        ..Times::default()
    };
    let trusted = [Trusted::new(issuer.configured(), times).unwrap()];
    let header = json!({"alg": "ES256", "kid": "k"}).to_string();
    let jwt = pair.jwt(&header, &claims(&issuer.url).to_string());
    let error = authenticate(&jwt, &trusted).await.unwrap_err();
    assert!(
        matches!(error, NotAuthenticated::Unavailable(Unavailable::Keys(_))),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains(&jwt[..20]));
}
