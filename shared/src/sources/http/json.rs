//! From a page's bytes to its rows.

use std::borrow::Cow;

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::rows::Cell;

/// What is no page of JSON, or not one of the shape that was expected. No message repeats what the page holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PageProblem {
    /// There is nothing.
    #[error("is empty")]
    Empty,
    /// Not UTF-8, which JSON is (RFC 8259, section 8.1).
    #[error("is not UTF-8 from byte {0} on, and JSON is")]
    NotUtf8(usize),
    /// UTF-16 or UTF-32, by its first bytes.
    #[error("is UTF-16 or UTF-32, and JSON is UTF-8")]
    WideText,
    /// A page for people.
    #[error("is HTML and not JSON: is it a page to log in at, or of a proxy?")]
    Html,
    /// Something else.
    #[error("is not JSON: {problem} at line {line}, column {column}")]
    NotJson {
        problem: &'static str,
        line: usize,
        column: usize,
    },
    /// A name that stands twice in one object means whatever its reader likes (RFC 8259, section 4).
    #[error("has an object with a name that stands in it twice, at line {line}, column {column}")]
    NameTwice { line: usize, column: usize },
    /// A check that is in two states, or in one twice.
    #[error("has the check {} a second time: it stands {} already", at(.pointer), at(.first))]
    CheckTwice { pointer: String, first: String },
    /// What a pointer names is not there.
    #[error("has nothing {}{}", at(.pointer), found(.there))]
    Absent {
        pointer: String,
        /// How much of the pointer is there.
        there: String,
    },
    /// What a pointer names is of another shape.
    #[error("has {found} {}, where {expected} is expected", at(.pointer))]
    Shape {
        pointer: String,
        found: &'static str,
        expected: &'static str,
    },
}

fn at(pointer: &str) -> String {
    if pointer.is_empty() {
        "at its root".to_owned()
    } else {
        format!("at `{pointer}`")
    }
}

fn found(there: &str) -> String {
    if there.is_empty() {
        String::new()
    } else {
        format!(" (there is something at `{there}`)")
    }
}

impl PageProblem {
    /// The kind of failure.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Absent { .. } | Self::Shape { .. } | Self::CheckTwice { .. } => "rows",
            _ => "page",
        }
    }
}

/// The tree of a page. A byte order mark is passed over (RFC 8259, section 8.1, allows it).
pub(super) fn parse(bytes: &[u8]) -> Result<Value, PageProblem> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.starts_with(b"\0\0\xfe\xff") {
        return Err(PageProblem::WideText);
    }
    let skipped = if bytes.starts_with(MARK) { MARK.len() } else { 0 };
    let text =
        std::str::from_utf8(&bytes[skipped..]).map_err(|error| PageProblem::NotUtf8(skipped + error.valid_up_to()))?;
    let beginning = text.trim_start();
    if beginning.is_empty() {
        return Err(PageProblem::Empty);
    }
    if beginning.starts_with('<') {
        return Err(PageProblem::Html);
    }
    match serde_json::from_str(text) {
        Ok(Tree(page)) => Ok(page),
        Err(error) => Err(no_tree(&error)),
    }
}

fn no_tree(error: &serde_json::Error) -> PageProblem {
    let (line, column) = (error.line(), error.column());
    if error.is_data() {
        return PageProblem::NameTwice { line, column };
    }
    let problem = if error.is_eof() {
        "it ends too early"
    } else if error.to_string().starts_with("number out of range") {
        "it holds a number of more than 1.8e308, which cannot be read,"
    } else {
        "it is malformed"
    };
    PageProblem::NotJson { problem, line, column }
}

/// A value in which no object has a name twice: a [`Value`] alone would silently take the last.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor).map(Self)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Tree(item)) = list.next_element()? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Tree(value))) = object.next_entry::<String, Tree>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(members.into())
    }
}

/// A JSON pointer ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pointer(String);

/// A text that is no JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PointerError {
    #[error("`{0}` is no JSON pointer: it is empty, or begins with `/`")]
    Slash(String),
    #[error("`{0}` is no JSON pointer: `~` is followed by 0 or 1")]
    Escape(String),
}

impl Pointer {
    pub(super) fn parse(text: &str) -> Result<Self, PointerError> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(PointerError::Slash(text.to_owned()));
        }
        let escapes = text.split('~').skip(1);
        if escapes.into_iter().any(|rest| !rest.starts_with(['0', '1'])) {
            return Err(PointerError::Escape(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.pointer(&self.0)
    }

    /// What it names, or how far it leads.
    pub(super) fn find<'v>(&self, page: &'v Value) -> Result<&'v Value, PageProblem> {
        self.get(page).ok_or_else(|| {
            let mut ends = self.0.match_indices('/').map(|(at, _)| &self.0[..at]);
            let there = ends.rfind(|part| page.pointer(part).is_some());
            PageProblem::Absent {
                pointer: self.0.clone(),
                there: there.unwrap_or_default().to_owned(),
            }
        })
    }

    pub(super) fn shape(&self, found: &Value, expected: &'static str) -> PageProblem {
        PageProblem::Shape {
            pointer: self.0.clone(),
            found: shape(found),
            expected,
        }
    }

    /// The pointer to a member of a list.
    pub(super) fn item(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }
}

impl std::fmt::Display for Pointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a column's cells stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CellPointer {
    /// In the row.
    OfRow(Pointer),
    /// In the page, the same for all rows.
    OfPage(Pointer),
}

impl CellPointer {
    /// The cell, where there is one.
    pub(super) fn get<'v>(&self, page: &'v Value, row: &'v Value) -> Option<&'v Value> {
        match self {
            Self::OfRow(pointer) => pointer.get(row),
            Self::OfPage(pointer) => pointer.get(page),
        }
    }
}

/// A row, and its name where it is a member of an object.
pub(super) type KeyedRow<'v> = (Option<&'v str>, &'v Value);

/// The rows at a pointer: the members of a list; those of an object with their names, if `keyed`; or the one object. `null` is none.
pub(super) fn rows<'v>(page: &'v Value, at: &Pointer, keyed: bool) -> Result<Vec<KeyedRow<'v>>, PageProblem> {
    let found = at.find(page)?;
    match found {
        // What services in Go write for a list or a map without members.
        Value::Null => Ok(Vec::new()),
        Value::Object(members) if keyed => Ok(members.iter().map(|(name, row)| (Some(name.as_str()), row)).collect()),
        other if keyed => Err(at.shape(other, "an object, since there is a `key`,")),
        Value::Array(items) => Ok(items.iter().map(|row| (None, row)).collect()),
        Value::Object(_) => Ok(vec![(None, found)]),
        other => Err(at.shape(other, "a list or an object")),
    }
}

/// A value as a cell. A whole number of 64 bits keeps its digits, so that an identifier stays one as a label; any other
/// becomes the shortest digits of an `f64`.
pub(super) fn cell(value: Option<&Value>) -> Cell<'_> {
    match value {
        None | Some(Value::Null) => Cell::Null,
        Some(Value::Bool(value)) => Cell::Boolean(*value),
        Some(Value::Number(number)) => Cell::Text(Cow::Owned(number.to_string())),
        Some(Value::String(text)) => Cell::Text(Cow::Borrowed(text)),
        Some(other) => Cell::Other(shape(other)),
    }
}

pub(super) fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_json_is_named_and_not_shown() {
        for (bytes, expected) in [
            (&b""[..], "is empty"),
            (b" \r\n", "is empty"),
            (b"\xef\xbb\xbf", "is empty"),
            (b"<!DOCTYPE html><p>secret", "is HTML and not JSON"),
            (b"\n <html>", "is HTML and not JSON"),
            (b"\xff\xfe[\0]\0", "is UTF-16 or UTF-32"),
            (b"[\"secret\xe9\"]", "is not UTF-8 from byte 8 on"),
            (b"\xef\xbb\xbf[\"\xff", "is not UTF-8 from byte 5 on"),
            (b"[\"secret\"", "is not JSON: it ends too early at line 1, column 9"),
            (b"secret", "is not JSON: it is malformed at line 1, column 1"),
            (
                b"{\"a\": 1}\n{\"secret\": 1}",
                "is not JSON: it is malformed at line 2, column 1",
            ),
            (
                b"[1e999]",
                "is not JSON: it holds a number of more than 1.8e308, which cannot be read, at line 1, column",
            ),
            (
                b"[{\"secret\": \"ok\", \"secret\": \"critical\"}]",
                "has an object with a name that stands in it twice, at line 1, column 39",
            ),
            (
                b"{\"a\": {\"b\": [{}, {\"secret\": 1,\n\"\\u0073ecret\": 1}]}}",
                "has an object with a name that stands in it twice, at line 2, column",
            ),
            (b"[NaN]", "is not JSON: it is malformed"),
        ] {
            let problem = parse(bytes).unwrap_err();
            assert_eq!(problem.kind(), "page");
            let problem = problem.to_string();
            assert!(
                problem.starts_with(expected) && !problem.contains("secret"),
                "{problem}"
            );
        }
        let deep = "[".repeat(100_000);
        assert!(parse(deep.as_bytes()).is_err(), "a page that is nested without end");
        assert_eq!(parse(b"\xef\xbb\xbf [1]\n").unwrap(), json!([1]));
    }

    /// The document and the table of RFC 6901, section 5.
    #[test]
    fn pointers_are_those_of_the_rfc() {
        let page = json!({
            "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8,
        });
        for (pointer, expected) in [
            ("", page.clone()),
            ("/foo", json!(["bar", "baz"])),
            ("/foo/0", json!("bar")),
            ("/", json!(0)),
            ("/a~1b", json!(1)),
            ("/c%d", json!(2)),
            ("/e^f", json!(3)),
            ("/g|h", json!(4)),
            ("/i\\j", json!(5)),
            ("/k\"l", json!(6)),
            ("/ ", json!(7)),
            ("/m~0n", json!(8)),
        ] {
            assert_eq!(Pointer::parse(pointer).unwrap().find(&page), Ok(&expected), "{pointer}");
        }
        for (pointer, expected) in [
            ("foo", "`foo` is no JSON pointer: it is empty, or begins with `/`"),
            ("/a~", "`/a~` is no JSON pointer: `~` is followed by 0 or 1"),
            ("/a~2", "`/a~2` is no JSON pointer: `~` is followed by 0 or 1"),
        ] {
            assert_eq!(Pointer::parse(pointer).unwrap_err().to_string(), expected);
        }
        for (pointer, expected) in [
            ("/fo", "has nothing at `/fo`"),
            ("/foo/2", "has nothing at `/foo/2` (there is something at `/foo`)"),
            ("/foo/00", "has nothing at `/foo/00` (there is something at `/foo`)"),
            (
                "/foo/0/a/b",
                "has nothing at `/foo/0/a/b` (there is something at `/foo/0`)",
            ),
        ] {
            let problem = Pointer::parse(pointer).unwrap().find(&page).unwrap_err();
            assert_eq!((problem.to_string().as_str(), problem.kind()), (expected, "rows"));
        }
    }

    #[test]
    fn rows_are_a_list_the_members_of_an_object_or_one_object() {
        let page = json!({"list": [1, {"a": 2}], "object": {"x": 1, "y": {"a": 2}}, "number": 1, "text": "", "null": null, "none": []});
        let at = |pointer: &str| Pointer::parse(pointer).unwrap();
        let (one, two) = (json!(1), json!({"a": 2}));
        assert_eq!(rows(&page, &at("/list"), false).unwrap(), [(None, &one), (None, &two)]);
        for (none, keyed) in [("/none", false), ("/null", false), ("/null", true)] {
            assert_eq!(rows(&page, &at(none), keyed).unwrap(), [], "{none}");
        }
        assert_eq!(
            rows(&page, &at("/object"), true).unwrap(),
            [(Some("x"), &one), (Some("y"), &two)]
        );
        assert_eq!(rows(&page, &at("/object"), false).unwrap(), [(None, &page["object"])]);
        assert_eq!(rows(&page, &at(""), false).unwrap(), [(None, &page)]);
        for (pointer, keyed, expected) in [
            (
                "/number",
                false,
                "has a number at `/number`, where a list or an object is expected",
            ),
            (
                "/text",
                false,
                "has a text at `/text`, where a list or an object is expected",
            ),
            (
                "/list",
                true,
                "has a list at `/list`, where an object, since there is a `key`, is expected",
            ),
            ("/absent", false, "has nothing at `/absent`"),
        ] {
            assert_eq!(rows(&page, &at(pointer), keyed).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_whole_number_of_64_bits_keeps_its_digits_as_a_label() {
        for (text, expected) in [
            ("9007199254740993", Cell::Text("9007199254740993".into())),
            ("18446744073709551615", Cell::Text("18446744073709551615".into())),
            ("-1", Cell::Text("-1".into())),
            ("-9223372036854775808", Cell::Text("-9223372036854775808".into())),
            ("0.1", Cell::Text("0.1".into())),
            // What is no whole number of 64 bits is an `f64`.
            ("18446744073709551617", Cell::Text("1.8446744073709552e+19".into())),
            ("9007199254740993.0", Cell::Text("9007199254740994.0".into())),
            ("1e3", Cell::Text("1000.0".into())),
            ("true", Cell::Boolean(true)),
            ("null", Cell::Null),
            ("\"12\"", Cell::Text("12".into())),
            ("[1]", Cell::Other("a list")),
            ("{}", Cell::Other("an object")),
        ] {
            let value = parse(text.as_bytes()).unwrap();
            assert_eq!(cell(Some(&value)), expected, "{text}");
        }
        assert_eq!(cell(None), Cell::Null);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_page_or_a_problem(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_page_is_read_as_it_was_written(names in proptest::collection::btree_set(".{0,6}", 0..5), number: i64, quarters: i32, text in ".{0,9}") {
            let members: Map<String, Value> = names.into_iter().map(|name| (name, json!([number, {"f": f64::from(quarters) / 4.0}]))).collect();
            let page = json!([members, text, null, true, u64::MAX]);
            prop_assert_eq!(parse(page.to_string().as_bytes()), Ok(page));
        }

        #[test]
        fn any_name_can_be_pointed_to(name in ".{0,20}") {
            let page = json!({ "before": { name.clone(): [1, 2] } });
            let pointer = format!("/before/{}/1", name.replace('~', "~0").replace('/', "~1"));
            prop_assert_eq!(Pointer::parse(&pointer).unwrap().find(&page), Ok(&json!(2)));
        }

        #[test]
        fn any_text_is_a_pointer_or_an_error(text in ".{0,20}") {
            if let Ok(pointer) = Pointer::parse(&text) {
                let _ = rows(&json!({"a": [1, {}]}), &pointer, false);
            }
        }
    }
}
