//! What a plan of `EXPLAIN (FORMAT JSON)` says about writing.

use serde_json::Value;

/// What the planned statement would write or lock, in words; `None` for one that only reads.
pub(super) fn written(plan: &str) -> Option<String> {
    find(&serde_json::from_str(plan).ok()?)
}

fn find(node: &Value) -> Option<String> {
    match node {
        Value::Array(nodes) => nodes.iter().find_map(find),
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str);
            match text("Node Type") {
                Some("ModifyTable") => {
                    let operation = text("Operation").unwrap_or("Modify");
                    let relation = text("Relation Name").unwrap_or("a table");
                    Some(format!("{} on {relation}", operation.to_uppercase()))
                }
                Some("LockRows") => Some("row locks by FOR UPDATE or FOR SHARE".to_owned()),
                _ => fields.values().find_map(find),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_found_wherever_they_stand_in_the_plan() {
        for (plan, words) in [
            (
                r#"[{"Plan": {"Node Type": "Seq Scan", "Relation Name": "ModifyTable"}}]"#,
                None,
            ),
            (
                r#"[{"Plan": {"Node Type": "ModifyTable", "Operation": "Insert", "Relation Name": "cards"}}]"#,
                Some("INSERT on cards"),
            ),
            (
                r#"[{"Plan": {"Node Type": "CTE Scan", "Plans": [{"Node Type": "ModifyTable", "Operation": "Delete"}]}}]"#,
                Some("DELETE on a table"),
            ),
            (
                r#"[{"Plan": {"Node Type": "LockRows", "Plans": []}}]"#,
                Some("row locks by FOR UPDATE or FOR SHARE"),
            ),
            ("not a plan", None),
        ] {
            assert_eq!(written(plan).as_deref(), words, "{plan}");
        }
    }
}
