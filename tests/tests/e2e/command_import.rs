//! `fanlight import`: what becomes of other exporters' configurations, held against what was meant, `check`, a database and
//! the exporter itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::{ConfigFolder, Database, Ended, PASSWORD, Postgres, Pushgateway, fanlight, scraped};

/// The fixtures, whose every password holds `geheim`.
const FIXTURES: [(&str, &str); 4] = [
    ("sql_exporter.yml", "sql_exporter"),
    ("justwatch.yml", "justwatch"),
    ("query_exporter.yaml", "query_exporter"),
    ("postgres_exporter.yaml", "postgres_exporter"),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/import")
}

async fn import(folder: &Path, arguments: &[&str]) -> Result<Ended> {
    let ended = fanlight(folder, ["import"].iter().chain(arguments), []).await?;
    ensure!(
        !format!("{ended:?}").contains("geheim"),
        "a password is given away: {ended:?}"
    );
    Ok(ended)
}

/// Checks a file as a configuration that stands alone.
async fn check(text: &str) -> Result<Ended> {
    let config = ConfigFolder::new(&[("imported.yaml", text)])?;
    let names = [
        "PUSHGATEWAY_URL",
        "DB_USERNAME",
        "DB_PASSWORD",
        "DB_HOST",
        "DB_NAME",
        "ELSEWHERE_DSN",
    ];
    fanlight(config.path(), ["check", "."], names.map(|name| (name, "x".to_owned()))).await
}

#[tokio::test]
async fn each_configuration_becomes_what_is_expected_of_it() -> Result<()> {
    for (file, format) in FIXTURES {
        let found_out = import(&fixtures(), &[file]).await?;
        assert_eq!(found_out.status, Some(0), "{file}: {}", found_out.err);
        let told = import(&fixtures(), &[file, "--from", format]).await?;
        assert_eq!(found_out, told, "{file}: what it is found out to be");
        let expected = |what: &str| {
            let path = fixtures().join(format!("{format}.{what}"));
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        assert_eq!(told.out, expected("expected.yaml")?, "{file}");
        assert_eq!(told.err, expected("expected.txt")?, "{file}");
    }
    Ok(())
}

#[tokio::test]
async fn check_accepts_what_is_written() -> Result<()> {
    for (file, _) in FIXTURES {
        let imported = import(&fixtures(), &[file]).await?;
        let checked = check(&imported.out).await?;
        assert_eq!(checked.status, Some(0), "{file}: {}{}", checked.out, checked.err);
        assert!(checked.out.contains("no mistakes"), "{}", checked.out);
    }
    Ok(())
}

#[tokio::test]
async fn a_collector_file_alone_and_very_many_metrics_are_accepted_too() -> Result<()> {
    let alone = import(
        &fixtures(),
        &["collectors/stock.collector.yml", "--schedule", "*/7 * * * *"],
    )
    .await?;
    assert_eq!(alone.status, Some(0), "{}", alone.err);
    assert_eq!(check(&alone.out).await?.status, Some(0), "{}", alone.out);
    let metric = |number| format!("    - n{number}: {{usage: GAUGE, description: N}}\n");
    let metrics = (0..40).map(metric).collect::<Vec<_>>().concat();
    let many = format!("pg_many:\n  query: SELECT 1\n  metrics:\n    - l: {{usage: LABEL}}\n{metrics}");
    let folder = ConfigFolder::new(&[("queries.yaml", &many)])?;
    let imported = import(folder.path(), &["queries.yaml", "--schedule", "0 4 * * *"]).await?;
    assert!(
        imported.out.contains("\n  max_series: 125\n") && imported.out.contains("'0 4 * * *'"),
        "{}",
        imported.out
    );
    assert_eq!(check(&imported.out).await?.status, Some(0));
    Ok(())
}

#[tokio::test]
async fn names_that_are_not_allowed_are_mended() -> Result<()> {
    let config = "
go:
  query: SELECT 1
  metrics:
  - __name__: {usage: LABEL}
  - 'a b': {usage: LABEL}
  - a-b: {usage: LABEL}
  - gc: {usage: GAUGE, description: 'begins with what is the runtime''s'}
'9 lives':
  query: SELECT 1
  metrics: [{n: {usage: GAUGE}}]
";
    let folder = ConfigFolder::new(&[("queries.yaml", config)])?;
    let imported = import(folder.path(), &["queries.yaml"]).await?;
    for words in [
        "name: sql_go_gc",
        "name: _9_lives_n",
        "exported_name__: __name__",
        "a_b: a b",
        "a_b_: a-b",
    ] {
        assert!(imported.out.contains(words), "{words}: {}", imported.out);
    }
    let checked = check(&imported.out).await?;
    assert_eq!(checked.status, Some(0), "{}", checked.err);
    Ok(())
}

#[tokio::test]
async fn a_named_target_is_a_label_and_a_collector_that_two_patterns_name_runs_once() -> Result<()> {
    let config = |name: &str| {
        format!(
            "target:{name}
  data_source_name: 'postgres://u@db/shop'
  collectors: ['pricing_*', pricing_data]
collectors:
- collector_name: pricing_data
  metrics:
  - {{metric_name: n, type: gauge, help: h, values: [n], query: SELECT 1 AS n}}
"
        )
    };
    for (name, label) in [("\n  name: shop", true), ("", false)] {
        let folder = ConfigFolder::new(&[("sql_exporter.yml", &config(name))])?;
        let imported = import(folder.path(), &["sql_exporter.yml"]).await?;
        let is_there = imported.out.contains("  static_labels:\n    target: shop\n");
        assert_eq!(is_there, label, "{}", imported.out);
        assert_eq!(
            imported.out.matches("- name: pricing_data").count(),
            1,
            "{}",
            imported.out
        );
        assert!(
            imported
                .err
                .contains("the collector `pricing_data` is named by `pricing_data` and by what stands before it"),
            "{}",
            imported.err
        );
        assert_eq!(check(&imported.out).await?.status, Some(0));
    }
    Ok(())
}

#[tokio::test]
async fn what_a_query_names_and_is_not_there_is_told() -> Result<()> {
    let config = "
databases:
  shop: {dsn: 'mysql+pymysql://u:geheim@db/shop?charset=utf8mb4'}
  old: {dsn: 'oracle://u:geheim@db/old'}
metrics:
  n: {type: gauge, description: N}
  kind: {type: enum, description: K, states: [a]}
queries:
  q:
    databases: [shop, old, nowhere]
    metrics: [n, kind, absent]
    sql: |
      SELECT count(*) AS n FROM t WHERE a = :a AND b > :b AND c = :a AND d = '10\\:30'
    parameters: [{a: x, b: 3, unused: 1}]
";
    let folder = ConfigFolder::new(&[("config.yaml", config)])?;
    let imported = import(folder.path(), &["config.yaml"]).await?;
    for words in [
        "config.yaml:9:3: the query `q` names the database `nowhere`, which is not there",
        "config.yaml:9:3: the query `q` names the metric `absent`, which is not there",
        "config.yaml:9:3: the parameter `unused` of the query `q` is left out",
        "there is no source of the kind `oracle`",
        "the connection says nothing of TLS",
    ] {
        assert!(imported.err.contains(words), "{words}: {}", imported.err);
    }
    assert!(!imported.err.contains("`old`, which") && !imported.err.contains("`kind`, which"));
    for words in [
        "  shop: 'mysql://u:{{SHOP_PASSWORD}}@db/shop'\n",
        "WHERE a = ? AND b > ? AND c = ? AND d = '10:30'",
        "parameters: [x, 3, x]",
    ] {
        assert!(imported.out.contains(words), "{words}: {}", imported.out);
    }
    assert_eq!(check(&imported.out).await?.status, Some(0));
    Ok(())
}

#[tokio::test]
async fn a_check_that_cannot_be_made_says_so() -> Result<()> {
    let folder = ConfigFolder::new(&[])?;
    let fixture = fixtures().join("postgres_exporter.yaml").display().to_string();
    let nowhere = [("TMPDIR", folder.path().join("nowhere").display().to_string())];
    let ended = fanlight(folder.path(), ["import", fixture.as_str()], nowhere).await?;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(
        ended
            .err
            .contains("standard output: could not be checked: a temporary file cannot be made: "),
        "{}",
        ended.err
    );
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_accepted_is_told_with_its_place() -> Result<()> {
    let config = "pg_x:\n  query: SELECT '{{NAME}}' AS a\n  metrics:\n  - a: {usage: GAUGE}\n";
    let folder = ConfigFolder::new(&[("queries.yaml", config)])?;
    let imported = import(folder.path(), &["queries.yaml"]).await?;
    assert_eq!(imported.status, Some(0));
    assert!(
        imported
            .err
            .contains("standard output:15:12: the placeholder `{{NAME}}` stands in SQL")
            && imported.err.ends_with(", and 1 mistake to be mended\n"),
        "{}",
        imported.err
    );
    Ok(())
}

#[tokio::test]
async fn a_file_is_written_once_and_replaced_only_by_force() -> Result<()> {
    let folder = ConfigFolder::new(&[])?;
    let fixture = fixtures().join("postgres_exporter.yaml").display().to_string();
    let first = import(folder.path(), &[&fixture, "--output", "shop.yaml"]).await?;
    assert_eq!((first.status, first.out.as_str()), (Some(0), ""), "{}", first.err);
    assert!(
        first.err.contains(" of postgres_exporter into shop.yaml; "),
        "{}",
        first.err
    );
    let written = std::fs::read_to_string(folder.path().join("shop.yaml"))?;
    assert_eq!(
        written,
        std::fs::read_to_string(fixtures().join("postgres_exporter.expected.yaml"))?
    );
    folder.write("shop.yaml", "# mine\n")?;
    let second = import(folder.path(), &[&fixture, "--output", "shop.yaml"]).await?;
    assert_eq!(second.status, Some(1));
    assert_eq!(
        second.err,
        "fanlight: shop.yaml is there already: name another file, or say --force to replace it\n"
    );
    assert_eq!(std::fs::read_to_string(folder.path().join("shop.yaml"))?, "# mine\n");
    assert_eq!(
        import(folder.path(), &[&fixture, "--output", "shop.yaml", "--force"])
            .await?
            .status,
        Some(0)
    );
    assert_eq!(std::fs::read_to_string(folder.path().join("shop.yaml"))?, written);
    let nowhere = import(folder.path(), &[&fixture, "--output", "nowhere/shop.yaml"]).await?;
    assert!(
        nowhere.err.contains("nowhere/shop.yaml cannot be written: "),
        "{}",
        nowhere.err
    );
    Ok(())
}

#[tokio::test]
async fn what_is_no_configuration_says_so() -> Result<()> {
    let folder = ConfigFolder::new(&[
        ("other.yaml", "scrape_configs: []\n"),
        ("list.yaml", "- 1\n"),
        ("broken.yaml", "a: 'x\npassword: geheim\n"),
        ("empty.yaml", ""),
        (
            "nothing.yaml",
            "jobs:\n- name: a\n  connections: ['oracle://u:geheim@h/d']\n  queries: []\n",
        ),
    ])?;
    for (file, words) in [
        (
            "other.yaml",
            "other.yaml: it is not clear whose configuration this is: say --from sql_exporter, justwatch, query_exporter, postgres_exporter",
        ),
        ("list.yaml", "it is not clear whose"),
        ("empty.yaml", "it is not clear whose"),
        ("broken.yaml", "broken.yaml:"),
        (
            "nothing.yaml",
            "nothing.yaml: there is nothing in it that could be carried over",
        ),
        ("absent.yaml", "absent.yaml cannot be read: No such file"),
    ] {
        let ended = import(folder.path(), &[file]).await?;
        assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""), "{file}");
        assert!(ended.err.contains(words), "{file}: {}", ended.err);
    }
    let forced = import(folder.path(), &["other.yaml", "--from", "postgres_exporter"]).await?;
    assert!(
        forced.err.contains("other.yaml:1:1: `scrape_configs` has no query"),
        "{}",
        forced.err
    );
    let usage = import(folder.path(), &["other.yaml", "--from", "sql-exporter"]).await?;
    assert!(
        usage.status == Some(2) && usage.err.contains("sql_exporter"),
        "{}",
        usage.err
    );
    let cron = import(folder.path(), &["other.yaml", "--schedule", "hourly"]).await?;
    assert!(
        cron.status == Some(2) && cron.err.contains("--schedule"),
        "{}",
        cron.err
    );
    Ok(())
}

async fn run(config: &ConfigFolder, database: &Database, gateway: &Pushgateway, job: &str) -> Result<Ended> {
    // What the passwords' placeholders come from.
    let environment = [
        ("SHOP_PASSWORD", PASSWORD.to_owned()),
        ("PUSHGATEWAY_URL", gateway.url()),
    ];
    let environment = database.environment().into_iter().chain(environment);
    fanlight(config.path(), ["--config", ".", "run", job], environment).await
}

#[tokio::test]
async fn imported_queries_run() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    database
        .execute(
            "CREATE TABLE stock AS SELECT 'nut' AS article, 3 AS items, now() AS counted_at UNION SELECT 'bolt', 4, now();
             ANALYZE stock",
        )
        .await?;
    let gateway = Pushgateway::start().await?;
    for (file, jobs) in [
        ("postgres_exporter.yaml", &["pg_replica", "pg_tables"][..]),
        ("collectors/stock.collector.yml", &["stock_levels", "stock_levels-2"]),
    ] {
        let imported = import(&fixtures(), &[file]).await?;
        let config = ConfigFolder::new(&[("imported.yaml", &imported.out)])?;
        for job in jobs {
            let ended = run(&config, &database, &gateway, job).await?;
            assert_eq!(ended.status, Some(0), "{job}: {}", ended.err);
        }
    }
    assert_eq!(
        gateway.series("stock_articles").await?,
        [
            r#"stock_articles{article="bolt",instance="",job="stock_levels"} 1"#,
            r#"stock_articles{article="nut",instance="",job="stock_levels"} 1"#,
        ]
    );
    assert_eq!(gateway.series("pg_tables_last_vacuum_seconds").await?.len(), 1);
    Ok(())
}

/// Series without what tells an exporter's from a gateway's.
fn series(metrics: &str) -> BTreeSet<String> {
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("sql_") && !line.starts_with("sql_exporter_"));
    lines
        .filter_map(|line| {
            let (labels, value) = line.rsplit_once(' ')?;
            let (name, labels) = labels.trim_end_matches('}').split_once('{')?;
            let mut labels: Vec<&str> = labels.split(',').filter(|label| !label.is_empty()).collect();
            labels.retain(|label| !["instance=", "job="].iter().any(|own| label.starts_with(own)));
            labels.sort_unstable();
            Some(format!("{name} {} {value}", labels.join(",")))
        })
        .collect()
}

#[tokio::test]
async fn what_the_exporter_exports_is_what_fanlight_pushes() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    database
        .execute(
            "CREATE TABLE orders AS SELECT status, country, 1.5 AS items FROM unnest(ARRAY['open', 'paid']) AS status,
             unnest(ARRAY['fr', 'de', 'fr']) AS country",
        )
        .await?;
    let theirs = format!(
        "jobs:
- name: shop
  interval: '1m'
  connections: [{:?}]
  queries:
  - name: orders-open
    help: Orders that are open
    labels: [status, country]
    values: [orders, items]
    query: |
      SELECT status::text, country::text, count(*)::float AS orders, sum(items)::float AS items FROM orders GROUP BY 1, 2
  - name: orders_age
    help: Their age
    values: [age]
    query: SELECT 42::float AS age
",
        format!("{}?sslmode=disable", database.url())
    );
    let exported = scraped(&theirs, "sql_orders_age{").await?;
    let folder = ConfigFolder::new(&[("theirs.yml", &theirs)])?;
    let imported = import(folder.path(), &["theirs.yml"]).await?;
    let ours = imported
        .out
        .replace("{secret: fanlight/shop, field: password}", "{env: SHOP_PASSWORD}");
    let config = ConfigFolder::new(&[("ours.yaml", &ours)])?;
    let gateway = Pushgateway::start().await?;
    let ended = run(&config, &database, &gateway, "shop").await?;
    assert_eq!(ended.status, Some(0), "{}{ours}", ended.err);
    let (exported, pushed) = (series(&exported), series(&gateway.pushed().await?));
    assert_eq!(exported.len(), 9, "{exported:?}");
    assert_eq!(pushed, exported);
    Ok(())
}
