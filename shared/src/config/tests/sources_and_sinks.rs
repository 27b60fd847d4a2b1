//! Sources and sinks, declared and used.

use super::*;

#[test]
fn a_source_or_sink_that_is_not_there_suggests_the_one_that_is() {
    let text = minimal("sink: mian", "").replace("postgres://u@h/d", "shopp")
        + "sources: {shop: 'postgres://u@h/d'}\nsinks: {main: {pushgateway: {url: 'http://g'}}}\n";
    let findings = findings(&[("a.yaml", &text)]);
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert!(
        findings[0].contains("<shopp> there is no source `shopp`; did you mean `shop`?"),
        "{findings:#?}"
    );
    assert!(
        findings[1].contains("<mian> there is no sink `mian`; did you mean `main`"),
        "{findings:#?}"
    );
}

#[test]
fn each_mistake_in_a_source_or_sink_has_its_place_and_its_remedy() {
    for (section, expected) in [
        (
            "sources: {s: 'oracle://h/d'}",
            "<oracle> `oracle` is not a kind of source; the kinds are postgres, postgresql",
        ),
        (
            "sources: {s: 'postgres://u@h/d?sslmod=x'}",
            "the parameter \"sslmod\" is not supported",
        ),
        ("sources: {s: shop}", "<shop> the source `s` is not a URL"),
        ("sources: {s: '{{URL}}'}", "of which kind is this source?"),
        ("sources: {s: {}}", "<{> the source does not say of which kind it is"),
        ("sources: {s: {postgres: {}}}", "a PostgreSQL source needs a `url`; add"),
        ("sources: {s: {mysql: {}}}", "a MySQL source needs a `url`; add"),
        (
            "sources: {s: 'mysql://u@h/d?sslmode=x'}",
            "<sslmode> the parameter \"sslmode\" is not supported; known are connect-timeout, ssl-ca, ssl-mode",
        ),
        (
            "sources: {s: {mysql: {url: 'mysql://u:{{P}}@h/d', rds_iam: {}}}}",
            "the URL has a password, and rds_iam makes one: remove it",
        ),
        (
            "sources: {s: {postgres: {url: 'postgres://u@h/d', rds_iam: {}}}}",
            "rds_iam needs sslmode=verify-full",
        ),
        (
            "sources: {s: {postgres: {url: 'postgres://u@h,i/d?sslmode=verify-full', rds_iam: {}}}}",
            "rds_iam needs one host",
        ),
        (
            "sources: {s: {postgres: {url: 'postgres://u@h/d', ca_file: ../x.pem}}}",
            "<../x.pem> `../x.pem` lies outside",
        ),
        (
            "sources: {s: {postgres: {url: 'postgres://u@h/d', ca_file: x.pem}}}",
            "<x.pem> there is no file x.pem; a file is named relative",
        ),
        ("sinks: {s: {}}", "the sink `s` does not say of which kind it is"),
        ("sinks: {s: {pushgateway: {}}}", "the sink `s` needs a `url`; add"),
        (
            "sinks: {s: {pushgateway: {url: 'gateway:9091'}}}",
            "begins with `http://` or `https://`",
        ),
        (
            "sinks: {s: {pushgateway: {url: 'http://u:p@g'}}}",
            "credentials do not belong into the URL",
        ),
        ("sinks: {s: {pushgateway: {url: 'http://g?x'}}}", "has no query"),
        (
            "sinks: {s: {pushgateway: {url: 'http://g', basic: {username: u}}}}",
            "needs `username` and `password`",
        ),
        (
            "sinks: {s: {pushgateway: {url: 'http://g', bearer: '{{T}}', basic: {username: u, password: '{{P}}'}}}}",
            "has both `basic` and `bearer`",
        ),
        (
            "sinks: {s: {pushgateway: {url: 'http://g', bearer: abc}}}",
            "the token stands in the file in clear text",
        ),
        (
            "sinks: {s: {pushgateway: {url: 'http://g', grouping: {instance: x}}}}",
            "<instance> `instance` cannot be a label",
        ),
        (
            "placeholders: {A: {}}",
            "the placeholder `A` needs either `env` or `secret`",
        ),
        (
            "placeholders: {A: {env: X, field: y}}",
            "the placeholder `A` needs either `env` or `secret`",
        ),
    ] {
        let text = minimal("", "") + section + "\n";
        let findings = findings(&[("a.yaml", &text)]);
        assert!(
            findings.iter().any(|finding| finding.contains(expected)),
            "{section}: {findings:#?}"
        );
    }
}

#[test]
fn the_label_of_several_values_is_not_part_of_the_grouping_key() {
    let text = minimal("", "").replace("value: v", "values: {label: cluster, columns: [v]}")
        + "sinks: {default: {pushgateway: {url: 'http://g', grouping: {cluster: blue}}}}\n";
    let findings = findings(&[("a.yaml", &text)]);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(
        findings[0].contains("<cluster> `cluster` cannot be a label here: it is part of the sink's grouping key"),
        "{findings:#?}"
    );
}

#[test]
fn a_grouping_key_has_no_label_of_fanlights_own() {
    let text = "sinks: {default: {pushgateway: {url: 'http://gw', grouping: {fanlight_job: x}}}}\n".to_owned()
        + &minimal("", "");
    let summary = load_text(&text).report.summary();
    assert!(
        summary.contains("`fanlight_job` tells Fanlight's own groups apart"),
        "{summary}"
    );
}

#[test]
fn all_sinks_are_known_those_that_no_job_uses_among_them() {
    let names = |text: &str| -> Vec<String> {
        let sinks = load_text(text).configuration.sinks;
        sinks.into_iter().map(|sink| sink.name).collect()
    };
    assert_eq!(names(&minimal("", "")), ["default"]);
    assert_eq!(
        names("defaults: {owner: a}\n"),
        ["default"],
        "the one that there is where none is declared"
    );
    let two = "sinks: {b: {pushgateway: {url: 'http://b'}}, a: {pushgateway: {url: 'http://a'}}}\n";
    assert_eq!(names(two), ["a", "b"]);
}
