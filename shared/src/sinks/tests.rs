//! Sinks besides the Pushgateway as they are configured.

use crate::config::sample::{findings, loaded};

/// A job with two sinks; `SINKS` and `JOB` are what a case is about.
fn job(sinks: &str, job: &str) -> String {
    format!(
        "sinks: {{{sinks}}}\njobs:\n- name: j\n  schedule: '* * * * *'\n  source: postgres://u@h/d\n{job}  metrics:\n  \
         - {{name: m, help: h, value: v, query: SELECT}}\n"
    )
}

const BOTH: &str = "gate: {pushgateway: {url: 'http://h'}}, cw: {cloudwatch: {namespace: Shop}}";

#[test]
fn a_job_has_its_pushgateway_and_further_sinks() {
    for (sinks, rest) in [
        (BOTH, "  also_to: [cw]\n"),
        (BOTH, "  sink: gate\n  also_to: [cw]\n"),
        (
            "cw: {cloudwatch: {namespace: Shop, resolution: 1s}}",
            "  also_to: [cw]\n",
        ),
    ] {
        let loaded = loaded(&job(sinks, rest));
        assert_eq!(loaded.report.summary(), "");
        let further: Vec<_> = loaded.configuration.jobs[0]
            .also_to
            .iter()
            .map(|sink| sink.name.as_str())
            .collect();
        assert_eq!(further, ["cw"]);
    }
    let defaults = format!("defaults: {{also_to: [cw]}}\n{}", job(BOTH, ""));
    assert_eq!(loaded(&defaults).configuration.jobs[0].also_to.len(), 1);
    let none = format!("defaults: {{also_to: [cw]}}\n{}", job(BOTH, "  also_to: []\n"));
    assert_eq!(loaded(&none).configuration.jobs[0].also_to.len(), 0);
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (sinks, rest, expected) in [
        (
            BOTH,
            "  sink: cw\n",
            "<cw> `cw` is not a Pushgateway, which a job's `sink` is; write `also_to: [cw]`, and a Pushgateway for `sink`",
        ),
        (
            BOTH,
            "  also_to: [gate]\n",
            "<gate> `gate` is a Pushgateway, of which a job has one; name it as the job's `sink`, or remove it",
        ),
        (
            BOTH,
            "  also_to: [cv]\n",
            "<cv> there is no sink `cv`; the sinks besides Pushgateways are cw",
        ),
        (
            BOTH,
            "  also_to: [cw, cw]\n",
            "<cw> the series go to `cw` already; remove one of them",
        ),
        (
            "x: {}",
            "",
            "<{> the sink `x` does not say of which kind it is; give it its settings under `pushgateway` or `cloudwatch`",
        ),
        (
            "x: {pushgateway: {url: 'http://h'}, cloudwatch: {namespace: S}}",
            "",
            "<{> a sink is of one kind; remove the other, or declare two sinks",
        ),
        (
            "x: {cloudwatch: {}}",
            "",
            "<{> a CloudWatch sink needs a `namespace`; add `namespace: Fanlight/Shop`",
        ),
        (
            "x: {cloudwatch: {namespace: AWS/EC2}}",
            "",
            "<AWS/EC2> namespaces that begin with `AWS/` are AWS' own; write one such as `Fanlight/Shop`",
        ),
        (
            "x: {cloudwatch: {namespace: 'a,b'}}",
            "",
            "<'a,b'> a namespace has from 1 to 255 letters, digits, spaces and `.-_/#:`, and no `:` at its beginning; write one such as `Fanlight/Shop`",
        ),
        (
            "x: {cloudwatch: {namespace: S, resolution: 10s}}",
            "",
            "<10s> CloudWatch's resolutions are `1s` and `1m`; write `resolution: 1s`, or remove it",
        ),
    ] {
        assert_eq!(findings(&job(sinks, rest)), [expected], "{sinks} {rest}");
    }
}

#[test]
fn a_mistake_in_a_further_sink_is_the_only_one_that_is_told() {
    let broken = "gate: {pushgateway: {url: 'http://h'}}, cw: {cloudwatch: {namespace: AWS/Shop}}";
    for rest in ["", "  also_to: [cw]\n"] {
        let found = findings(&job(broken, rest));
        assert!(found.len() == 1 && found[0].contains("AWS' own"), "{found:#?}");
    }
}
