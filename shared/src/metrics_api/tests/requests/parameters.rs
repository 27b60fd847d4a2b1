//! Parameters that are refused by their names, and the limits that name themselves.

use super::*;

#[test]
fn hostile_parameters_are_refused_by_name() {
    for name in [
        "extra_filters",
        "extra_filters[]",
        "extra_label",
        "trace",
        "storeMatch[]",
        "replicaLabels[]",
        "dedup",
        "engine",
        "explain",
        "partial_response",
        "max_source_resolution",
        "lookback_delta",
        "stats",
        "match",
        "match%5B%5D",
        "Query",
        "query[]",
        " query",
        "query ",
        "",
        "__proto__",
    ] {
        for path in [
            "/api/v1/query",
            "/api/v1/series",
            "/federate",
            "/api/v1/status/buildinfo",
        ] {
            let refused = of(&get(path, &[(name, "1")]));
            assert!(
                refused.starts_with(&format!("400: unknown parameter {name:?}: {path} has ")),
                "{refused}"
            );
        }
    }
    assert_eq!(
        of(&get("/api/v1/query", &[("dedup", "false")])),
        "400: unknown parameter \"dedup\": /api/v1/query has query, time, timeout, limit"
    );
    assert_eq!(
        of(&get("/api/v1/status/buildinfo", &[("a", "")])),
        "400: unknown parameter \"a\": /api/v1/status/buildinfo has no parameters"
    );
}

#[test]
fn what_is_given_twice_is_refused() {
    for (path, names) in [
        ("/api/v1/query", &["query", "time", "timeout", "limit"][..]),
        (
            "/api/v1/query_range",
            &["query", "start", "end", "step", "timeout", "limit"],
        ),
        ("/api/v1/series", &["start", "end", "limit"]),
        ("/api/v1/labels", &["start", "end", "limit"]),
        ("/api/v1/query_exemplars", &["query", "start", "end"]),
        ("/api/v1/format_query", &["query"]),
        ("/api/v1/explain", &["query", "time", "start", "end", "step"]),
    ] {
        for name in names {
            let twice = "given more than once";
            assert!(
                of(&get(path, &[(name, "1"), (name, "1")])).contains(twice),
                "{path} {name} in the URL"
            );
            assert!(
                of(&post(path, &format!("{name}=1&{name}=1"))).contains(twice),
                "{path} {name} in the body"
            );
            let mut both = post(path, &format!("{name}=1"));
            both["multiValueQueryStringParameters"] = json!({ *name: ["1"] });
            assert!(of(&both).contains(twice), "{path} {name} in both");
        }
    }
}

#[test]
fn times_and_numbers_are_refused_as_prometheus_refuses_them() {
    let range = |start: &str, end: &str, step: &str| {
        of(&get(
            "/api/v1/query_range",
            &[("query", "up"), ("start", start), ("end", end), ("step", step)],
        ))
    };
    let now = NOW.to_string();
    for (refused, why) in [
        (
            range("", &now, "60"),
            "400: invalid parameter \"start\": cannot parse \"\" to a valid timestamp",
        ),
        (
            range(&now, "soon", "60"),
            "400: invalid parameter \"end\": cannot parse \"soon\" to a valid timestamp",
        ),
        (
            range(&now, &now, ""),
            "400: invalid parameter \"step\": cannot parse \"\" to a valid duration; write seconds or 1h30m",
        ),
        (
            range(&now, &now, "0"),
            "400: invalid parameter \"step\": zero or negative query resolution step widths",
        ),
        (
            range(&now, &now, "-1"),
            "400: invalid parameter \"step\": zero or negative query resolution step widths",
        ),
        (
            range(&now, &now, "0.0001"),
            "400: invalid parameter \"step\": zero or negative",
        ),
        (
            range(&now, &now, "1e300"),
            "400: invalid parameter \"step\": cannot parse \"1e300\"",
        ),
        (
            range(&now, "1795219199", "60"),
            "400: invalid parameter \"end\": end timestamp must not be before start time",
        ),
        (
            range("1795208199", &now, "1"),
            "400: exceeded maximum resolution of 11,000 points per timeseries.",
        ),
        (
            range("-292273086-05-16T16:47:06Z", &now, "60"),
            "400: invalid parameter \"start\": no data can be there",
        ),
        (
            of(&get("/api/v1/query", &[("limit", "-1")])),
            "400: invalid parameter \"limit\": limit must be non-negative",
        ),
        (
            of(&get("/api/v1/query", &[("limit", "1e3")])),
            "400: invalid parameter \"limit\": not a whole number such as 100",
        ),
        (
            of(&get("/api/v1/query", &[("timeout", "0")])),
            "400: invalid parameter \"timeout\": there is no time left in it; write a millisecond or more, such as 10s",
        ),
        (
            of(&get("/api/v1/query", &[("timeout", "soon")])),
            "400: invalid parameter \"timeout\": cannot parse",
        ),
        (
            of(&get("/api/v1/query", &[("time", "NaN")])),
            "400: invalid parameter \"time\": cannot parse \"NaN\"",
        ),
        (
            of(&get(
                "/api/v1/query_exemplars",
                &[("query", "up"), ("start", "1795219200"), ("end", "1795219100")],
            )),
            "400: invalid parameter \"end\": end timestamp must not be before start timestamp",
        ),
        (
            of(&get("/api/v1/explain", &[("query", "up"), ("match[]", "up")])),
            "400: invalid parameter \"query\": not together",
        ),
        (
            of(&get("/api/v1/explain", &[("time", "1"), ("step", "1")])),
            "400: invalid parameter \"time\": not together",
        ),
    ] {
        assert!(refused.starts_with(why), "{refused}");
    }
    // Eleven thousand steps are as many as Prometheus takes.
    assert!(range("1795208200", &now, "1").starts_with("Post "));
}

#[test]
fn queries_are_refused_with_their_place() {
    for (event, expected) in [
        (get("/api/v1/query", &[("query", "sum(")]), "400: query:1:5: "),
        (
            get("/api/v1/query", &[("query", "up{\n org='c'}")]),
            "400: query:2:2: label \"org\" may not be \"c\"",
        ),
        (get("/api/v1/query", &[("query", "up[step()]")]), "400: query:1:"),
        (get("/api/v1/series", &[("match[]", "up{")]), "400: match[]:1:4: "),
        (
            get("/federate", &[("match[]", "up"), ("match[]", "sum(up)")]),
            "400: match[] 2:1:",
        ),
        (
            get("/api/v1/series", &[("match[]", "{purpose='internal'}")]),
            "400: match[]:1:2: label \"purpose\" is fixed",
        ),
    ] {
        let refused = of(&event);
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn each_limit_names_itself_the_value_the_allowed_value_and_the_plan() {
    let mut settings = settings("http://unused");
    settings.plans.insert(
        DEFAULT_PLAN.to_owned(),
        Plan {
            query_bytes: 20,
            depth: 3,
            selectors: 2,
            range: Duration::from_hours(1),
            reach: Duration::from_hours(2),
            points: 100,
            step: Duration::from_secs(15),
            ..Plan::default()
        },
    );
    let range = |query: &str, back: i64, step: &str| {
        let start = (NOW - back).to_string();
        let end = NOW.to_string();
        get(
            "/api/v1/query_range",
            &[("query", query), ("start", &start), ("end", &end), ("step", step)],
        )
    };
    let plan = "the plan \"default\" allows";
    for (event, expected) in [
        (
            get("/api/v1/query", &[("query", "aaaaaaaaaaaaaaaaaaaaa")]),
            "400: query:1:21: the query has 21 bytes, more than the 20 allowed; split it (limit `query_bytes`, plan \"default\")".to_owned(),
        ),
        (
            get("/api/v1/query", &[("query", "((((up))))")]),
            "400: query:1:4: the query is nested deeper than the 3 levels".to_owned(),
        ),
        (
            get("/api/v1/query", &[("query", "a + b + c")]),
            "400: query:1:9: the query has more than the 2 selectors".to_owned(),
        ),
        (
            get("/federate", &[("match[]", "a"), ("match[]", "b"), ("match[]", "c")]),
            format!("400: the request has 3 selectors, and {plan} 2 (limit `selectors`)"),
        ),
        (
            get("/federate", &[("match[]", "aaaaaaaaaaa"), ("match[]", "bbbbbbbbbbb")]),
            format!("400: the selectors have 22 bytes together, and {plan} 20 (limit `query_bytes`)"),
        ),
        (
            range("up", 3600, "5"),
            format!("400: the step is 5s, and {plan} no less than 15s (limit `step`)"),
        ),
        (
            range("up", 3700, "60"),
            format!("422: the time from start to end is 1h1m40s, and {plan} 1h (limit `range`)"),
        ),
        (
            get("/api/v1/series", &[("start", "1795200000"), ("end", "1795200000")]),
            format!("422: the request reads samples of up to 5h20m ago, and {plan} 2h (limit `reach`)"),
        ),
        (
            get("/api/v1/query", &[("query", "up offset 1d")]),
            format!("422: the request reads samples of up to 1d4m59s999ms ago, and {plan} 2h (limit `reach`)"),
        ),
        (
            get("/api/v1/query", &[("query", "up @ 0")]),
            format!(" ago, and {plan} 2h (limit `reach`)"),
        ),
        (
            get("/api/v1/query", &[("query", "rate(up[3h])")]),
            format!(" ago, and {plan} 2h (limit `reach`)"),
        ),
        (
            get("/api/v1/query", &[("query", "up"), ("time", "1795200000")]),
            format!(" ago, and {plan} 2h (limit `reach`)"),
        ),
        (
            get("/api/v1/query", &[("query", "up[1h:1s]")]),
            format!("422: the query computes 3602 points a series, and {plan} 100 (limit `points`)"),
        ),
        (
            range("up", 3600, "15"),
            format!("422: the query computes 241 points a series, and {plan} 100 (limit `points`)"),
        ),
    ] {
        let refused = outcome(&settings, &event);
        assert!(
            refused.contains(&expected) && refused.starts_with('4'),
            "{refused}\n{expected}"
        );
    }
    // What is there at all is looked for in as much of the time as the plan allows.
    for (start, end, searched) in [
        ("1795212000", "1795215700", "start=1795212100&end=1795215700"),
        ("1795200000", "1795212000", "start=1795212000&end=1795212000"),
        ("0", "9999999999", "start=1795215600&end=1795219200"),
        ("1795219300", "1795219400", "start=1795219300&end=1795219400"),
        ("1795219300", "9999999999", "start=1795219300&end=1795219300"),
    ] {
        let asked = outcome(&settings, &get("/api/v1/series", &[("start", start), ("end", end)]));
        assert!(asked.ends_with(searched), "{start} to {end}: {asked}");
    }
    // A dashboard's last hour, both ends aligned to its step, and the lookback of the first point.
    assert!(outcome(&settings, &range("up", 3630, "60")).starts_with("Post "));
    assert!(outcome(&settings, &get("/api/v1/query", &[("query", "up offset 2h")])).starts_with("Post "));
}
