//! `fanlight check`: every mistake at once, at its place, and with `--live` what the databases say.

use std::iter;

use anyhow::Result;
use fanlight_tests::{ConfigFolder, Ended, Postgres, binaries, fanlight, job};
use insta::assert_snapshot;

const NOTHING: iter::Empty<(&str, String)> = iter::empty();

const SHARED: &str = "placeholders:
  DB_PASSWORD: {secret: shop/db, feild: password}
sources:
  shop: 'postgres://app:{{DB_PASSWORD}}@db/shop'
sinks:
  default: {pushgateway: {url: 'http://gateway:9091', series_budget: 10}}
";
const TEAM: &str = "jobs:
- name: transfers
  schedule: '61 * * * *'
  timezone: Europe/Pariss
  source: shpo
  on_error: ignore
  metrics:
  - name: transfers-status
    help: Transfers.
    labels: [status, job]
    valeu: count
    query: SELECT 1 AS count
- name: cards
  schedule: '*/5 * * * *'
  source: postgres://app:hunter2@db/shop
  metrics:
  - name: cards_count
    labels: [status]
    external: true
    value: count
    query: SELECT '{{NOBODY}}' AS status, 1 AS count
  - name: transfers_total
    type: counter
    help: Transfers.
    max_series: 20
    labels: [status]
    value: count
    query: SELECT 'x' AS status, 1 AS count
    parameters: ['{{NOBODY}}']
";
const BROKEN: &str = "jobs:
- name: x
   schedule: y
";

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "the configuration and the report stand side by side"
)]
async fn every_mistake_is_shown_with_its_line_underlined_and_what_to_do() -> Result<()> {
    let config = ConfigFolder::new(&[
        ("config/fanlight.yaml", SHARED),
        ("config/team.yaml", TEAM),
        ("config/typo.yaml", BROKEN),
    ])?;
    let Ended { status, out, err } = fanlight(config.path(), ["check"], NOTHING).await?;
    assert_eq!(status, Some(1));
    assert!(!err.contains("hunter2") && !out.contains("hunter2"), "{err}");
    assert_snapshot!(out, @r#"config: 3 files, 0 jobs, 0 metrics, at most 0 series: 13 mistakes, 3 warnings"#);
    assert_snapshot!(err, @r#"
    mistake: unknown key `feild`
     --> config/fanlight.yaml:2:34
      |
    2 |   DB_PASSWORD: {secret: shop/db, feild: ********}
      |                                  ^^^^^
      |
      = help: did you mean `field`?

    mistake: minute: `61` is not allowed
     --> config/team.yaml:3:14
      |
    3 |   schedule: '61 * * * *'
      |              ^^
      |
      = help: minutes are 0 to 59

    mistake: there is no time zone `Europe/Pariss`
     --> config/team.yaml:4:13
      |
    4 |   timezone: Europe/Pariss
      |             ^^^^^^^^^^^^^
      |
      = help: did you mean "Europe/Paris"?

    mistake: there is no source `shpo`
     --> config/team.yaml:5:11
      |
    5 |   source: shpo
      |           ^^^^
      |
      = help: did you mean `shop`?

    mistake: `ignore` is not one of `keep`, `drop` or `fail`
     --> config/team.yaml:6:13
      |
    6 |   on_error: ignore
      |             ^^^^^^

    mistake: `transfers-status` cannot be a metric's name: letters, digits, `_` and `:` are allowed, and no digit first
     --> config/team.yaml:8:11
      |
    8 |   - name: transfers-status
      |           ^^^^^^^^^^^^^^^^

    mistake: `transfers-status` does not say which column holds its value
     --> config/team.yaml:8:11
      |
    8 |   - name: transfers-status
      |           ^^^^^^^^^^^^^^^^
      |
      = help: add `value: COLUMN`, or `values` for several

    mistake: `job` cannot be a label here: the gateway overwrites it with the group's own
      --> config/team.yaml:10:22
       |
    10 |     labels: [status, job]
       |                      ^^^
       |
       = help: give it another name: `labels: {other_name: job}`

    mistake: unknown key `valeu`
      --> config/team.yaml:11:5
       |
    11 |     valeu: *****
       |     ^^^^^
       |
       = help: did you mean `value`?

    warning: a password stands in the configuration; use a placeholder such as {{DB_PASSWORD}}
      --> config/team.yaml:15:26
       |
    15 |   source: postgres://app:*******@db/shop
       |                          ^^^^^^^

    warning: `cards_count`: the metric has no `help`: say in a sentence what the number means
      --> config/team.yaml:17:11
       |
    17 |   - name: cards_count
       |           ^^^^^^^^^^^

    warning: `cards_count`: names that end in `_count` belong to histograms and summaries
      --> config/team.yaml:17:11
       |
    17 |   - name: cards_count
       |           ^^^^^^^^^^^

    mistake: `cards_count` is external but has no label `organisation_id`: no customer could see it
      --> config/team.yaml:19:15
       |
    19 |     external: true
       |               ^^^^
       |
       = help: select it and add it to `labels`, or map it: `labels: {organisation_id: column}`

    mistake: the placeholder `{{NOBODY}}` stands in SQL, where nothing is ever filled in
      --> config/team.yaml:21:12
       |
    21 |     query: SELECT '{{NOBODY}}' AS status, 1 AS count
       |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: write $1 and bind it: `parameters: ['{{NAME}}']`

    mistake: nobody provides a value for the placeholder `NOBODY`
      --> config/team.yaml:29:19
       |
    29 |     parameters: ['{{NOBODY}}']
       |                   ^^^^^^^^^^
       |
       = help: declare it under `placeholders` (`NOBODY: {env: NOBODY}`, or `{secret: .., field: ..}`), or set the environment variable NOBODY

    mistake: mapping values are not allowed in this context
     --> config/typo.yaml:3:12
      |
    3 |    schedule: y
      |            ^
    "#);
    Ok(())
}

/// What `fanlight alerts` and `fanlight dashboards` refuse, and what promtool would.
#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "the configuration and the report stand side by side"
)]
async fn what_could_not_be_built_is_told_at_its_place() -> Result<()> {
    let job = |name: &str, beside: &str| {
        format!(
            "jobs:
- name: {name}
  schedule: '* * * * *'
  source: postgres://u@h/d
  metrics:
  - name: {name}
    help: h
    labels: [step, os]
    fill: {{step: [one, two], os: [ios, web]}}
    value: v
    query: SELECT 1
{beside}"
        )
    };
    let rest = "severity: warning, team: growth, handbook: 'https://h', description: d";
    let alerts = format!(
        "    funnel: {{name: up-main, steps: step, begun: {{os: ios}}, completed: {{os: web}}, by: os}}
    alerts:
    - name: Few
      below: 5
      {}
      tests:
      - {{name: words, series: {{people: six}}, at: 5m, fires: []}}
      - {{name: late, series: {{people: '1x5'}}, at: 1h, fires: []}}
",
        rest.replace(", ", "\n      ")
    );
    let watchdog = format!("    alerts: [{{name: Many, above: 5, {rest}}}]\n");
    let alerting = "sinks: {default: {pushgateway: {url: 'http://g'}}}
alerting:
  slack: {api_url_file: /s, fallback_channel: '#a'}
  victorops: {api_key: hunter2}
  watchdog: {url: 'https://hc-ping.com/0f2c9a7e-1111-2222-3333-444455556666', credentials_file: t}
";
    let config = ConfigFolder::new(&[
        ("config/fanlight.yaml", alerting),
        ("config/fanlight-watchdog.yaml", &job("visits", &watchdog)),
        ("config/growth.yaml", &job("people", &alerts)),
        ("config/growth/prod/a.yaml", "alerts:\n- {name: Fewer, below: 1}\n"),
        ("config/growth-up.yaml", &job("mails", "")),
        ("config/prod/a.yaml", "alerts: []\n"),
    ])?;
    let ended = fanlight(config.path(), ["check"], NOTHING).await?;
    assert_eq!(ended.status, Some(1));
    let told = [&ended.err, &ended.out].map(String::as_str).concat();
    assert!(!told.contains("hunter2") && !told.contains("0f2c9a7e"), "{told}");
    assert_snapshot!(ended.err, @r#"
    mistake: the rules of `fanlight-watchdog` would be written into files that the watchdog's rules have
      --> config/fanlight-watchdog.yaml:12:21
       |
    12 |     alerts: [{name: Many, above: 5, severity: warning, team: growth, handbook: 'https://h', description: d}]
       |                     ^^^^
       |
       = help: give fanlight-watchdog.yaml another name

    mistake: unknown key `api_key`
     --> config/fanlight.yaml:4:15
      |
    4 |   victorops: {api_key: *******}
      |               ^^^^^^^
      |
      = help: write `api_key_file`, and the name of a file that holds it: a secret does not stand here

    mistake: whoever knows this URL can keep the dead man's switch quiet
     --> config/fanlight.yaml:5:19
      |
    5 |   watchdog: {url: **********************************************************, credentials_file: *}
      |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: put it into a file on Alertmanager's machine and name that with `url_file`; a `url` here holds no secret, and needs a `credentials_file` with the token that it asks for

    mistake: this is no absolute path
     --> config/fanlight.yaml:5:97
      |
    5 |   watchdog: {url: **********************************************************, credentials_file: *}
      |                                                                                                 ^
      |
      = help: name the file on Alertmanager's machine from the root, such as /etc/alertmanager/watchdog-token: it reads others from wherever it was started, and a secret does not belong here

    mistake: there is no alert `Fewer` of growth to change here, and a new one lacks `metric`, `team`, `severity`, `handbook` and `description`
     --> config/growth/prod/a.yaml:2:10
      |
    2 | - {name: Fewer, below: 1}
      |          ^^^^^
      |
      = help: remove it, or add what is lacking; the service's alerts are Few

    mistake: two dashboards would be `growth-up-main.json`: that of `growth-up` and that of the funnel `up-main` of `growth`
      --> config/growth.yaml:12:20
       |
    12 |     funnel: {name: up-main, steps: step, begun: {os: ios}, completed: {os: web}, by: os}
       |                    ^^^^^^^
       |
       = help: give the funnel another name

    mistake: `six` is no value that promtool reads
      --> config/growth.yaml:21:40
       |
    21 |       - {name: words, series: {people: six}, at: 5m, fires: []}
       |                                        ^^^
       |
       = help: write them as promtool does, one a minute: '5x60 0x60' is 61 times 5, then 61 times 0; `_` is none, `stale` the end

    mistake: `people` has no value any more when the test looks at it, at 1h: the last is that of minute 5
      --> config/growth.yaml:22:39
       |
    22 |       - {name: late, series: {people: '1x5'}, at: 1h, fires: []}
       |                                       ^^^^^
       |
       = help: let its last value go on, as `1x60`; or write `stale` behind it, if it is to be gone by then

    mistake: the folder `prod` of an environment stands in no service's, and is not read
    --> config/prod:1:1
     = help: move what it holds below the service's folder, such as `fanlight-watchdog/prod/alerts.yaml`
    "#);
    Ok(())
}

#[tokio::test]
async fn a_budget_that_is_exceeded_names_the_jobs() -> Result<()> {
    let budget = "sinks: {default: {pushgateway: {url: 'http://g', series_budget: 10}}}\n";
    let metric = "
  metrics:
  - name: things
    help: Things.
    max_series: 11
    labels: [l]
    value: v
    query: SELECT 1 AS v, 'x' AS l
";
    let config = ConfigFolder::new(&[("a.yaml", &(budget.to_owned() + &job(metric)))])?;
    let environment = Postgres::shared().await?.maintenance().environment();
    let ended = fanlight(config.path(), ["check", "."], environment).await?;
    assert_eq!(ended.status, Some(1), "{}", ended.err);
    assert_snapshot!(ended.err, @r#"
    mistake: the jobs of the sink `default` may push 11 series, and its budget is 10
     --> ./a.yaml:3:9
      |
    3 | - name: j
      |         ^
      |
      = help: lower `max_series` where fewer are enough, list `allowed_values`, or raise the sink's `series_budget`; the largest jobs are `j` 11
    "#);
    Ok(())
}

#[tokio::test]
async fn a_folder_without_mistakes_says_so() -> Result<()> {
    let article = include_str!("article.yaml");
    let config = ConfigFolder::new(&[("config/a.yaml", article), ("other/a.yaml", article)])?;
    let database = Postgres::shared().await?.maintenance();
    let environment = || {
        let url = ("PUSHGATEWAY_URL", "http://gateway:9091".to_owned());
        database.environment().into_iter().chain([url])
    };
    let other = ("FANLIGHT_CONFIG", "other".to_owned());
    for (arguments, variable, folder) in [
        (&["check"][..], None, "config"),
        (&["check", "other"], None, "other"),
        (&["--config", "other", "check"], None, "other"),
        (&["check", "--config", "other"], None, "other"),
        (&["check"], Some(other.clone()), "other"),
        (&["--config", "config", "check"], Some(other), "config"),
    ] {
        let ended = fanlight(config.path(), arguments, environment().chain(variable)).await?;
        let expected = Ended {
            status: Some(0),
            out: format!("{folder}: 1 file, 1 job, 1 metric, at most 500 series: no mistakes, 0 warnings\n"),
            err: String::new(),
        };
        assert_eq!(ended, expected, "{arguments:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_named() -> Result<()> {
    let config = ConfigFolder::new(&[("empty/readme.txt", ""), ("file", "")])?;
    for (folder, words) in [
        (
            "nowhere",
            "the configuration folder nowhere cannot be read: No such file or directory (os error 2); name another with --config",
        ),
        (
            "file",
            "the configuration folder file cannot be read: Not a directory (os error 20); name another with --config",
        ),
        ("empty", "the configuration folder empty holds no .yaml or .yml file"),
    ] {
        for command in [
            &["check"][..],
            &["check", "--live"],
            &["run", "j"],
            &["run", "j", "--dry-run"],
            &["dev"],
        ] {
            let arguments = ["--config", folder].into_iter().chain(command.iter().copied());
            let ended = fanlight(config.path(), arguments, NOTHING).await?;
            let expected = (Some(1), String::new(), format!("fanlight: {words}\n"));
            assert_eq!((ended.status, ended.out, ended.err), expected, "{command:?}");
        }
    }
    Ok(())
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "the configuration and the report stand side by side"
)]
async fn live_asks_the_database_and_tells_at_the_querys_line() -> Result<()> {
    let database = Postgres::shared().await?.database().await?;
    database
        .execute("CREATE TABLE t (id int, name text, amount numeric, place point)")
        .await?;
    let config = ConfigFolder::new(&[
        (
            "config/a.yaml",
            &job(r"
  metrics:
  - name: good
    help: H.
    labels: [name]
    value: amount
    query: SELECT name, amount FROM t
  - name: no_column
    help: H.
    labels: [nam]
    value: amount
    query: |
      SELECT name,
        amount FROM t
  - name: text_value
    help: H.
    value: name
    query: SELECT name FROM t
  - name: no_number
    help: H.
    value: place
    query: SELECT place FROM t
  - name: writes
    help: H.
    value: id
    query: |
      DELETE FROM t
      RETURNING id
  - name: sql_error
    help: H.
    value: id
    query: |
      SELECT id
      FROM t
      WHERE nothing = 1
  - name: parameters
    help: H.
    value: id
    query: SELECT id FROM t WHERE id > $1 AND id < $2
    parameters: [1]
  - name: in_file
    help: H.
    value: id
    query_file: sql/in_file.sql
"),
        ),
        ("config/sql/in_file.sql", "-- Ids.\nSELECT id\nFORM t\n"),
    ])?;
    let url = ("PUSHGATEWAY_URL", "http://gateway:9091".to_owned());
    let environment = database.environment().into_iter().chain([url]);
    let ended = fanlight(config.path(), ["check", "--live"], environment.clone()).await?;
    assert_eq!(ended.status, Some(1), "{}", ended.err);
    assert_snapshot!(ended.out, @r#"config: 1 file, 1 job, 8 metrics, at most 1006 series: 7 mistakes, 0 warnings"#);
    assert_snapshot!(ended.err, @r#"
    mistake: the query gives no column `nam`, which `no_column` needs
      --> config/a.yaml:16:7
       |
    16 |       SELECT name,
       |       ^^^^^^^^^^^^
       |
       = help: did you mean `name`? Or write `AS nam`

    mistake: the column `name` is of type text, and `text_value` needs a number
      --> config/a.yaml:21:12
       |
    21 |     query: SELECT name FROM t
       |            ^^^^^^^^^^^^^^^^^^
       |
       = help: cast it to a number in the query, and write `AS name`

    mistake: the column `place` is of type point, and `no_number` needs a number
      --> config/a.yaml:25:12
       |
    25 |     query: SELECT place FROM t
       |            ^^^^^^^^^^^^^^^^^^^
       |
       = help: cast it to a number in the query, and write `AS place`

    mistake: the query would write: DELETE on t
      --> config/a.yaml:30:7
       |
    30 |       DELETE FROM t
       |       ^^^^^^^^^^^^^
       |
       = help: a job only reads: its transaction is read-only

    mistake: column "nothing" does not exist [SQLSTATE 42703]
      --> config/a.yaml:38:13
       |
    38 |       WHERE nothing = 1
       |             ^^^^^^^

    mistake: the query has 2 parameters and is given 1
      --> config/a.yaml:42:12
       |
    42 |     query: SELECT id FROM t WHERE id > $1 AND id < $2
       |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: give each of $1, $2 .. its entry under `parameters`

    mistake: syntax error at or near "t" [SQLSTATE 42601]
     --> config/sql/in_file.sql:3:6
      |
    3 | FORM t
      |      ^
    "#);
    assert_eq!(database.value("SELECT count(*) FROM t").await?, "0");

    let without = fanlight(config.path(), ["check"], environment).await?;
    assert_eq!(without.status, Some(0), "the database is not asked: {}", without.err);
    Ok(())
}

#[tokio::test]
async fn live_says_of_a_database_that_is_down_where_it_is_needed() -> Result<()> {
    let address = fanlight_tests::faults::refusing()?;
    let config = ConfigFolder::new(&[("config/a.yaml", include_str!("article.yaml"))])?;
    let environment = Postgres::shared()
        .await?
        .maintenance()
        .environment()
        .into_iter()
        .chain([
            ("DB_HOST", address.to_string()),
            ("PUSHGATEWAY_URL", "http://gateway:9091".to_owned()),
        ]);
    let ended = fanlight(config.path(), ["check", "--live"], environment).await?;
    assert_eq!(ended.status, Some(1));
    let words = format!("cannot connect to PostgreSQL at {address}: Connection refused");
    assert!(
        ended.err.contains(&words) && ended.err.contains("--> config/a.yaml:13:7"),
        "{}",
        ended.err
    );
    Ok(())
}

/// Each ends with status 1 and says what is wrong, in little time, which is printed and not judged here.
#[tokio::test]
async fn hostile_files_end_in_a_clear_error() -> Result<()> {
    // Not part of the time.
    binaries::fanlight()?;
    let laughs = (1..=9).fold(
        "x-a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned(),
        |text, n| {
            let before = vec![format!("*a{}", n - 1); 9].join(", ");
            text + &format!("x-a{n}: &a{n} [{before}]\n")
        },
    );
    let flow = format!("jobs: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    let block = (0..10_000).fold(String::new(), |text, n| text + &" ".repeat(n) + "a:\n");
    let dashes = format!("jobs:\n{}x\n", "- ".repeat(10_000));
    for (name, text, words) in [
        ("laughs.yaml", &laughs, "values once its aliases are followed; split it"),
        ("flow.yaml", &flow, "nested more than 32 levels deep"),
        ("dashes.yaml", &dashes, "nested more than 32 levels deep"),
        ("nul.yaml", &"jobs: \0\n".to_owned(), "mistake: "),
        ("block.yaml", &block, "and 1024 KiB are the most; split it"),
    ] {
        let config = ConfigFolder::new(&[(name, text)])?;
        hostile(&config, name, words).await?;
    }
    let config = ConfigFolder::new(&[])?;
    let sparse = std::fs::File::create(config.path().join("sparse.yaml"))?;
    sparse.set_len(100 << 20)?;
    hostile(
        &config,
        "sparse.yaml",
        "the file is 102400 KiB large, and 1024 KiB are the most; split it",
    )
    .await?;

    let binary = ConfigFolder::new(&[])?;
    std::fs::write(binary.path().join("binary.yaml"), [b'a', 0xff, 0xfe])?;
    hostile(
        &binary,
        "binary.yaml",
        "the file is not UTF-8: byte 1, on line 1, begins no character",
    )
    .await?;
    std::fs::remove_file(binary.path().join("binary.yaml"))?;
    std::os::unix::fs::symlink("/dev/zero", binary.path().join("zero.yaml"))?;
    hostile(&binary, "zero.yaml", "this is not a file").await
}

#[expect(
    clippy::print_stdout,
    reason = "how long it took is for whoever asks with --nocapture"
)]
async fn hostile(config: &ConfigFolder, name: &str, words: &str) -> Result<()> {
    let begun = std::time::Instant::now();
    let ended = fanlight(config.path(), ["check", "."], NOTHING).await?;
    println!("{name}: {} ms", begun.elapsed().as_millis());
    assert_eq!(ended.status, Some(1), "{name}: {}", ended.err);
    assert!(
        ended.err.contains(words) && ended.err.contains(name),
        "{name}: {}",
        ended.err
    );
    assert!(ended.err.len() < 10_000, "{name}: {} bytes of errors", ended.err.len());
    Ok(())
}
