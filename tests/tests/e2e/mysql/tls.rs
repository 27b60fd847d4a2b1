//! `ssl-mode` against servers with TLS, without, and with certificates that are not theirs; and the ways to log in.

use std::path::Path;

use anyhow::Result;
use fanlight_tests::{MariaDb, PASSWORD, PASSWORD_IN_URL};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use secrecy::SecretString;
use shared::mysql::Connections;

use crate::databases::{LONG, soon, table};

/// Whether the connection is encrypted, or what was said instead.
async fn encrypted(url: &str, ca_file: Option<&Path>) -> Result<bool, String> {
    let connections = Connections::new();
    let begun = connections.begin(&SecretString::from(url), ca_file, soon(LONG)).await;
    let mut transaction = begun.map_err(|error| error.to_string())?;
    let sql =
        "SELECT VARIABLE_VALUE <> '' AS tls FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'";
    let table = table(&mut transaction, sql).await.map_err(|error| error.to_string())?;
    Ok(table.texts() == ["1"])
}

/// A certificate of an authority that signed nothing.
fn another_authority() -> Result<String> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(authority.self_signed(&KeyPair::generate()?)?.pem())
}

#[tokio::test]
async fn ssl_mode_means_what_it_means_to_mysql() -> Result<()> {
    let mariadb = MariaDb::start_with(&["--bind-address=127.0.0.1,127.0.0.2"]).await?;
    let url = mariadb.first().strict_url();
    let elsewhere = url.replace("@127.0.0.1:", "@127.0.0.2:");
    let named = url.replace("@127.0.0.1:", "@localhost:");
    let ours = mariadb.ca_file();
    let theirs = mariadb.folder().join("another.pem");
    std::fs::write(&theirs, another_authority()?)?;
    let (ours, theirs) = (Some(ours.as_path()), Some(theirs.as_path()));
    let unknown = "invalid peer certificate: UnknownIssuer";
    let misnamed = "invalid peer certificate: certificate not valid for name \"127.0.0.2\"";

    for (url, query, ca_file, expected) in [
        (&url, "?ssl-mode=DISABLED", None, Ok(false)),
        (&url, "?ssl-mode=PREFERRED", None, Ok(true)),
        (&url, "?ssl-mode=REQUIRED", None, Ok(true)),
        (&elsewhere, "?ssl-mode=REQUIRED", None, Ok(true)),
        (&url, "?ssl-mode=VERIFY_CA", ours, Ok(true)),
        (&url, "?ssl-mode=VERIFY_CA", theirs, Err(unknown)),
        // The client's present release holds the name against the certificate here too.
        (&elsewhere, "?ssl-mode=VERIFY_CA", ours, Err(misnamed)),
        (&url, "?ssl-mode=VERIFY_IDENTITY", ours, Ok(true)),
        (&url, "", ours, Ok(true)),
        (&named, "", ours, Ok(true)),
        (&elsewhere, "", ours, Err(misnamed)),
        (&url, "", theirs, Err(unknown)),
        (&url, "", None, Err(unknown)),
        (
            &url,
            "",
            Some(Path::new("/nowhere.pem")),
            Err("CA file /nowhere.pem: cannot be read"),
        ),
    ] {
        let outcome = encrypted(&format!("{url}{query}"), ca_file).await;
        match (&outcome, &expected) {
            (Err(said), Err(expected)) => assert!(said.contains(expected), "{query}: {said}"),
            (Ok(_), Ok(_)) => assert_eq!(outcome.as_ref().ok(), expected.as_ref().ok(), "{query} {ca_file:?}"),
            _ => panic!("{query} {ca_file:?}: {outcome:?} instead of {expected:?}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_without_tls_is_refused_unless_that_is_said() -> Result<()> {
    let mariadb = MariaDb::start_with(&["--skip-ssl"]).await?;
    let url = mariadb.first().strict_url();
    assert_eq!(encrypted(&format!("{url}?ssl-mode=DISABLED"), None).await, Ok(false));
    assert_eq!(encrypted(&format!("{url}?ssl-mode=PREFERRED"), None).await, Ok(false));
    for (query, told) in [
        ("", "VERIFY_IDENTITY if nothing else is said"),
        ("?ssl-mode=REQUIRED", "REQUIRED"),
    ] {
        let said = encrypted(&format!("{url}{query}"), None).await.unwrap_err();
        let expected = format!("the server offers no TLS, for which ssl-mode asks ({told})");
        assert!(said.contains(&expected), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn accounts_log_in_by_their_plugin() -> Result<()> {
    let mariadb = MariaDb::start_with(&["--plugin-load-add=auth_ed25519"]).await?;
    let first = mariadb.first();
    first
        .execute(&format!(
            "CREATE USER modern@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}');
             CREATE USER classic@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('{PASSWORD}');
             CREATE USER encrypted@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL;
             CREATE USER open@'%'"
        ))
        .await?;
    let url = |user: &str| format!("mysql://{user}@{}/?ssl-mode=", first.host());
    for user in ["modern", "classic", "encrypted"] {
        let url = url(&format!("{user}:{PASSWORD_IN_URL}"));
        let mut outcome = encrypted(&format!("{url}REQUIRED"), None).await;
        // The client cuts off the zero in which one of 256 of ed25519's challenges ends, and is refused.
        for _ in 0..3 {
            if user == "modern" && outcome.is_err() {
                outcome = encrypted(&format!("{url}REQUIRED"), None).await;
            }
        }
        assert_eq!(outcome, Ok(true), "{user}");
        let wrong = url.replace(PASSWORD_IN_URL, "hunter2");
        let said = encrypted(&format!("{wrong}REQUIRED"), None).await.unwrap_err();
        assert!(said.contains("Access denied for user"), "{said}");
    }
    assert_eq!(encrypted(&format!("{}DISABLED", url("open")), None).await, Ok(false));
    let said = encrypted(
        &format!("{}DISABLED", url(&format!("encrypted:{PASSWORD_IN_URL}"))),
        None,
    )
    .await;
    assert!(said.is_err_and(|said| said.contains("Access denied")));
    Ok(())
}
