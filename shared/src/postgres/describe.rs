//! What a query would give and write, found out by having the server parse and plan it.

use serde_json::Value;
use tokio::time::Instant;

use super::session::{Parsed, Session, refused};
use super::wire::{Rows, collect};
use super::{Failure, QueryError};
use crate::database::{Description, Limits};

const EXPLAIN: &str = "EXPLAIN (FORMAT JSON) ";
/// `syntax_error`: how the server says that a statement has no plan, once it has parsed without EXPLAIN.
const NO_PLAN: &str = "42601";

/// What a query would give and do, found out without running it.
pub(super) async fn describe<E>(session: &mut Session, sql: &str, limits: Limits) -> Result<Description, Failure<E>> {
    let mut parsed = session.parse(sql, limits).await?;
    let columns = session.columns(&mut parsed, limits).await?;
    let writes = session
        .plan(sql, &parsed, limits)
        .await?
        .and_then(|plan| written(&plan));
    if columns.is_none() && writes.is_none() {
        return Err(QueryError::NoRows.into());
    }
    if let Some(question) = session.types.question(parsed.parameters.iter().copied()) {
        let (_, rows) = session.wire.simple(&question, limits.guard).await?;
        session.types.learn(&rows);
    }
    let parameters = parsed.parameters.iter();
    let parameters = parameters.map(|oid| Some(session.type_of(*oid).name)).collect();
    Ok(Description {
        columns: columns.map(|columns| columns.described).unwrap_or_default(),
        parameters,
        writes,
    })
}

impl Session {
    /// The plan in JSON; `None` for a statement that has none, such as SHOW.
    async fn plan<E>(&mut self, sql: &str, parsed: &Parsed, limits: Limits) -> Result<Option<String>, Failure<E>> {
        let began = Instant::now();
        self.wire.add_parse(&format!("{EXPLAIN}{sql}"))?;
        self.wire.add_execute(&vec![None; parsed.parameters.len()])?;
        self.wire.add_sync();
        self.wire.send(limits.guard).await?;
        let mut rows = Rows::new();
        let ready = self
            .wire
            .finish(limits.guard, |message| collect(&message, &mut rows))
            .await?;
        if let Some(mut error) = ready.error {
            self.wire.simple("ROLLBACK TO SAVEPOINT fanlight", limits.guard).await?;
            if error.code == NO_PLAN {
                return Ok(None);
            }
            let ours = u32::try_from(EXPLAIN.len()).unwrap_or_default();
            error.position = error.position.and_then(|position| position.checked_sub(ours));
            return Err(refused(error, sql, began, limits).into());
        }
        Ok(rows.pop().and_then(|mut row| row.pop()).flatten())
    }
}

/// What the planned statement would write or lock, in words; `None` for one that only reads.
fn written(plan: &str) -> Option<String> {
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
