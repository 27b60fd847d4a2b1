//! The source and its queries as they are configured.

use crate::config::sample::{findings, loaded};

fn source(settings: &str) -> String {
    format!("sources:\n  s: {{http: {{{settings}}}}}\n")
}

fn query(description: &str) -> String {
    metric(description, "labels: [target, check, state], value: value")
}

fn metric(description: &str, rest: &str) -> String {
    format!(
        "jobs:\n- name: j\n  schedule: '* * * * *'\n  source: 'https://h/p'\n  metrics:\n  - {{name: m, help: h, {rest}, \
         query: {{http: {{{description}}}}}}}\n"
    )
}

#[test]
fn everything_that_can_be_said_is_read() {
    let text = "
placeholders: {SECRET: {secret: s}}
sources:
  services:
    http:
      targets: {b: 'https://b/x/', a: 'https://{{HOST}}'}
      oauth2:
        token_url: https://login/token
        client_id: fanlight
        client_secret: '{{SECRET}}'
        scope: read all
        parameters: {audience: health}
        client_auth: body
      headers: {X-Api-Key: '{{SECRET}}'}
      ca_file: ca.pem
      timeout: 3s
      max_bytes: 2000
      concurrency: 2
jobs:
- name: health
  schedule: '* * * * *'
  source: services
  metrics:
  - name: check_state
    help: h
    labels: [target, check, state]
    value: value
    query: {http: {path: /health, page: health, rows: /checks, statuses: [200, 503]}}
- name: stats
  schedule: '* * * * *'
  source: https://stats.example/v1
  queries:
    queues:
      query:
        http:
          path: /queues
          parameters: {since: {scheduled_time: -1h}, limit: 10}
          rows: /data/queues
          key: queue
          columns: {waiting: stats/waiting, self: '', version: /meta/version, slash: 'a~1b'}
  metrics:
  - {name: waiting, help: h, labels: [queue, version], value: waiting, from_query: queues}
  - {name: kinds, help: h, labels: {t: target}, values: {label: kind, columns: [waiting, self]}, from_query: queues}
";
    let loaded = loaded(text);
    assert_eq!(loaded.report.summary(), "");
    let health = loaded.configuration.job("health").unwrap();
    let shown = format!("{:?} {:?}", health.source.kind, health.queries[0].asked);
    for part in [
        r#"name: Some("a")"#,
        "client_auth: Body",
        r#"("audience", "#,
        r#"("scope", "#,
        r#"[("x-api-key", "#,
        "timeout: 3s, max_bytes: 2000, concurrency: 2",
        r#"path: "/health", parameters: [], statuses: [200, 503], page: Health { checks: Pointer("/checks") }"#,
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let stats = loaded.configuration.job("stats").unwrap();
    let shown = format!("{:?}", stats.queries[0].asked);
    for part in [
        r#"("since", ScheduledTime(1h ago))"#,
        r#"Table { rows: Pointer("/data/queues"), keyed: true, cells: [OfRow(Pointer("/stats/waiting")), OfRow(Pointer("")), "#,
        r#"OfPage(Pointer("/meta/version")), OfRow(Pointer("/a~1b"))] }"#,
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let columns = stats.queries[0].asked.columns().unwrap();
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["target", "queue", "waiting", "self", "version", "slash"]);
}

#[test]
fn the_documentations_example_is_right() {
    let text = include_str!("../../../../docs/configuration.md");
    let section = text
        .split_once("### Pages over HTTP")
        .and_then(|(_, rest)| rest.split_once("## Sinks"));
    let (section, _) = section.expect("the section");
    let example = section
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split_once("```"))
        .expect("an example")
        .0;
    assert_eq!(findings(example), Vec::<String>::new());
    assert_eq!(loaded(example).configuration.jobs.len(), 2);
}

#[test]
fn each_mistake_in_a_source_has_its_place_and_its_remedy() {
    for (settings, expected) in [
        (
            "",
            "<{> an HTTP source needs a `url`, or `targets`; add `url: 'https://service.example'`",
        ),
        (
            "url: 'https://h', targets: {a: 'https://h'}",
            "there is both a `url` and `targets`; give the one",
        ),
        ("targets: {}", "a source has from 1 to 100 targets"),
        (
            "targets: {'': 'https://h'}",
            "a target's name has from 1 to 128 bytes and no control characters",
        ),
        (
            "targets: {a: h}",
            "<h> a target's URL begins with `http://` or `https://`",
        ),
        ("url: 'https://h?a=b'", "a target's URL has no query and no fragment"),
        (
            "url: 'https://u:hunter2@h'",
            "credentials do not belong into the URL; use `basic",
        ),
        (
            "url: 'https://h', bearer: '{{T}}', basic: {username: u, password: '{{P}}'}",
            "a source has one of `basic`, `bearer` and `oauth2`",
        ),
        (
            "url: 'https://h', bearer: hunter2",
            "the token stands in the file in clear text; put a placeholder",
        ),
        (
            "url: 'http://h', bearer: '{{T}}'",
            "<'http://h'> credentials travel there in clear text; use `https://`",
        ),
        (
            "url: 'https://h', oauth2: {token_url: 'http://h', client_id: a, client_secret: '{{S}}'}",
            "credentials travel there in clear text",
        ),
        (
            "url: 'https://h', oauth2: {client_id: a}",
            "`oauth2` needs `token_url`, `client_id` and `client_secret`",
        ),
        (
            "url: 'https://h', oauth2: {token_url: 'https://h', client_id: a, client_secret: hunter2}",
            "the client's secret stands in the file in clear text",
        ),
        (
            "url: 'https://h', oauth2: {token_url: 'https://h', client_id: a, client_secret: '{{S}}', parameters: {scope: a}}",
            "<scope> `scope` is not among the further parameters",
        ),
        (
            "url: 'https://h', oauth2: {token_url: 'https://h', client_id: a, client_secret: '{{S}}', client_auth: query}",
            "<query> `query` is not one of `header` or `body`",
        ),
        (
            "url: 'https://h', headers: {Authorization: hunter2}",
            "the header `Authorization` is not for the configuration to set",
        ),
        (
            "url: 'https://h', headers: {'a b': x}",
            "`a b` cannot be a header's name",
        ),
        (
            "url: 'https://h', ca_file: ../x.pem",
            "lies outside of the configuration folder",
        ),
        ("url: 'https://h', timeout: 5", "5 of which unit?"),
        (
            "url: 'https://h', max_bytes: 33554433",
            "<33554433> 33554432 is the most here",
        ),
        ("url: 'https://h', concurrency: 33", "<33> 32 is the most here"),
        (
            "url: 'https://h', concurency: 3",
            "unknown key `concurency`; did you mean `concurrency`?",
        ),
        ("url: 'https://h', oauth2: hunter2", "expected a mapping, found"),
    ] {
        let findings = findings(&source(settings));
        assert!(
            findings.len() == 1 && findings[0].contains(expected),
            "{settings}: {findings:#?}"
        );
        let shown = loaded(&source(settings)).report.render(false);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let empty = loaded(&source(""));
    let places: Vec<_> = empty
        .report
        .findings()
        .map(|finding| empty.report.position(finding))
        .collect();
    assert_eq!(places, [(2, 13)]);
    let two = findings("sources:\n  s: {http: {url: 'https://h'}, postgres: {url: 'postgres://u@h/d'}}\n");
    assert!(
        two.len() == 1 && two[0].contains("a source is of one kind; remove the other"),
        "{two:?}"
    );
}

#[test]
fn each_mistake_in_a_query_has_its_place_and_its_remedy() {
    assert_eq!(findings(&query("page: health")), Vec::<String>::new());
    for (description, expected) in [
        (
            "",
            "the query does not say what its columns are; add `columns: {NAME: pointer}`, or say `page: health`",
        ),
        (
            "page: helth",
            "<helth> `helth` is not one of `json` or `health`; did you mean `health`?",
        ),
        ("page: health, key: k", "<k> a health page has columns of its own"),
        ("page: health, columns: {a: b}", "a health page has columns of its own"),
        (
            "page: health, path: health",
            "<health> a path begins with one `/`; write `/health`",
        ),
        ("page: health, path: //evil.example", "a path begins with one `/`"),
        (
            "page: health, path: '/a?b=c'",
            "a path has no query and no fragment; put what follows the `?` into `parameters`",
        ),
        ("page: health, path: '/{{A}}'", "a path has no placeholders"),
        (
            "page: health, path: /a/../b",
            "a path has no `.`, `..`, spaces, `\\` or `%`",
        ),
        (
            "page: health, rows: checks",
            "<checks> `checks` is no JSON pointer: it is empty, or begins with `/`; write `/data/items`",
        ),
        ("page: health, rows: /a~b", "`~` is followed by 0 or 1"),
        (
            "page: health, statuses: []",
            "the list is empty; write `statuses: [200, 503]`",
        ),
        (
            "page: health, statuses: [200, 401]",
            "<401> under 401 there is no page; a page may come with 200",
        ),
        ("page: health, statuses: [302]", "<302> under 302 there is no page"),
        (
            "page: health, statuses: [99999]",
            "<99999> under 99999 there is no page",
        ),
        ("page: health, parameters: {a: {}}", "the parameter is empty"),
    ] {
        let findings = findings(&query(description));
        assert!(
            findings.len() == 1 && findings[0].contains(expected),
            "{description}: {findings:#?}"
        );
    }
    for (description, rest, expected) in [
        (
            "columns: {a: b, target: c}",
            "value: a",
            "<target> the column `target` is the target's name already",
        ),
        (
            "key: a, columns: {a: b}",
            "value: a",
            "<a> the column `a` is given twice",
        ),
        ("columns: {a: 'b~'}", "value: a", "<'b~'> `/b~` is no JSON pointer"),
        (
            "columns: {count: c}",
            "value: cuont",
            "<cuont> the query gives no column `cuont`, which `m` needs; did you mean `count`?",
        ),
        (
            "columns: {count: c}",
            "value: count, labels: {a: os}",
            "<os> the query gives no column `os`, which `m` needs; it gives target, count",
        ),
        (
            "page: health",
            "values: {label: x, columns: [value, valu]}",
            "<valu> the query gives no column `valu`",
        ),
        (
            "page: health",
            "value: state",
            "<state> the column `state` is of type text, and `m` needs a number; name another column",
        ),
    ] {
        let findings = findings(&metric(description, rest));
        assert!(
            findings.len() == 1 && findings[0].contains(expected),
            "{description}: {findings:#?}"
        );
    }
}

#[test]
fn a_source_is_asked_what_its_kind_is_asked() {
    let job = |source: &str, query: &str| {
        format!(
            "jobs:\n- {{name: j, schedule: '* * * * *', source: '{source}', metrics: [{{name: m, help: h, value: value, {query}}}]}}\n"
        )
    };
    let described = "query: {http: {page: health}}";
    assert_eq!(findings(&job("https://h", described)), Vec::<String>::new());
    for (source, query, expected) in [
        (
            "https://h",
            "query: SELECT 1",
            "<SELECT 1> `http` sources take no SQL; describe what is asked: `query: {http: ..}`",
        ),
        ("https://h", "query_file: ca.pem", "<ca.pem> `http` sources take no SQL"),
        (
            "https://h",
            "query: {}",
            "<{> the query does not say what is asked; describe it: `query: {http: ..}`",
        ),
        (
            "https://h",
            "unit: value",
            "`m` has no query; describe what is asked: `query: {http: ..}`",
        ),
        (
            "postgres://u@h/d",
            described,
            "`postgres` sources are asked in SQL; write it as text",
        ),
        (
            "https://h",
            "query: {http: {page: health}}, parameters: [1]",
            "<[> only SQL has `parameters`; put what is asked into the description",
        ),
    ] {
        let findings = findings(&job(source, query));
        assert!(
            findings.iter().any(|finding| finding.contains(expected)),
            "{source} {query}: {findings:#?}"
        );
    }
}
