//! Trees with mistakes, and what is told of them.

use super::*;
use crate::config::job::NullValue;
use crate::config::yaml;

#[derive(Debug, serde::Deserialize)]
#[expect(dead_code, reason = "read for the mistakes it gives")]
struct Team {
    name: Option<Entry<String>>,
    null_value: Option<Entry<NullValue>>,
    limit: Option<Entry<u64>>,
    members: Option<Entry<Vec<Entry<Member>>>>,
    labels: Option<Entry<Mapping<String>>>,
}

#[derive(Debug, serde::Deserialize)]
#[expect(dead_code, reason = "read for the mistakes it gives")]
struct Member {
    enabled: Option<Entry<bool>>,
}

fn told(text: &str) -> Vec<String> {
    let tree = read::<Team>(&yaml::parse(text).unwrap());
    tree.problems
        .into_iter()
        .map(|p| {
            format!(
                "<{}> {}{}",
                &text[p.span],
                p.message,
                p.help.map(|h| format!("; {h}")).unwrap_or_default()
            )
        })
        .collect()
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let text = "nmae: x\nnull_value: skipp\nlimit: -1\nmembers:\n- enabled: yes\n- 7\n- enabledd: true\nlabels: {a: 1, b: c}\n";
    assert_eq!(
        told(text),
        [
            "<nmae> unknown key `nmae`; did you mean `name`?",
            "<skipp> `skipp` is not one of `skip`, `zero`, `nan` or `error`; did you mean `skip`?",
            "<-1> expected a number of 0 or more, found -1",
            "<yes> expected `true` or `false`, found text; write `true`, without quotes",
            "<7> expected a mapping, found the number 7",
            "<enabledd> unknown key `enabledd`; did you mean `enabled`?",
            "<1> expected text, found the number 1; put it in quotes",
        ]
    );
}

#[test]
fn each_wrong_shape_has_its_words() {
    for (text, expected) in [
        (
            "name:",
            "<> expected text, found nothing; give a value, or remove the key",
        ),
        ("name: [a]", "expected text, found a list"),
        ("limit: many", "<many> expected a whole number, found text"),
        ("limit: 1.5", "<1.5> expected a whole number, found the number 1.5"),
        (
            "null_value: 0",
            "<0> expected one of `skip`, `zero`, `nan` or `error`, found the number 0",
        ),
        ("members: {}", "expected a list, found a mapping"),
        ("labels: []", "expected a mapping, found a list"),
        ("- a", "expected a mapping, found a list"),
        (
            "zzzzzz: 1",
            "<zzzzzz> unknown key `zzzzzz`; the keys here are name, null_value, limit, members, labels",
        ),
    ] {
        let told = told(text);
        assert_eq!(told.len(), 1, "{text}: {told:?}");
        assert!(told[0].ends_with(expected), "{text}: {}", told[0]);
    }
}

#[test]
fn what_is_right_is_read_although_its_neighbour_is_wrong() {
    let node = yaml::parse("name: 3\nlimit: 4\nx-shared: {anything: 1}\n").unwrap();
    let ReadTree { entry, problems, .. } = read::<Team>(&node);
    let team = entry.value.unwrap();
    assert_eq!(problems.len(), 1);
    assert_eq!(team.limit.unwrap().value, Some(4));
    assert_eq!(team.name.unwrap().value, None);
}
