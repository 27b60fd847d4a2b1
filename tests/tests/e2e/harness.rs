//! The harness itself: its servers work, and they leave nothing behind however their process ends.

use anyhow::Result;
use fanlight_tests::{Postgres, Pushgateway};

#[tokio::test]
async fn each_test_has_a_database_of_its_own() -> Result<()> {
    let postgres = Postgres::shared().await?;
    let (one, other) = (postgres.database().await?, postgres.database().await?);
    one.execute("CREATE TABLE t AS SELECT 1 AS n").await?;
    assert_eq!(one.value("SELECT n FROM t").await?, "1");
    assert!(other.value("SELECT n FROM t").await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_gateway_shows_what_was_pushed() -> Result<()> {
    for gateway in [Pushgateway::start().await?, Pushgateway::start_guarded().await?] {
        gateway.put("job/a", "one 1\ntwo{x=\"y\"} 2\n").await?;
        assert_eq!(gateway.series("one").await?, [r#"one{instance="",job="a"} 1"#]);
        assert_eq!(gateway.value("two{").await?, 2.0);
        assert_eq!(gateway.groups().await?.len(), 1);
        assert!(gateway.group("a").await?.is_some());
        assert!(gateway.group("b").await?.is_none());
    }
    Ok(())
}
