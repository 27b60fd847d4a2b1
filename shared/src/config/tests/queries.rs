//! Queries, and what may stand in them.

use super::*;

#[test]
fn a_query_is_asked_as_its_source_takes_it() {
    let job = |query: &str| {
        format!(
            "jobs:\n- {{name: j, schedule: '* * * * *', source: 'postgres://u@h/d', metrics: [{{name: m, help: h, value: v, query: {query}}}]}}\n"
        )
    };
    for (query, expected) in [
        ("{}", "<{> `postgres` sources are asked in SQL; write it as text"),
        ("{sql: x}", "<sql> unknown key `sql`"),
        ("[SELECT 1]", "expected text or a mapping, found a list"),
        ("7", "expected text or a mapping, found the number 7"),
    ] {
        let findings = findings(&[("a.yaml", &job(query))]);
        assert!(
            findings.iter().any(|finding| finding.contains(expected)),
            "{query}: {findings:#?}"
        );
    }
}

#[test]
fn an_empty_query_is_told_with_its_remedy() {
    let text = minimal("", "").replace("SELECT 1 AS v", "' '");
    let findings = findings(&[("a.yaml", &text)]);
    assert!(
        findings[0].contains("the query is empty; write one SQL statement"),
        "{findings:#?}"
    );
}

#[test]
fn placeholders_in_sql_are_refused_and_arrays_are_not() {
    for (sql, refused) in [
        ("SELECT {{A}} AS v", true),
        ("SELECT '{{1,2},{3,4}}' AS v", false),
        ("SELECT '{{' AS v", false),
    ] {
        let text = minimal("", "").replace("SELECT 1 AS v", &format!("\"{sql}\""));
        let findings = findings(&[("a.yaml", &text)]);
        assert_eq!(findings.len(), usize::from(refused), "{sql}: {findings:#?}");
        assert!(
            findings
                .iter()
                .all(|finding| finding.contains("parameters: ['{{NAME}}']"))
        );
    }
}

#[test]
fn a_number_that_is_none_is_no_parameter() {
    for (parameter, right) in [("0.5", true), (".nan", false), ("-.inf", false)] {
        let findings = findings(&[("a.yaml", &minimal("", &format!("parameters: [{parameter}]")))]);
        let told = findings
            .iter()
            .any(|finding| finding.contains("found no finite number"));
        assert_eq!(told, !right, "{parameter}: {findings:#?}");
    }
}

#[test]
fn a_query_finding_stands_at_the_queries_own_line() {
    let folder = Folder::new(&[("a.yaml", ARTICLE)]);
    let mut loaded = folder.load();
    let query = loaded.configuration.jobs[0].queries[0].clone();
    loaded.add_query_finding(&query, Some((3, 7)), "no such column".into(), None);
    let shown = loaded.report.render(false);
    assert!(shown.contains("a.yaml:15:13"), "{shown}");
    assert!(
        shown.contains("15 |       WHERE status IN ('to_send', 'failed')\n   |             ^^^^^^"),
        "{shown}"
    );
}
