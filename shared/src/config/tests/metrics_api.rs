//! The Metrics API's section, right and wrong.

use super::*;
use crate::config::metrics_api::{Algorithm, Claim, LabelRule, Plan, UpstreamAuth};

/// Everything that must be there; `UPSTREAM`, `LABELS`, `REST` are replaced by what a case is about.
const LEAST: &str = "metrics_api:
  upstream: {url: 'http://p', UPSTREAM}
  labels:
  - {name: metric_purpose, value: external}
  - {name: organisation_id, from: organisations}
LABELS
  authorizer: {tokens: '{{TOKENS}}'}
REST
";

fn least(upstream: &str, labels: &str, rest: &str) -> String {
    LEAST
        .replace(", UPSTREAM", &format!(", {upstream}"))
        .replace(", }", "}")
        .replace("LABELS\n", &format!("{labels}\n"))
        .replace("REST\n", &format!("{rest}\n"))
}

fn template(text: &str) -> crate::placeholders::Template {
    crate::placeholders::Template::parse(text).unwrap()
}

fn api(text: &str) -> MetricsApi {
    let loaded = Folder::new(&[("fanlight.yaml", text)]).load();
    assert_eq!(loaded.report.summary(), "", "{}", loaded.report.render(false));
    loaded.configuration.metrics_api().unwrap().clone()
}

#[test]
fn the_least_has_the_documented_defaults() {
    let api = api(&least("", "", ""));
    assert_eq!(api.upstream.url, template("http://p"));
    assert!(matches!(api.upstream.auth, UpstreamAuth::None));
    assert_eq!(api.upstream.timeout, Duration::from_secs(25));
    assert!(!api.exemplars);
    assert_eq!(api.plans.len(), 1);
    assert_eq!(api.plans["default"], Plan::default());
    assert!(api.authorizer.issuers.is_empty());
    let policy = api.policy(&["a".to_owned(), "b".to_owned()], api.plans["default"].query_limits());
    assert_eq!(
        policy.unwrap().enforce("x").unwrap(),
        r#"x { metric_purpose = "external" , organisation_id =~ "a|b" }"#
    );
    let nobody = api.policy(&[], api.plans["default"].query_limits()).unwrap();
    assert!(nobody.enforce("x").is_err());
}

#[test]
fn every_key_reaches_the_metrics_api() {
    let text = "metrics_api:
  upstream:
    url: 'https://{{HOST}}/prometheus'
    sigv4: {region: eu-west-3, service: es, role: 'arn:aws:iam::1:role/r'}
    headers: {X-Scope-OrgID: '{{TENANT}}'}
    ca_file: ca.pem
    client_certificate: '{{CERTIFICATE}}'
    client_key: '{{KEY}}'
    timeout: 9s
  labels:
  - {name: metric_purpose, value: external, on_conflict: override}
  - {name: organisation_id, from: organisations, characters: ':'}
  exemplars: true
  plans:
    large:
      {query_bytes: 1, depth: 2, selectors: 3, range: 4s, reach: 5s, points: 6, step: 7s, response_bytes: 8, time: 9s,
       requests_per_second: 10, burst: 11}
  authorizer:
    issuers:
    - issuer: https://login.example
      audience: [fanlight, other]
      jwks_url: https://login.example/keys
      ca_file: ca.pem
      algorithms: [EdDSA]
      organisations_claim: /realm/organisations
      client_claim: azp
      plan: large
      plan_claim: plan
";
    let folder = Folder::new(&[("fanlight.yaml", text), ("ca.pem", "")]);
    let loaded = folder.load();
    assert_eq!(loaded.report.summary(), "", "{}", loaded.report.render(false));
    let api = loaded.configuration.metrics_api().unwrap();
    let UpstreamAuth::SigV4 { region, service, role } = &api.upstream.auth else {
        panic!("{:?}", api.upstream.auth)
    };
    assert_eq!(
        (region.as_deref(), service.as_str(), role.as_deref()),
        (Some("eu-west-3"), "es", Some("arn:aws:iam::1:role/r"))
    );
    assert_eq!(api.upstream.headers[0].0, "x-scope-orgid");
    assert_eq!(api.upstream.headers[0].1, template("{{TENANT}}"));
    assert_eq!(api.upstream.ca_file, Some(folder.0.path().join("ca.pem")));
    let certificate = api.upstream.client_certificate.as_ref().unwrap();
    assert_eq!(certificate.certificate, template("{{CERTIFICATE}}"));
    assert_eq!(certificate.key, template("{{KEY}}"));
    assert_eq!(api.upstream.timeout, Duration::from_secs(9));
    assert!(api.exemplars);
    let seconds = Duration::from_secs;
    let plan = Plan {
        query_bytes: 1,
        depth: 2,
        selectors: 3,
        range: seconds(4),
        reach: seconds(5),
        points: 6,
        step: seconds(7),
        response_bytes: 8,
        time: seconds(9),
        requests_per_second: 10,
        burst: 11,
    };
    assert_eq!(api.plans.iter().collect::<Vec<_>>(), [(&"large".to_owned(), &plan)]);
    assert!(matches!(&api.labels[1], LabelRule::Organisations { name, .. } if name == "organisation_id"));
    let limits = crate::promql::Limits::default();
    let policy = api.policy(&["a:b".to_owned()], limits).unwrap();
    assert_eq!(
        policy.enforce(r#"x{metric_purpose="internal"}"#).unwrap(),
        r#"x { metric_purpose = "external" , organisation_id = "a:b" }"#
    );
    let [issuer] = api.authorizer.issuers.as_slice() else {
        panic!("one issuer")
    };
    assert_eq!(issuer.issuer, "https://login.example");
    assert_eq!(issuer.audience, ["fanlight", "other"]);
    assert_eq!(issuer.jwks_url.as_deref(), Some("https://login.example/keys"));
    assert_eq!(issuer.algorithms, [Algorithm::EdDSA]);
    assert_eq!(
        issuer.organisations_claim,
        Claim::Pointer("/realm/organisations".to_owned())
    );
    assert_eq!(issuer.client_claim, Claim::Name("azp".to_owned()));
    assert_eq!(issuer.plan, "large");
    assert_eq!(issuer.plan_claim, Some(Claim::Name("plan".to_owned())));
    assert!(issuer.ca_file.is_some());
}

/// Lines of the upstream, of the labels and of the rest, and what is said of them.
const MISTAKES: [(&str, &str, &str, &str); 26] = [
    (
        "basic: {username: u}",
        "",
        "",
        "2:38 <{> basic authentication needs `username` and `password`",
    ),
    (
        "bearer: '{{T}}', sigv4: {}",
        "",
        "",
        "2:13 <{> the upstream has more than one of `basic`, `bearer` and `sigv4`; keep one of them",
    ),
    (
        "headers: {authorization: x}",
        "",
        "",
        "2:41 <authorization> the header `authorization` is not for the configuration to set; credentials go into \
             keys of their own, such as `basic`; the rest the client says by itself",
    ),
    (
        "headers: {'a b': x}",
        "",
        "",
        "2:41 <'a b'> `a b` cannot be a header's name",
    ),
    (
        "headers: {A: x, a: y}",
        "",
        "",
        "2:47 <a> the header `a` is given twice",
    ),
    (
        "client_key: '{{KEY}}'",
        "",
        "",
        "2:43 <'{{KEY}}'> `client_certificate` and `client_key` go together",
    ),
    (
        "ca_file: none.pem",
        "",
        "",
        "2:40 <none.pem> there is no file none.pem; a file is named relative to the one that names it",
    ),
    (
        "",
        "  - {name: metric_purpose, value: x}",
        "",
        "6:5 <{> the label `metric_purpose` is enforced twice; give it one rule",
    ),
    (
        "",
        "  - {name: a}",
        "",
        "6:5 <{> the label `a` needs either `value` or `from`; say `value: external` for a fixed one, or \
             `from: organisations` for the caller's",
    ),
    (
        "",
        "  - {name: a, value: b, characters: x}",
        "",
        "6:37 <x> `characters` means something only beside `from`; remove it",
    ),
    (
        "",
        "  - {name: a, from: organisations, on_conflict: refuse}",
        "",
        "6:49 <refuse> `on_conflict` means something only beside `value`; remove it",
    ),
    (
        "",
        "  - {name: a, value: ''}",
        "",
        "6:22 <''> label \"a\" may not have the empty value, which matches every series without the label",
    ),
    (
        "",
        "  - {name: __name__, value: a}",
        "",
        "6:29 <a> \"__name__\" cannot be enforced; name a label, and one other than __name__",
    ),
    (
        "",
        "  - {name: a, from: organisations, characters: '|'}",
        "",
        "6:48 <'|'> the character '|' cannot be allowed in values: it is not plain in a regular expression",
    ),
    (
        "",
        "  - {name: __name__, from: organisations}",
        "",
        "6:12 <__name__> \"__name__\" cannot be enforced; name a label, and one other than __name__",
    ),
    ("", "  - {value: b}", "", "6:5 <> `labels` needs `name`"),
    (
        "",
        "",
        "  plans: {}",
        "8:10 <{> there is no plan; declare one, or leave `plans` out for `default` with every limit's default",
    ),
    (
        "",
        "",
        "  plans: {a: {depth: 4294967296}}",
        "8:22 <4294967296> 4294967296 is more than the most there may be, 256",
    ),
    (
        "",
        "",
        "  plans: {a: {query_bytes: 65537}}",
        "8:28 <65537> 65537 is more than the most there may be, 65536",
    ),
    (
        "",
        "",
        "  plans: {a: {selectors: 1001}}",
        "8:26 <1001> 1001 is more than the most there may be, 1000",
    ),
    (
        "",
        "",
        "  plans: {a: {depth: 0}}",
        "8:22 <0> expected a number of 1 or more, found 0",
    ),
    (
        "",
        "",
        "  plans: {a: {ranges: 1d}}",
        "8:15 <ranges> unknown key `ranges`; did you mean `range`?",
    ),
    (
        "",
        "",
        "  exemplar: true",
        "8:3 <exemplar> unknown key `exemplar`; did you mean `exemplars`?",
    ),
    (
        "url: http://q",
        "",
        "",
        "2:31 <url> duplicate mapping key: url not allowed here",
    ),
    (
        "timeout: 0s",
        "",
        "",
        "2:40 <0s> a length of time must be more than nothing, not 0s: write one such as `30s`",
    ),
    (
        "sigv4: {roles: r}",
        "",
        "",
        "2:39 <roles> unknown key `roles`; did you mean `role`?",
    ),
];

#[test]
fn each_mistake_in_the_metrics_api_has_its_place_and_its_remedy() {
    let mut wrong = Vec::new();
    for (upstream, labels, rest, expected) in MISTAKES {
        let text = least(upstream, labels, rest);
        let found = findings(&[("fanlight.yaml", &text)]);
        if found != [expected] {
            wrong.push(format!("expected {expected}\n   found {}", found.join("\n         ")));
        }
        let loaded = Folder::new(&[("fanlight.yaml", &text)]).load();
        let served = loaded.configuration.metrics_api();
        assert_eq!(served.err(), Some(NoMetricsApi::Flawed), "{text}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_mistake_in_the_authorizer_has_its_place_and_its_remedy() {
    let issuer = "issuer: https://i, audience: [a]";
    let cases = [
        (
            "{}".to_owned(),
            "6:15 <{> nobody may call; add `tokens: '{{API_TOKENS}}'`, or `issuers` of JWTs",
        ),
        (
            "{issuers: [{audience: [a]}]}".to_owned(),
            "6:26 <> `issuers` needs `issuer`",
        ),
        (
            "{issuers: [{issuer: https://i}]}".to_owned(),
            "6:26 <> `issuers` needs `audience`",
        ),
        (
            "{issuers: [{issuer: https://i, audience: []}]}".to_owned(),
            "6:56 <[> the list names no audience",
        ),
        (
            format!("{{issuers: [{{{issuer}, algorithms: []}}]}}"),
            "6:73 <[> the list names no algorithm",
        ),
        (
            format!("{{issuers: [{{{issuer}, plan: larg}}]}}"),
            "6:67 <larg> there is no plan `larg`; did you mean `large`?",
        ),
        (
            format!("{{issuers: [{{{issuer}}}, {{{issuer}}}]}}"),
            "6:62 <{> the issuer `https://i` is declared a second time",
        ),
        (
            format!("{{issuers: [{{{issuer}, algorithms: [none]}}]}}"),
            "6:74 <none> `none` is not one of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384` or \
             `EdDSA`",
        ),
        (
            "{issuers: [{issuer: https://i, audience: ['']}]}".to_owned(),
            "6:57 <''> a name is missing here",
        ),
        (
            format!("{{issuers: [{{{issuer}, client_claim: ''}}]}}"),
            "6:75 <''> a name is missing here",
        ),
        (
            "{issuers: [{issuer: http://i, audience: [a]}]}".to_owned(),
            "6:35 <http://i> whoever sits between can put keys of his own in the place of the issuer's; use `https://`",
        ),
        (
            "{issuers: [{issuer: i, audience: [a]}]}".to_owned(),
            "6:35 <i> an issuer's URL begins with `http://` or `https://`",
        ),
    ];
    let mut wrong = Vec::new();
    for (authorizer, expected) in cases {
        let text = format!(
            "metrics_api:\n  upstream: {{url: 'http://p'}}\n  labels:\n  - {{name: o, from: organisations}}\n  plans: \
             {{default: {{}}, large: {{}}}}\n  authorizer: {authorizer}\n"
        );
        let found = findings(&[("fanlight.yaml", &text)]);
        if found != [expected] {
            wrong.push(format!("expected {expected}\n   found {}", found.join("\n         ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_path_of_the_api_is_not_the_upstream_s() {
    for (url, base) in [
        ("http://p/api/v1", "http://p"),
        ("http://p/x/api/v1/query", "http://p/x"),
        ("{{URL}}/api/v1/", "{{URL}}"),
    ] {
        let text = least("", "", "").replace("http://p", url);
        let found = findings(&[("fanlight.yaml", &text)]).join("\n");
        let expected =
            format!("an upstream's URL ends before `/api/v1`, which is added with each request; write `{base}`");
        assert!(found.contains(&expected), "{url}: {found}");
    }
}

#[test]
fn labels_that_would_show_everyone_the_same_are_a_mistake() {
    let text = least("", "", "").replace("  - {name: organisation_id, from: organisations}\n", "");
    let [finding] = findings(&[("fanlight.yaml", &text)]).try_into().unwrap();
    assert!(
        finding
            .contains("no label has its values from the caller's organisations, so every caller could read the same"),
        "{finding}"
    );
}

#[test]
fn what_must_be_there_is_told_all_at_once() {
    let found = findings(&[("fanlight.yaml", "metrics_api: {}\n")]);
    let expected = ["upstream", "labels", "authorizer"].map(|key| format!("1:14 <> `metrics_api` needs `{key}`"));
    assert_eq!(found, expected);
}

#[test]
fn nothing_is_served_when_nobody_knows_what_was_meant() {
    let right = least("", "", "");
    let job = minimal("", "");
    let cases: [(&[(&str, &str)], NoMetricsApi); 4] = [
        (&[("a.yaml", &job)], NoMetricsApi::NotDeclared),
        (&[("a.yaml", &right)], NoMetricsApi::Flawed),
        (&[("fanlight.yml", &right)], NoMetricsApi::Flawed),
        (&[("fanlight.yaml", &format!("{right}\nmistake"))], NoMetricsApi::Flawed),
    ];
    for (files, expected) in cases {
        let loaded = Folder::new(files).load();
        assert_eq!(loaded.configuration.metrics_api().err(), Some(expected), "{files:?}");
    }
}

#[test]
fn a_job_with_a_mistake_does_not_stop_the_metrics_api() {
    let text = least("", "", "");
    let loaded = Folder::new(&[("fanlight.yaml", &text), ("a.yaml", "jobs: [{name: j}]")]).load();
    assert!(loaded.report.mistakes() > 0);
    assert!(loaded.configuration.metrics_api().is_ok());
}

#[test]
fn a_mistake_in_the_metrics_api_does_not_stop_the_jobs() {
    let job = minimal("", "");
    for (upstream, labels, rest) in [
        ("nam: x", "", ""),
        ("timeout: soon", "", ""),
        ("", "  - {name: 0}", ""),
        ("", "", "  plans: {}"),
    ] {
        let text = least(upstream, labels, rest);
        let loaded = Folder::new(&[("fanlight.yaml", &text), ("a.yaml", &job)]).load();
        assert!(loaded.configuration.metrics_api().is_err());
        assert!(loaded.configuration.job("j").is_ok(), "{text}");
    }
}
