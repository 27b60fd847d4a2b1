//! Placeholders, and secrets where they do not belong.

use super::*;

#[test]
fn a_placeholder_that_nobody_provides_is_a_mistake() {
    let text = minimal("", "").replace("postgres://u@h/d", "postgres://{{USER}}:{{PASS}}@h/d")
        + "placeholders: {PASS: {env: X}}\nsinks: {default: {pushgateway: {url: 'http://g'}}}\n";
    let folder = Folder::new(&[("a.yaml", &text)]);
    let mut loaded = load(folder.0.path()).unwrap();
    loaded.check(|_| false);
    let summary = loaded.report.summary();
    assert!(
        summary.contains(":4:22: nobody provides a value for the placeholder `USER`"),
        "{summary}"
    );
    assert_eq!(loaded.report.mistakes(), 1, "{summary}");
    assert_eq!(loaded.configuration.jobs.len(), 1, "a run may still find it");
}

#[test]
fn a_password_in_clear_text_is_told_and_never_shown() {
    let text = minimal("timezone: 7", "").replace("postgres://u@h/d", "postgres://u:hunter2@h/d")
        + "sinks: {default: {pushgateway: {url: 'http://g', bearer: hunter2}}}\n";
    let loaded = load_text(&text);
    let shown = loaded.report.render(false);
    assert!(
        shown.contains("clear text") && shown.contains("a password stands in the configuration"),
        "{shown}"
    );
    let everything = shown + &loaded.report.summary() + &format!("{loaded:?}");
    assert!(!everything.contains("hunter2"), "{everything}");
}

/// Slips by which a secret gets where nobody looks for one; each is told without it.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of slips")]
fn a_secret_is_not_shown_where_it_is_not_understood() {
    let secret = "8520147";
    let source = |line: &str| minimal("", "").replace("source: postgres://u@h/d", line);
    let section = |line: &str| minimal("", "") + line + "\n";
    let sink = |auth: &str| {
        section(&format!(
            "sinks: {{default: {{pushgateway: {{url: 'http://g', {auth}}}}}}}"
        ))
    };
    for (text, told) in [
        (source("sorce: 'postgres://bob:8520147@h/d'"), "did you mean `source`?"),
        (
            source("source: 'postgress://bob:8520147@h/d'"),
            "`postgress` is not a kind",
        ),
        (source("source: oracle://bob:8520147@h/d"), "`oracle` is not a kind"),
        (source("source: 'bob:8520147@h/d'"), "the name of a source is expected"),
        (source("source: 'bob@8520147'"), "the name of a source is expected"),
        (
            source("source: {postgres: 'postgres://bob:8520147@h/d'}"),
            "expected a mapping",
        ),
        (source("source: 'postgres://bob:8520147#@h/d'"), "mistake"),
        (source("source: 'postgres://bob:85/8520147?@h/d'"), "mistake"),
        (
            source("source: postgres://u@h/d\n  sink: 'http://x:8520147@g'"),
            "the name of a sink",
        ),
        (
            source("source: postgres://u@h/d\n  timeout: 'http://x:8520147@g'"),
            "is not a length of time",
        ),
        (
            source("source: postgres://u@h/d\n  on_error: 'http://x:8520147@g'"),
            "is not one of",
        ),
        (
            section("sources: {s: {postgres: {url: 'postgres://u@h/d', pasword: 8520147}}}"),
            "`pasword`",
        ),
        (section("sources: {s: 'bob:8520147@h/d'}"), "is not a URL"),
        (
            section("sources: {'postgres://bob:8520147@h/d': 7}"),
            "expected text or a mapping",
        ),
        (section("placeholders: {DB_PASSWORD: 8520147}"), "expected a mapping"),
        (section("placeholders: {DB_PASSWORD: 'x8520147'}"), "expected a mapping"),
        (section("placeholders: {DB_PASSWORD: {value: 8520147}}"), "`value`"),
        (sink("bearrer: '8520147'"), "did you mean `bearer`?"),
        (sink("bearrer: [{x: '8520147'}]"), "did you mean `bearer`?"),
        (
            sink("bearer: 8520147"),
            "expected text, found a whole number; put it in quotes",
        ),
        (sink("bearer: [x8520147]"), "expected text, found a list"),
        (sink("bearer: 'x8520147', timeout: soon"), "is not a length of time"),
        (sink("bearer 8520147"), "this is no key; write `key: value`"),
        (sink("bearer=8520147"), "this is no key"),
        (sink("bearer:8520147"), "this is no key"),
        (
            section("sinks:\n  s:\n    pushgateway:\n      bearer 8520147\n      url: x"),
            "mistake",
        ),
        (
            section("sinks:\n  s:\n    pushgateway:\n      url: http://g\n      basic: |\n        8520147"),
            "expected a mapping",
        ),
        (
            section("sinks:\n  s:\n    pushgateway:\n      url: http://g\n      bearrer:\n        8520147"),
            "`bearer`",
        ),
        (sink("basic: 'bob:8520147'"), "expected a mapping, found text"),
        (
            sink("basic: {username: u, pasword: '8520147'}"),
            "did you mean `password`?",
        ),
        (sink("basic: {password: '8520147'}"), "needs `username`"),
        (
            section("sinks: {s: {pushgateway: {bearer: '8520147'}}}"),
            "needs a `url`",
        ),
        (
            section("sinks: {s: {pushgateway: {url: 'ftp://x:8520147@g'}}}"),
            "begins with `http://`",
        ),
        (section("sinks:\n  s:\n    bearer: 8520147: x"), "mistake"),
        (
            section("x:\n  password: a\n  password: 8520147"),
            "duplicate mapping key",
        ),
        (section("x:\n  passwort: a: 8520147"), "mistake"),
        (
            section("sinks: {s: {pushgateway: {url: 'http://g', bearer: 'x8520147"),
            "mistake",
        ),
    ] {
        let loaded = load_text(&text);
        let shown = loaded.report.render(false);
        let summary = loaded.report.summary();
        assert!(loaded.report.findings().count() > 0, "{text}");
        assert!(told == "mistake" || summary.contains(told), "{told}: {shown}{summary}");
        let everything = shown + &summary + &format!("{loaded:?}");
        assert!(!everything.contains(secret), "{text}\n{everything}");
    }
}

#[test]
fn placeholders_stay_visible_in_what_is_hidden() {
    let text = minimal("", "").replace("source: postgres://u@h/d", "sorce: 'postgres://{{U}}:{{P}}@h/d'");
    let shown = load_text(&text).report.render(false);
    assert!(shown.contains("{{U}}*{{P}}"), "{shown}");
}
