//! `sslmode` against servers with TLS, without, and with certificates that are not theirs.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fanlight_tests::Postgres;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use secrecy::SecretString;
use shared::postgres::{Connections, QueryError};

use crate::databases::{LONG, UpTo, begin, soon, table};

/// Whether the connection is encrypted, or what was said instead.
async fn encrypted(url: &str, ca_file: Option<&Path>) -> Result<bool, String> {
    let connections = Connections::new();
    let begun = connections.begin(&SecretString::from(url), ca_file, soon(LONG)).await;
    let mut transaction = begun.map_err(|error| error.to_string())?;
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let table = table(&mut transaction, sql).await.map_err(|error| error.to_string())?;
    Ok(table.texts() == ["true"])
}

/// A certificate of an authority that signed nothing.
fn another_authority() -> Result<String> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(authority.self_signed(&KeyPair::generate()?)?.pem())
}

#[tokio::test]
async fn sslmode_means_what_it_means_to_libpq() -> Result<()> {
    let postgres = Postgres::start_with(&["listen_addresses=127.0.0.1,127.0.0.2"]).await?;
    let url = postgres.maintenance().url();
    let elsewhere = url.replace("@127.0.0.1:", "@127.0.0.2:");
    let named = url.replace("@127.0.0.1:", "@localhost:");
    let ours = postgres.ca_file();
    let theirs = postgres.folder().join("another.pem");
    std::fs::write(&theirs, another_authority()?)?;
    let (ours, theirs) = (Some(ours.as_path()), Some(theirs.as_path()));
    let unknown = "invalid peer certificate: UnknownIssuer";
    let misnamed = "invalid peer certificate: certificate not valid for name \"127.0.0.2\"";

    for (url, mode, ca_file, expected) in [
        (&url, "disable", None, Ok(false)),
        (&url, "allow", None, Ok(false)),
        (&url, "prefer", None, Ok(true)),
        (&url, "require", None, Ok(true)),
        (&elsewhere, "require", None, Ok(true)),
        (&elsewhere, "require", ours, Ok(true)),
        (&url, "require", theirs, Err(unknown)),
        (&url, "verify-ca", ours, Ok(true)),
        (&elsewhere, "verify-ca", ours, Ok(true)),
        (&url, "verify-ca", theirs, Err(unknown)),
        (&url, "verify-full", ours, Ok(true)),
        (&named, "verify-full", ours, Ok(true)),
        (&elsewhere, "verify-full", ours, Err(misnamed)),
        (&url, "verify-full", theirs, Err(unknown)),
        (&url, "verify-full", None, Err(unknown)),
        (&url, "prefer", theirs, Ok(true)),
        (
            &url,
            "verify-full",
            Some(Path::new("/nowhere.pem")),
            Err("CA file /nowhere.pem: cannot be read"),
        ),
    ] {
        // Named in the URL and beside it, a file means the same.
        let in_url = ca_file
            .map(|file| format!("&sslrootcert={}", file.display()))
            .unwrap_or_default();
        for (query, ca_file) in [(String::new(), ca_file), (in_url, None)] {
            let outcome = encrypted(&format!("{url}?sslmode={mode}{query}"), ca_file).await;
            match (&outcome, &expected) {
                (Err(said), Err(expected)) => assert!(said.contains(expected), "{mode}: {said}"),
                (Ok(_), Ok(_)) => assert_eq!(outcome.as_ref().ok(), expected.as_ref().ok(), "{mode} {ca_file:?}"),
                _ => panic!("{mode} {ca_file:?}: {outcome:?} instead of {expected:?}"),
            }
        }
    }
    let said = encrypted(&format!("{url}?sslrootcert=system"), None).await.unwrap_err();
    assert!(said.contains(unknown), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_demanded() -> Result<()> {
    let postgres = Postgres::start_with(&["ssl=off"]).await?;
    let url = postgres.maintenance().url();
    for mode in ["disable", "allow", "prefer"] {
        assert_eq!(
            encrypted(&format!("{url}?sslmode={mode}"), None).await,
            Ok(false),
            "{mode}"
        );
    }
    for mode in ["require", "verify-full"] {
        let said = encrypted(&format!("{url}?sslmode={mode}"), None).await.unwrap_err();
        assert!(
            said.ends_with("error performing TLS handshake: server does not support TLS"),
            "{said}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn allow_and_prefer_take_the_way_that_the_server_leaves_open() -> Result<()> {
    let postgres = Postgres::start().await?;
    let database = postgres.maintenance();
    for (access, modes) in [
        (
            "hostssl",
            [
                ("allow", Some(true)),
                ("prefer", Some(true)),
                ("disable", None),
                ("require", Some(true)),
            ],
        ),
        (
            "hostnossl",
            [
                ("allow", Some(false)),
                ("prefer", Some(false)),
                ("disable", Some(false)),
                ("require", None),
            ],
        ),
    ] {
        allow_only(&postgres, access).await?;
        for (mode, expected) in modes {
            let outcome = encrypted(&format!("{}?sslmode={mode}", database.url()), None).await;
            match (&outcome, expected) {
                (Ok(encrypted), Some(expected)) => assert_eq!(*encrypted, expected, "{access} {mode}"),
                (Err(said), None) => assert!(said.contains("[SQLSTATE 28000]"), "{said}"),
                _ => panic!("{access} {mode}: {outcome:?}"),
            }
        }
    }
    Ok(())
}

/// Has the cluster let in clients with TLS or without, and waits until it does.
async fn allow_only(postgres: &Postgres, access: &str) -> Result<()> {
    let lines =
        format!("{access} postgres all 127.0.0.1/32 scram-sha-256\nhost only_{access} all 127.0.0.1/32 trust\n");
    std::fs::write(postgres.folder().join("data/pg_hba.conf"), lines)?;
    let process = postgres.process().context("it does not run")?.to_string();
    std::process::Command::new("kill").args(["-HUP", &process]).status()?;
    // Once the second line is in force, what is said is that there is no such database.
    let missing = postgres
        .maintenance()
        .url()
        .replace("/postgres", &format!("/only_{access}"));
    while !encrypted(&missing, None)
        .await
        .is_err_and(|said| said.contains("3D000"))
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

#[tokio::test]
async fn channel_binding_is_done_over_tls_and_only_there() -> Result<()> {
    let postgres = Postgres::shared().await?;
    let url = postgres.maintenance().url();
    let ca_file = postgres.ca_file();
    for (query, ca_file, expected) in [
        (
            "sslmode=verify-full&channel_binding=require",
            Some(ca_file.as_path()),
            Ok(true),
        ),
        ("sslmode=require&channel_binding=disable", None, Ok(true)),
        (
            "sslmode=disable&channel_binding=require",
            None,
            Err("server did not use channel binding"),
        ),
    ] {
        match (encrypted(&format!("{url}?{query}"), ca_file).await, expected) {
            (Err(said), Err(expected)) => assert!(said.ends_with(expected), "{said}"),
            (outcome, expected) => assert_eq!(outcome.map_err(|_| ""), expected, "{query}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_query_is_cancelled_over_tls() -> Result<()> {
    let postgres = Postgres::shared().await?;
    let connections = Connections::new();
    let url = format!("{}?sslmode=require", postgres.maintenance().url());
    let mut transaction = begin(&connections, &url).await?;
    let huge = "SELECT generate_series(1, 100000000)";
    let error = transaction.query(huge, &[], &mut UpTo(3)).await.unwrap_err();
    assert!(matches!(error, QueryError::Consumer(_)), "{error}");
    assert_eq!(table(&mut transaction, "SELECT 1").await?.texts(), ["1"]);
    Ok(())
}
