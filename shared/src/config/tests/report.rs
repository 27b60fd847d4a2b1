//! How findings are shown.

use super::*;

#[test]
fn warnings_do_not_hide_mistakes() {
    let lint = "  - {name: a_gauge, value: v, query: SELECT 1}\n";
    let mut text = minimal("", "");
    text.extend((0..150).flat_map(|job| {
        let begin = format!("- name: w{job}\n  schedule: '* * * * *'\n  source: postgres://u@h/d\n  metrics:\n");
        [begin, lint.to_owned()]
    }));
    text += "- {name: last, schedule: never, source: postgres://u@h/d}\n";
    let report = load_text(&text).report;
    assert!(
        report.summary().contains("the job has no `metrics`"),
        "{}",
        report.summary()
    );
    // Without `help`, and told by its type: two a metric.
    assert_eq!(report.warnings(), 300);
    assert!(
        report.summary().contains("and 200 more warnings"),
        "{}",
        report.summary()
    );
    assert_eq!(
        report.findings().filter(|f| f.severity == Severity::Warning).count(),
        100
    );
}

#[test]
fn a_finding_is_shown_with_its_line_underlined() {
    let folder = Folder::new(&[("a.yaml", &minimal("owner: 7", ""))]);
    let shown = folder
        .load()
        .report
        .render(false)
        .replace(&format!("{}/", folder.0.path().display()), "");
    let expected = "mistake: expected text, found the number 7
 --> a.yaml:5:10
  |
5 |   owner: 7
  |          ^
  |
  = help: put it in quotes
";
    assert_eq!(shown.trim_end(), expected.trim_end());
}
