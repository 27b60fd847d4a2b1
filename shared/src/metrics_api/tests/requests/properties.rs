//! Whatever is asked, what is rebuilt says the same and stays within the policy.

use proptest::sample::select;

use super::*;

fn query() -> impl Strategy<Value = String> {
    let whole = select(vec![
        "",
        "{}",
        "up",
        "up{org='a'}",
        "up{org='c'}",
        "sum by (x) (rate(a[5m]))",
        "a / on (x) group_left b",
        "topk(scalar(b), a)",
        "1 + 1",
        "a # } or {",
        "{__name__=~'.+'}",
        "count_values('org', a)",
        "a[5m:1m]",
        "a offset 1d",
        "label_replace(a, 'org', 'c', '', '')",
        "{'org'!='a'}",
        "`x`",
        "info(a)",
        "a or b unless c",
        "absent({x='y'})",
    ]);
    prop_oneof![3 => whole.prop_map(str::to_owned), 1 => "[a-z{}()='\"#,\\[\\]:+ @\\\\~!\n]{0,12}"]
}

fn parameter() -> impl Strategy<Value = (String, String)> {
    let name = select(vec![
        "query",
        "match[]",
        "match[]",
        "time",
        "start",
        "end",
        "step",
        "timeout",
        "limit",
        "dedup",
        "extra_filters[]",
    ]);
    let time = (0..90_000_i64).prop_map(|back| (NOW - back).to_string());
    let value = prop_oneof![query(), time, Just("60".to_owned()), "[ -~]{0,6}"];
    (name.prop_map(str::to_owned), value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is asked, the upstream is asked by known names, and no selector of anything lacks the policy.
    #[test]
    fn what_is_rebuilt_is_enforced(
        path in select(vec![
            "/api/v1/query", "/api/v1/query_range", "/api/v1/series", "/api/v1/labels", "/api/v1/label/job/values",
            "/api/v1/query_exemplars", "/api/v1/format_query", "/federate", "/api/v1/explain",
        ]),
        main in query(),
        parameters in prop::collection::vec(parameter(), 0..3),
        range in any::<bool>(),
    ) {
        let mut all: Vec<(&str, &str)> = parameters.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let name = if ["/api/v1/series", "/api/v1/labels", "/api/v1/label/job/values", "/federate"].contains(&path) {
            "match[]"
        } else {
            "query"
        };
        all.push((name, &main));
        let start = (NOW - 600).to_string();
        let end = NOW.to_string();
        if range && path == "/api/v1/query_range" {
            all.extend([("start", start.as_str()), ("end", end.as_str()), ("step", "60")]);
        }
        let Ok(rebuilt) = rebuilt_by(&settings("http://unused"), &get(path, &all)) else { return Ok(()) };
        let mut selectors = 0;
        for (name, value) in &rebuilt.form {
            prop_assert!(
                ["query", "match[]", "time", "start", "end", "step", "timeout", "limit"].contains(name),
                "{}", name
            );
            if ["query", "match[]"].contains(name) {
                let read = promql_selectors(value);
                selectors += read;
                // `=~` of both organisations and the fixed label, once in each selector; nobody else's anywhere.
                prop_assert!(value.matches(r#"purpose = "external" , org =~ "a|b""#).count() >= read, "{}", value);
            } else {
                prop_assert!(value.bytes().all(|byte| b"-.0123456789".contains(&byte)), "{}={}", name, value);
            }
        }
        prop_assert!(selectors > 0 || !rebuilt.form.iter().any(|(name, _)| *name == "match[]"));
    }
}

fn promql_selectors(query: &str) -> usize {
    let limits = crate::promql::Limits {
        bytes: u32::MAX,
        ..crate::promql::Limits::default()
    };
    crate::promql::parse(query, &limits).unwrap().selector_count()
}
