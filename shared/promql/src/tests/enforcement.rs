//! What a policy lets through and what it does not, case by case, and each known escape by its name.

use super::super::{Characters, EnforceError, EnforcedLabel, Limits, OnConflict, Policy, PolicyError, Reason, Span};
use super::policy;

const BOTH: &str = r#"metric_purpose = "external" , organisation_id =~ "a|b""#;

fn enforced(query: &str) -> String {
    policy(OnConflict::Refuse)
        .enforce(query)
        .unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// The reason for which a query is refused.
fn refused(policy: &Policy, query: &str) -> Reason {
    match policy.enforce(query) {
        Err(EnforceError::Refused(refusal)) => refusal.reason,
        other => panic!("{query}: {other:?}"),
    }
}

fn assert_enforced(cases: &[(&str, &str)]) {
    for (query, expected) in cases {
        assert_eq!(enforced(query), expected.replace("BOTH", BOTH), "{query}");
    }
}

#[test]
fn every_selector_gets_every_matcher_wherever_it_stands() {
    assert_enforced(&[
        ("up", "up { BOTH }"),
        ("up{}", "up { BOTH }"),
        ("up{job=\"x\"}", "up { BOTH , job = \"x\" }"),
        ("up{job=\"x\",}", "up { BOTH , job = \"x\" , }"),
        ("{job=\"x\"}", "{ BOTH , job = \"x\" }"),
        ("{\"up\"}", "{ BOTH , \"up\" }"),
        ("(up)", "( up { BOTH } )"),
        ("-up", "- up { BOTH }"),
        ("a + b", "a { BOTH } + b { BOTH }"),
        ("rate(up[5m])", "rate ( up { BOTH } [ 5m ] )"),
        ("sum by (a) (up)", "sum by ( a ) ( up { BOTH } )"),
        (
            "topk(scalar(secret), up)",
            "topk ( scalar ( secret { BOTH } ) , up { BOTH } )",
        ),
        (
            "quantile by (x) (scalar(a), b)",
            "quantile by ( x ) ( scalar ( a { BOTH } ) , b { BOTH } )",
        ),
        (
            "clamp(a, scalar(b), scalar(c))",
            "clamp ( a { BOTH } , scalar ( b { BOTH } ) , scalar ( c { BOTH } ) )",
        ),
        ("absent(up)", "absent ( up { BOTH } )"),
        (
            "histogram_quantile(0.9, up)",
            "histogram_quantile ( 0.9 , up { BOTH } )",
        ),
        (
            "max_over_time(up[5m:1m] offset 1m)",
            "max_over_time ( up { BOTH } [ 5m : 1m ] offset 1m )",
        ),
        ("up @ 0 offset -5m", "up { BOTH } @ 0 offset - 5m"),
        (
            "a and on (x) b unless c",
            "a { BOTH } and on ( x ) b { BOTH } unless c { BOTH }",
        ),
        ("sum + by", "sum { BOTH } + by { BOTH }"),
        ("a:b:c", "a:b:c { BOTH }"),
        ("vector(1)", "vector ( 1 )"),
    ]);
}

#[test]
fn an_empty_query_asks_for_all_that_may_be_read() {
    assert_enforced(&[
        ("", "{ BOTH }"),
        (" \n\t\r", "{ BOTH }"),
        ("{}", "{ BOTH }"),
        ("sum({})", "sum ( { BOTH } )"),
    ]);
    // No matter that Prometheus would refuse it: with the enforced matchers it is not empty any more.
    assert_enforced(&[("{job=~\".*\"}", "{ BOTH , job =~ \".*\" }")]);
}

#[test]
fn a_series_selector_is_enforced_as_one_and_nothing_else_is_taken_for_one() {
    let policy = policy(OnConflict::Refuse);
    let everything = format!("{{ {BOTH} }}");
    assert_eq!(policy.selector().as_ref(), Ok(&everything));
    for empty in ["", "{}", " "] {
        assert_eq!(policy.enforce_selector(empty).as_ref(), Ok(&everything), "{empty}");
    }
    assert_eq!(
        policy.enforce_selector("up{job='x'}"),
        Ok(format!("up {{ {BOTH} , job = \"x\" }}"))
    );
    for other in [
        "rate(up[5m])",
        "up[5m]",
        "up offset 5m",
        "(up)",
        "a or b",
        "1",
        "\"up\"",
        "up up",
        "up{",
        "up @ 0",
    ] {
        let error = policy.enforce_selector(other).unwrap_err();
        assert!(matches!(error, EnforceError::Parse(_)), "{other}: {error}");
    }
    assert!(matches!(
        policy.enforce_selector("up{organisation_id=\"c\"}"),
        Err(EnforceError::Refused(_))
    ));
}

#[test]
fn a_set_may_be_narrowed_with_plain_values_and_nothing_else() {
    let policy = policy(OnConflict::Refuse);
    let (label, empty) = (
        || "organisation_id".to_owned(),
        Reason::Empty {
            label: "organisation_id".to_owned(),
        },
    );
    let outside = |value: &str| {
        Err(Reason::Outside {
            label: label(),
            value: format!("{value:?}"),
        })
    };
    let regex = |value: &str| {
        Err(Reason::Regex {
            label: label(),
            value: format!("{value:?}"),
        })
    };
    let operator = |operator| {
        Err(Reason::Operator {
            label: label(),
            operator,
        })
    };
    // The operators by the kinds of values: inside the set, outside, empty, and a wider expression.
    let cases = [
        ("=", "a", Ok(())),
        ("=", "c", outside("c")),
        ("=", "", Err(empty.clone())),
        ("=", "a|b", outside("a|b")),
        ("=~", "a", Ok(())),
        ("=~", "c", outside("c")),
        ("=~", "", Err(empty.clone())),
        ("=~", ".*", regex(".*")),
        ("!=", "a", operator("!=")),
        ("!=", "c", operator("!=")),
        ("!=", "", operator("!=")),
        ("!=", ".*", operator("!=")),
        ("!~", "a", operator("!~")),
        ("!~", "c", operator("!~")),
        ("!~", "", operator("!~")),
        ("!~", ".*", operator("!~")),
        // More of the second row.
        ("=~", "b|a", Ok(())),
        ("=~", "a|a", Ok(())),
        ("=~", "a|c", outside("c")),
        ("=~", "a|", Err(empty.clone())),
        ("=~", "|a", Err(empty.clone())),
        ("=~", "a||b", Err(empty)),
        ("=~", "(a|b)", regex("(a")),
        ("=~", "a.*", regex("a.*")),
        ("=~", "^a$", regex("^a$")),
        ("=~", "(?i)a", regex("(?i)a")),
        ("=~", "a|.", regex(".")),
        ("=~", "A", outside("A")),
        ("=~", " a", regex(" a")),
        ("=~", "a\\n", regex("a\n")),
    ];
    for (operator, value, expected) in cases {
        let query = format!("up{{organisation_id{operator}\"{value}\"}}");
        match expected {
            Ok(()) => {
                let expected = format!("up {{ {BOTH} , organisation_id {operator} \"{value}\" }}");
                assert_eq!(policy.enforce(&query), Ok(expected), "{query}");
            }
            Err(reason) => assert_eq!(refused(&policy, &query), reason, "{query}"),
        }
    }
    // The whole set is what is enforced anyway.
    assert_eq!(
        policy.enforce("up{organisation_id=~\"a|b\"}"),
        Ok(format!("up {{ {BOTH} }}"))
    );
    // Every one of several matchers must keep within the set.
    assert_eq!(
        refused(&policy, "up{organisation_id=\"a\",organisation_id!=\"b\"}"),
        Reason::Operator {
            label: label(),
            operator: "!="
        }
    );
}

#[test]
fn a_fixed_label_may_be_repeated_and_is_otherwise_refused_or_overridden() {
    let rest = r#"organisation_id =~ "a|b""#;
    for operator in ["=", "!=", "=~", "!~"] {
        for value in ["external", "internal", "", ".*"] {
            let query = format!("up{{metric_purpose{operator}\"{value}\",job=\"x\"}}");
            let written = format!("up {{ {BOTH} , job = \"x\" }}");
            assert_eq!(
                policy(OnConflict::Override).enforce(&query).as_ref(),
                Ok(&written),
                "{query}"
            );
            if (operator, value) == ("=", "external") {
                assert_eq!(policy(OnConflict::Refuse).enforce(&query), Ok(written), "{query}");
            } else {
                let reason = refused(&policy(OnConflict::Refuse), &query);
                let matcher = "metric_purpose = \"external\"".to_owned();
                assert_eq!(
                    reason,
                    Reason::Fixed {
                        label: "metric_purpose".to_owned(),
                        matcher
                    },
                    "{query}"
                );
            }
        }
    }
    // Overriding takes the matcher out with its comma, wherever it stands; a set is not overridden.
    let policy = policy(OnConflict::Override);
    let cases = [
        ("up{metric_purpose=\"x\"}", "up { BOTH }"),
        ("up{metric_purpose=\"x\",}", "up { BOTH }"),
        ("up{metric_purpose=\"x\",metric_purpose=~\"y\"}", "up { BOTH }"),
        ("up{job=\"x\",metric_purpose=\"y\"}", "up { BOTH , job = \"x\" , }"),
        (
            "up{job=\"x\",metric_purpose=\"y\",a=\"b\"}",
            "up { BOTH , job = \"x\" , a = \"b\" }",
        ),
        ("{\"metric_purpose\"=\"x\"}", "{ BOTH }"),
    ];
    for (query, expected) in cases {
        assert_eq!(policy.enforce(query), Ok(expected.replace("BOTH", BOTH)), "{query}");
    }
    assert!(matches!(
        refused(&policy, "up{organisation_id!=\"a\"}"),
        Reason::Operator { .. }
    ));
    assert!(BOTH.ends_with(rest));
}

#[test]
fn a_refusal_says_what_where_and_why() {
    let query = "rate(up{job=\"x\", organisation_id!=\"a\"}[5m])";
    let error = policy(OnConflict::Refuse).enforce(query).unwrap_err();
    assert_eq!(error.span(), Span { start: 17, end: 37 });
    assert_eq!(
        error.render(query),
        "1:18: label \"organisation_id\" may be narrowed with = or =~ only, not with !=\n  \
           |\n\
         1 | rate(up{job=\"x\", organisation_id!=\"a\"}[5m])\n  \
           |                  ^^^^^^^^^^^^^^^^^^^^"
    );
    let long = format!("up{{organisation_id=\"{}\"}}", "z".repeat(1000));
    assert!(policy(OnConflict::Refuse).enforce(&long).unwrap_err().to_string().len() < 200);
}

#[test]
fn an_empty_set_denies() {
    let nothing: [&str; 0] = [];
    let policy = Policy::new(vec![
        EnforcedLabel::one_of("organisation_id", nothing, Characters::default()).unwrap(),
    ])
    .unwrap();
    let message = "nothing may be read: no value is allowed for label \"organisation_id\"";
    for query in ["up", "", "{}", "vector(1)", "not ( PromQL"] {
        assert_eq!(policy.enforce(query).unwrap_err().to_string(), message, "{query}");
        assert_eq!(
            policy.enforce_selector(query).unwrap_err().to_string(),
            message,
            "{query}"
        );
    }
    assert_eq!(policy.selector().unwrap_err().to_string(), message);
}

#[test]
fn a_policy_that_would_not_hold_cannot_be_made() {
    let fixed = |name: &str, value: &str| EnforcedLabel::fixed(name, value, OnConflict::Refuse);
    let one_of = |values: &[&str]| EnforcedLabel::one_of("l", values.iter().copied(), Characters::default());
    assert_eq!(Policy::new(vec![]).unwrap_err(), PolicyError::NoLabels);
    let twice = vec![fixed("l", "x").unwrap(), one_of(&["y"]).unwrap()];
    assert_eq!(
        Policy::new(twice).unwrap_err(),
        PolicyError::Twice { label: "l".to_owned() }
    );
    for name in ["", "__name__", "a\nb"] {
        assert_eq!(
            fixed(name, "x").unwrap_err(),
            PolicyError::Name { label: name.to_owned() }
        );
    }
    assert_eq!(
        fixed("l", "").unwrap_err(),
        PolicyError::EmptyValue { label: "l".to_owned() }
    );
    assert_eq!(
        one_of(&["a", ""]).unwrap_err(),
        PolicyError::EmptyValue { label: "l".to_owned() }
    );
    for character in r#".*+?()[]{}|^$\"'` ,é/:"#.chars().chain(['\n', '\0']) {
        let value = format!("a{character}");
        let error = one_of(&[&value]).unwrap_err();
        assert_eq!(
            error,
            PolicyError::Character {
                label: "l".to_owned(),
                value,
                character
            }
        );
    }
    for character in r"\.+*?()|[]{}^$é".chars().chain(['\n', '\0']) {
        let error = Characters::with(character).unwrap_err();
        assert_eq!(error, PolicyError::UnsafeCharacter { character });
    }
}

#[test]
fn characters_may_be_added_that_mean_nothing_in_a_regular_expression() {
    let characters = Characters::with(":/").unwrap();
    let label = EnforcedLabel::one_of("origin", ["eu:1", "eu/2"], characters).unwrap();
    let policy = Policy::new(vec![label]).unwrap();
    let query = "up{origin=~\"eu:1\"}";
    assert_eq!(
        policy.enforce(query),
        Ok("up { origin =~ \"eu/2|eu:1\" , origin =~ \"eu:1\" }".to_owned())
    );
}

#[test]
fn values_are_sorted_and_a_single_one_is_compared_for_equality() {
    let policy = |values: &[&str]| {
        let label = EnforcedLabel::one_of("l", values.iter().copied(), Characters::default()).unwrap();
        Policy::new(vec![label]).unwrap().enforce("up").unwrap()
    };
    assert_eq!(policy(&["c", "a", "b", "a"]), "up { l =~ \"a|b|c\" }");
    assert_eq!(policy(&["a", "a"]), "up { l = \"a\" }");
}

#[test]
fn a_fixed_value_may_be_any_string_and_a_label_any_utf_8() {
    for value in [
        "x\"y",
        "\\",
        "a\nb",
        "}",
        "\", other=\"",
        "é\u{FFFD}",
        "#",
        "\u{7f}\r",
        "`'",
    ] {
        let label = EnforcedLabel::fixed("http.\"label\"", value, OnConflict::Refuse).unwrap();
        let policy = Policy::new(vec![label]).unwrap();
        let once = policy.enforce("up").unwrap();
        assert_eq!(policy.enforce(&once).as_ref(), Ok(&once), "{value:?}");
        assert!(once.starts_with(r#"up { "http.\"label\"" = ""#), "{once}");
    }
}

// Each way that is known to have escaped the enforcement of labels somewhere.

#[test]
fn escape_aggregation_parameter() {
    assert_enforced(&[(
        "topk(scalar(secret), up)",
        "topk ( scalar ( secret { BOTH } ) , up { BOTH } )",
    )]);
    assert_enforced(&[("count_values(\"x\", up)", "count_values ( \"x\" , up { BOTH } )")]);
}

#[test]
fn escape_info_reads_a_selector_that_is_not_written() {
    let policy = policy(OnConflict::Refuse);
    for query in [
        "info(up)",
        "info(up, {})",
        "info(up, {__name__=\"target_info\"})",
        "info(up, {\"build_info\"})",
        "info(up, {__name__=~\".+_info\", version=~\".*\"})",
        "info(up, {version!=\"1\"})",
        "info(label_replace(vector(1), \"job\", \"x\", \"\", \"\"))",
        "sum(info(up))",
        "info(info(up), {version=~\".+\"})",
    ] {
        assert_eq!(refused(&policy, query), Reason::Info, "{query}");
    }
    assert_enforced(&[
        (
            "info(up, {version=~\".+\"})",
            "info ( up { BOTH } , { BOTH , version =~ \".+\" } )",
        ),
        (
            "info(up, {version!=\"\"})",
            "info ( up { BOTH } , { BOTH , version != \"\" } )",
        ),
    ]);
}

#[test]
fn escape_or_inside_braces() {
    for query in [
        r#"{a="b" or c="d"}"#,
        r#"up{a="b" OR c="d"}"#,
        r#"up{or c="d"}"#,
        r#"{a="b" or}"#,
    ] {
        assert!(
            matches!(policy(OnConflict::Refuse).enforce(query), Err(EnforceError::Parse(_))),
            "{query}"
        );
    }
}

#[test]
fn escape_name_of_the_label_quoted_escaped_or_repeated() {
    let policy = policy(OnConflict::Refuse);
    for query in [
        r#"{"organisation_id"!="x"}"#,
        r#"{'organisation_id'!="x"}"#,
        r#"{`organisation_id`!="x"}"#,
        r#"{"organisation\x5fid"!="x"}"#,
        r#"{"organisation\137id"!="x"}"#,
        r#"{"organisation\u005fid"!="x"}"#,
        r#"{"\U0000006frganisation_id"!="x"}"#,
        r#"up{organisation_id="a", organisation_id!="a"}"#,
        r#"up{organisation_id="a", "organisation_id"=~".*"}"#,
    ] {
        assert!(
            matches!(refused(&policy, query), Reason::Operator { .. } | Reason::Regex { .. }),
            "{query}"
        );
    }
    // Names are compared by exact bytes: these are other labels.
    for name in [
        "Organisation_id",
        "organisation_ıd",
        "organisation_id ",
        r"\xfforganisation_id",
    ] {
        let written = policy.enforce(&format!("up{{\"{name}\"!=\"x\"}}")).unwrap();
        assert!(written.starts_with(&format!("up {{ {BOTH} , \"")), "{written}");
    }
}

#[test]
fn a_query_of_comments_alone_is_refused() {
    let policy = policy(OnConflict::Refuse);
    for query in ["# foo", " \n# all\n", "#"] {
        for error in [policy.enforce(query), policy.enforce_selector(query)] {
            assert_eq!(
                error.unwrap_err().to_string(),
                "1:1: no expression found in input",
                "{query}"
            );
        }
    }
}

#[test]
fn a_number_that_only_stands_before_something_is_refused_at_the_end() {
    let policy = policy(OnConflict::Refuse);
    for query in ["0x1e ", "up @ 0x1e # more\n", "up + 0x1E\n"] {
        assert!(matches!(refused(&policy, query), Reason::Number { .. }), "{query}");
    }
    assert_enforced(&[
        ("0x1e + up", "0x1e + up { BOTH }"),
        ("(0x1e)", "( 0x1e )"),
        ("0x1f ", "0x1f"),
        ("1 + Inf", "1 + Inf"),
    ]);
}

#[test]
fn times_that_processors_convert_differently_are_refused() {
    let policy = policy(OnConflict::Refuse);
    for query in [
        "up offset NaN",
        "up offset -NaN",
        "up offset 9223372036.854775807",
        "up[9223372036.854775807]",
        "up offset (NaN + 1)",
        "up @ 9223372036854775.9",
        "max_over_time(up[5m:1m] @ 9e17)",
    ] {
        assert_eq!(refused(&policy, query), Reason::Time, "{query}");
    }
    assert_enforced(&[("up offset 292y", "up { BOTH } offset 292y")]);
}

#[test]
fn names_that_upstreams_read_differently_are_refused() {
    let policy = policy(OnConflict::Refuse);
    for (query, name) in [
        (r#"up{""="x"} * 2"#, ""),
        (r#"up{a="b", ''!~"x"}"#, ""),
        (r#"{job="x", ""}"#, ""),
        (r#"{"up\n"}"#, "up\n"),
        (r#"up{"organisation_id\x00"="x"}"#, "organisation_id\0"),
        ("up{`a\rb`=\"x\"}", "a\rb"),
        (r#"up{"\u007f"="x"}"#, "\u{7f}"),
        (r#"sum by ("a\tb") (up)"#, "a\tb"),
        (r#"up * on ("\x1f") up"#, "\u{1f}"),
    ] {
        let name = format!("{name:?}");
        assert_eq!(refused(&policy, query), Reason::Name { name }, "{query}");
    }
    let error = policy.enforce(r#"sum by (a, "\n") (up)"#).unwrap_err();
    assert_eq!(error.span(), Span { start: 11, end: 15 });
    assert_eq!(enforced(r#"up{a="\n"}"#), format!(r#"up {{ {BOTH} , a = "\n" }}"#));
}

#[test]
fn escape_empty_value() {
    let policy = policy(OnConflict::Refuse);
    for query in [
        r#"up{organisation_id=""}"#,
        r#"up{organisation_id=~"|a"}"#,
        r#"up{organisation_id=~""}"#,
    ] {
        assert!(matches!(refused(&policy, query), Reason::Empty { .. }), "{query}");
    }
}

#[test]
fn escape_comment_that_ends_elsewhere_for_others() {
    // For some a comment ends at the carriage return, for others at the line feed only; here it is gone.
    assert_enforced(&[
        ("secret # \r{a!=\"b\"}", "secret { BOTH , a != \"b\" }"),
        ("secret # \n{a!=\"b\"}", "secret { BOTH , a != \"b\" }"),
        ("secret # {a!=\"b\"}", "secret { BOTH }"),
        ("rate(up[5m # ]) or secret\n])", "rate ( up { BOTH } [ 5m ] )"),
    ]);
}

#[test]
fn escape_strings_that_end_elsewhere_for_others() {
    // In a raw string a backslash escapes nothing for Prometheus, and the closing quote for others.
    assert_enforced(&[
        (r"{a=`\`}", r#"{ BOTH , a = "\\" }"#),
        (
            r#"{a=`x"} or secret{b="y`}"#,
            r#"{ BOTH , a = "x\"} or secret{b=\"y" }"#,
        ),
        (r#"{a='"'}"#, r#"{ BOTH , a = "\"" }"#),
        (r#"{a="\xff"}"#, r#"{ BOTH , a = "\xff" }"#),
        ("{a=`\r\n\0`}", r#"{ BOTH , a = "\x0d\n\x00" }"#),
    ]);
}

#[test]
fn escape_regular_expression_that_leaves_its_anchors() {
    let policy = policy(OnConflict::Refuse);
    for value in ["a)|(.*", "a|b)|(c", "x)|(y"] {
        assert!(matches!(
            refused(&policy, &format!("up{{organisation_id=~\"{value}\"}}")),
            Reason::Regex { .. }
        ));
    }
}

#[test]
fn escape_unknown_functions_and_syntax() {
    for query in [
        "union(up, secret)",
        "WITH (x = secret) x",
        "up if secret",
        "up default secret",
        "up keep_metric_names",
        "up limit 5",
        "label_set(up, \"a\", \"b\")",
        "up{a=\"b\"}{c=\"d\"}",
        "up secret",
        "up;secret",
        "up\0secret",
        "up\u{a0}secret",
        "holt_winters(up[5m], 0.5, 0.5)",
    ] {
        assert!(
            matches!(policy(OnConflict::Refuse).enforce(query), Err(EnforceError::Parse(_))),
            "{query}"
        );
    }
}

#[test]
fn escape_labels_forged_in_the_answer_change_no_selector() {
    assert_enforced(&[
        (
            "label_replace(up, \"organisation_id\", \"c\", \"\", \"\")",
            "label_replace ( up { BOTH } , \"organisation_id\" , \"c\" , \"\" , \"\" )",
        ),
        (
            "count_values(\"organisation_id\", up)",
            "count_values ( \"organisation_id\" , up { BOTH } )",
        ),
        (
            "sum by (organisation_id) (up)",
            "sum by ( organisation_id ) ( up { BOTH } )",
        ),
        (
            "a * on (organisation_id) b",
            "a { BOTH } * on ( organisation_id ) b { BOTH }",
        ),
    ]);
}

#[test]
fn what_cannot_be_proved_for_its_depth_is_refused_before() {
    let deep = format!("{}up{}", "(".repeat(256), ")".repeat(256));
    assert!(policy(OnConflict::Refuse).enforce(&deep).is_ok());
    let policy = policy(OnConflict::Refuse).with_limits(Limits {
        depth: 255,
        ..Limits::default()
    });
    assert!(matches!(policy.enforce(&deep), Err(EnforceError::Parse(_))));
}
