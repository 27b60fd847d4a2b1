//! `fanlight schema`: the same as the file beside the examples, as the examples, and as the reader.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::{ConfigFolder, binaries, fanlight};
use serde_json::Value;

/// Validates YAML files by a schema: prints `NAME: ok`, or what is wrong.
const VALIDATE: &str = "
import json, pathlib, sys
import fastjsonschema, yaml
validate = fastjsonschema.compile(json.load(open(sys.argv[1])))
for name in sys.argv[2:]:
    try:
        validate(yaml.safe_load(pathlib.Path(name).read_text()))
        print(f'{name}: ok')
    except fastjsonschema.JsonSchemaValueException as error:
        print(f'{name}: {error.message}'.replace('\\n', ' '))
";

async fn schema() -> Result<String> {
    let ended = fanlight(Path::new("/"), ["schema"], iter::empty()).await?;
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    Ok(ended.out)
}

/// A line for each file.
fn validate(schema: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let python = binaries::workspace().join(".venv/bin/python");
    let output = Command::new(&python)
        .args(["-c", VALIDATE])
        .arg(schema)
        .args(files)
        .output()
        .with_context(|| format!("{} is lacking: scripts/install makes it", python.display()))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

fn examples() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![binaries::workspace().join("config")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[tokio::test]
async fn the_file_beside_the_examples_is_what_the_command_prints() -> Result<()> {
    let stored = fs::read_to_string(binaries::workspace().join("config/fanlight.schema.json"))?;
    assert!(
        stored == schema().await?,
        "config/fanlight.schema.json is not up to date: run `cargo run --bin fanlight schema > config/fanlight.schema.json`"
    );
    Ok(())
}

#[tokio::test]
async fn the_examples_are_valid_and_point_editors_at_the_schema() -> Result<()> {
    let files = examples()?;
    assert!(files.len() >= 4, "{files:?}");
    for file in &files {
        let text = fs::read_to_string(file)?;
        let first = text.lines().next().unwrap_or_default();
        let named = first
            .strip_prefix("# yaml-language-server: $schema=")
            .unwrap_or_default();
        let folder = file.parent().context("a folder")?;
        let schema = binaries::workspace()
            .join("config/fanlight.schema.json")
            .canonicalize()?;
        assert_eq!(
            folder.join(named).canonicalize().ok(),
            Some(schema),
            "{}",
            file.display()
        );
    }
    let schema = binaries::workspace().join("config/fanlight.schema.json");
    let expected: Vec<_> = files.iter().map(|file| format!("{}: ok", file.display())).collect();
    assert_eq!(validate(&schema, &files)?, expected);
    Ok(())
}

/// One document in which every mapping of the configuration stands once, each with a key that nobody knows; the comment
/// names the mapping's definition in the schema.
const EVERYWHERE: &str = r"zzzzzz: 1 # the document
defaults:
  zzzzzz: 1 # Defaults
sources:
  shop:
    zzzzzz: 1 # SourceSettings
    postgres:
      zzzzzz: 1 # PostgresSpec
      url: postgres://u@h/d
  orders:
    mysql:
      zzzzzz: 1 # MysqlSpec
      url: mysql://u@h/d
      rds_iam:
        zzzzzz: 1 # RdsIamSpec
  pages:
    http:
      zzzzzz: 1 # HttpSpec
      url: https://h
      oauth2:
        zzzzzz: 1 # OAuth2Spec
  cloud:
    cloudwatch:
      zzzzzz: 1 # CloudWatchSpec
sinks:
  default:
    zzzzzz: 1 # SinkSpec
    pushgateway:
      zzzzzz: 1 # PushgatewaySpec
      url: http://h
      basic:
        zzzzzz: 1 # BasicSpec
        username: u
        password: '{{P}}'
  cloud:
    cloudwatch:
      zzzzzz: 1 # CloudWatchSinkSpec
placeholders:
  P:
    zzzzzz: 1 # ProviderSpec
    env: P
alerting:
  zzzzzz: 1 # AlertingSpec
  slack:
    zzzzzz: 1 # SlackSpec
  victorops:
    zzzzzz: 1 # VictorOpsSpec
  watchdog:
    zzzzzz: 1 # WatchdogSpec
  timing:
    zzzzzz: 1 # TimingSpec
  environments:
    prod:
      zzzzzz: 1 # AlertingLayerSpec
dashboards:
  zzzzzz: 1 # DashboardsSpec
heal:
  zzzzzz: 1 # HealSpec
  schedule: '7 * * * *'
metrics_api:
  zzzzzz: 1 # MetricsApiSpec
  upstream:
    zzzzzz: 1 # UpstreamSpec
    url: http://h
    sigv4:
      zzzzzz: 1 # SigV4Spec
  labels:
  - zzzzzz: 1 # LabelSpec
    name: organisation_id
    from: organisations
  plans:
    default:
      zzzzzz: 1 # PlanSpec
  authorizer:
    zzzzzz: 1 # AuthorizerSpec
    issuers:
    - zzzzzz: 1 # IssuerSpec
      issuer: https://h
      audience: [a]
jobs:
- zzzzzz: 1 # JobSpec
  name: j
  schedule: '* * * * *'
  source: shop
  queries:
    q:
      zzzzzz: 1 # QuerySpec
      query: SELECT 1
      parameters:
      - zzzzzz: 1 # TimeSpec
        scheduled_time: 0s
    r:
      query:
        zzzzzz: 1 # QueryDescription
        http:
          zzzzzz: 1 # HttpQuerySpec
    s:
      query:
        cloudwatch:
          zzzzzz: 1 # CloudWatchQuerySpec
          inputs:
            errors:
              zzzzzz: 1 # CloudWatchInputSpec
  metrics:
  - zzzzzz: 1 # MetricSpec
    name: m
    from_query: q
    values:
      zzzzzz: 1 # ValuesSpec
      label: l
      columns: [a]
    funnel:
      zzzzzz: 1 # FunnelSpec
      name: f
    alerts:
    - zzzzzz: 1 # AlertSpec
      name: A
      ratio:
        zzzzzz: 1 # RatioSpec
        of:
          zzzzzz: 1 # TermSpec
      tests:
      - zzzzzz: 1 # CaseSpec
        name: c
    slos:
    - zzzzzz: 1 # SloSpec
      name: s
      indicator:
        zzzzzz: 1 # IndicatorSpec
        ratio:
          zzzzzz: 1 # EventsSpec
          minimum: 1
        threshold:
          zzzzzz: 1 # ThresholdSpec
        freshness:
          zzzzzz: 1 # FreshnessSpec
";

#[tokio::test]
async fn the_schema_knows_the_keys_that_the_reader_knows() -> Result<()> {
    let config = ConfigFolder::new(&[("a.yaml", EVERYWHERE)])?;
    let ended = fanlight(config.path(), ["check", "."], iter::empty()).await?;
    let places: BTreeMap<usize, &str> = (1..)
        .zip(EVERYWHERE.lines())
        .filter_map(|(number, line)| Some((number, line.split_once("zzzzzz: 1 # ")?.1)))
        .collect();
    let mut read: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for finding in ended
        .err
        .split("\n\n")
        .filter(|finding| finding.contains("unknown key `zzzzzz`"))
    {
        let (_, place) = finding.split_once("a.yaml:").context("a place")?;
        let line: usize = place.split(':').next().unwrap_or_default().parse()?;
        let (_, keys) = finding
            .split_once("the keys here are ")
            .with_context(|| finding.to_owned())?;
        let keys = keys.lines().next().unwrap_or_default().split(", ").map(str::to_owned);
        read.insert(places[&line], keys.collect());
    }

    let schema: Value = serde_json::from_str(&schema().await?)?;
    let properties = |definition: &Value| -> Option<BTreeSet<String>> {
        Some(definition["properties"].as_object()?.keys().cloned().collect())
    };
    let definitions = schema["definitions"].as_object().context("definitions")?;
    let described = definitions
        .iter()
        .filter_map(|(name, definition)| Some((name.as_str(), properties(definition)?)));
    // What must be there stands in the schema where it is used.
    let of_metrics_api = &definitions["MetricsApiSpec"]["properties"];
    let described: BTreeMap<_, _> = described
        .chain([
            ("the document", properties(&schema).context("properties")?),
            (
                "UpstreamSpec",
                properties(&of_metrics_api["upstream"]).context("upstream")?,
            ),
            (
                "TermSpec",
                properties(&definitions["RatioSpec"]["properties"]["of"]).context("of")?,
            ),
            (
                "AuthorizerSpec",
                properties(&of_metrics_api["authorizer"]).context("authorizer")?,
            ),
        ])
        .collect();
    assert_eq!(read, described);
    Ok(())
}

/// What both refuse, in a document that is right otherwise; and what both take.
#[tokio::test]
async fn the_schema_and_the_reader_refuse_the_same() -> Result<()> {
    let document = "sources: {s: 'postgres://u@h/d'}
jobs:
- name: j
  schedule: '* * * * *'
  source: s
  JOB
  metrics:
  - name: m
    help: H.
    value: v
    query: SELECT 1 AS v
    METRIC
TOP
";
    let cases = [
        ("right", "", "", "", true),
        ("anchors", "", "x-mine: {a: 1}", "x-all: [1]", true),
        ("nothing", "owner:", "", "", false),
        ("key_at_the_top", "", "", "job_s: []", false),
        ("key_in_a_job", "enable: true", "", "", false),
        ("key_in_a_metric", "", "valeu: v", "", false),
        ("word", "on_error: ignore", "", "", false),
        ("word_of_a_metric", "", "null_value: none", "", false),
        ("kind", "", "type: histogram", "", false),
        ("number_for_text", "owner: 7", "", "", false),
        ("text_for_truth", "enabled: 'yes'", "", "", false),
        ("text_for_number", "max_series: many", "", "", false),
        ("fraction", "max_series: 1.5", "", "", false),
        ("none_at_all", "max_series: 0", "", "", false),
        ("list_for_mapping", "static_labels: [a]", "", "", false),
        ("number_for_label", "static_labels: {a: 1}", "", "", false),
        ("labels_as_text", "", "labels: status", "", false),
        ("labels_as_mapping", "", "labels: {a: b}", "", true),
        (
            "parameters",
            "",
            "parameters: [1, 1.5, true, ~, x, {scheduled_time: -1h}]",
            "",
            true,
        ),
        ("parameter_list", "", "parameters: [[1]]", "", false),
        (
            "no_url",
            "",
            "",
            "sinks: {default: {pushgateway: {timeout: 5s}}}",
            false,
        ),
        ("no_name", "", "", "x-y: 1\njob:\n- schedule: '* * * * *'\n", false),
    ];
    let config = ConfigFolder::new(&[("schema.json", &schema().await?)])?;
    let mut files = Vec::new();
    let mut accepted = Vec::new();
    for (name, job, metric, top, _) in cases {
        let text = document
            .replace("JOB", job)
            .replace("METRIC", metric)
            .replace("TOP", top);
        let file = format!("{name}/a.yaml");
        config.write(&file, &text)?;
        files.push(config.path().join(&file));
        let environment = [("PUSHGATEWAY_URL", "http://h".to_owned())];
        let ended = fanlight(config.path(), ["check", name], environment).await?;
        accepted.push((name, ended.status == Some(0), ended.err));
    }
    let validated = validate(&config.path().join("schema.json"), &files)?;
    for ((name, .., expected), ((_, read, err), line)) in cases.iter().zip(accepted.iter().zip(&validated)) {
        assert_eq!(*read, *expected, "{name}: the reader: {err}");
        assert_eq!(line.ends_with(": ok"), *expected, "the schema: {line}");
    }
    Ok(())
}

#[tokio::test]
async fn the_schema_knows_the_words_that_the_reader_knows() -> Result<()> {
    let schema: Value = serde_json::from_str(&schema().await?)?;
    let definitions = schema["definitions"].as_object().context("definitions")?;
    let mut described = BTreeMap::new();
    for (name, definition) in definitions {
        // Words that are described, and words that are not.
        let described_words = definition["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|word| &word["const"]);
        let plain_words = definition["enum"].as_array().into_iter().flatten();
        let words: BTreeSet<_> = described_words
            .chain(plain_words)
            .filter_map(|word| Some(word.as_str()?.to_owned()))
            .collect();
        if !words.is_empty() {
            described.insert(name.as_str(), words);
        }
    }
    let text = "sources: {s: {http: {oauth2: {client_auth: zzzzzz}}}}\njobs:\n- on_error: zzzzzz\n  metrics:\n  - on_empty: zzzzzz\n    null_value: zzzzzz\n    duplicates: zzzzzz\n    \
                type: zzzzzz\n    query: {http: {page: zzzzzz}}\nmetrics_api:\n  labels:\n  - {name: a, from: zzzzzz}\n  - {name: b, value: c, on_conflict: zzzzzz}\n  \
                authorizer:\n    issuers:\n    - algorithms: [zzzzzz]\nalerts:\n- {name: A, severity: zzzzzz}\n";
    let names = [
        "ClientAuth",
        "OnError",
        "OnEmpty",
        "NullValue",
        "Duplicates",
        "MetricKind",
        "PageKind",
        "LabelSource",
        "Conflict",
        "Algorithm",
        "Severity",
    ];
    let config = ConfigFolder::new(&[("a.yaml", text)])?;
    let ended = fanlight(config.path(), ["check", "."], iter::empty()).await?;
    let read: BTreeMap<_, BTreeSet<String>> = ended
        .err
        .lines()
        .filter_map(|line| line.split_once("`zzzzzz` is not one of "))
        .zip(names)
        .map(|((_, words), name)| (name, words.split('`').skip(1).step_by(2).map(str::to_owned).collect()))
        .collect();
    assert_eq!(read, described);
    Ok(())
}
