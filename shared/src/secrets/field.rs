//! One field of a secret that holds a JSON object.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::value::RawValue;

use crate::suggest::closest;

/// A secret that does not hold the field that the configuration names. Shows names, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Not JSON, or JSON but not an object.
    #[error(
        "is not a JSON object, so that it has no field `{field}` (line {line}, column {column}): \
         leave `field` out to take its whole text, or store an object in it"
    )]
    NotAnObject {
        /// The field asked for.
        field: String,
        /// Where reading the text ended, from 1.
        line: usize,
        /// Where reading the text ended, from 1.
        column: usize,
    },
    /// An object without this field.
    #[error("has no field `{field}`{}; it has {}", did_you_mean(field, known), listed(known))]
    Missing {
        /// The field asked for.
        field: String,
        /// The names of the fields that it has, sorted.
        known: Vec<String>,
    },
    /// A field that is not text, a number or a boolean.
    #[error("has {found} in its field `{field}`, where text, a number or a boolean is needed: store it as text")]
    NotScalar {
        /// The field asked for.
        field: String,
        /// What it holds instead.
        found: &'static str,
    },
}

/// The field's value: text without its quotes, numbers and booleans as written.
pub(super) fn of(secret: &SecretString, field: &str) -> Result<SecretString, FieldError> {
    let text = secret.expose_secret();
    // The parser's own message may quote the text.
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(|error| FieldError::NotAnObject {
        field: field.to_owned(),
        line: error.line(),
        column: error.column(),
    })?;
    let Some(value) = fields.get(field) else {
        return Err(FieldError::Missing {
            field: field.to_owned(),
            known: fields.into_keys().collect(),
        });
    };
    let not_scalar = |found| {
        Err(FieldError::NotScalar {
            field: field.to_owned(),
            found,
        })
    };
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<String>(raw) {
            Ok(text) => Ok(text.into()),
            Err(_) => not_scalar("text that is not Unicode"),
        },
        Some(b'n') => not_scalar("null"),
        Some(b'[') => not_scalar("a list"),
        Some(b'{') => not_scalar("an object"),
        _ => Ok(raw.into()),
    }
}

fn did_you_mean(field: &str, known: &[String]) -> String {
    closest(field, known.iter().map(String::as_str))
        .map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

fn listed(known: &[String]) -> String {
    if known.is_empty() {
        return "none at all".to_owned();
    }
    known
        .iter()
        .map(|name| format!("`{}`", name.escape_debug()))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RDS: &str = r#"{"username":"app","password":"p@ss\"w\u00f6rd\n","engine":"postgres","host":"db.example",
        "port":5432,"dbInstanceIdentifier":"db","big":123456789012345678901234567890,"ratio":1.10,"tls":true,
        "nothing":null,"list":["hunter2"],"object":{"a":"hunter2"},"empty":"","lone":"\ud800hunter2"}"#;

    fn field(text: &str, name: &str) -> Result<String, FieldError> {
        of(&text.into(), name).map(|value| value.expose_secret().to_owned())
    }

    #[test]
    fn scalars_are_given_as_written() {
        for (name, expected) in [
            ("username", "app"),
            ("password", "p@ss\"wörd\n"),
            ("port", "5432"),
            ("big", "123456789012345678901234567890"),
            ("ratio", "1.10"),
            ("tls", "true"),
            ("empty", ""),
        ] {
            assert_eq!(field(RDS, name).as_deref(), Ok(expected), "{name}");
        }
    }

    #[test]
    fn other_values_are_refused_by_name_only() {
        for (name, found) in [
            ("nothing", "null"),
            ("list", "a list"),
            ("object", "an object"),
            ("lone", "text that is not Unicode"),
        ] {
            let error = field(RDS, name).unwrap_err();
            assert_eq!(
                error,
                FieldError::NotScalar {
                    field: name.to_owned(),
                    found
                }
            );
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_missing_field_lists_the_names() {
        let error = field(r#"{"password":"hunter2","username":"u"}"#, "pasword").unwrap_err();
        assert_eq!(
            error.to_string(),
            "has no field `pasword` (did you mean `password`?); it has `password`, `username`"
        );
        assert_eq!(
            field("{}", "a").unwrap_err().to_string(),
            "has no field `a`; it has none at all"
        );
    }

    #[test]
    fn what_is_not_an_object_says_where_and_shows_nothing() {
        for text in [
            "hunter2",
            "\"hunter2\"",
            "[\"hunter2\"]",
            "{\"a\": hunter2}",
            "{\"hunter2\": 1",
            "",
            "42",
        ] {
            let error = field(text, "password").unwrap_err();
            assert!(matches!(error, FieldError::NotAnObject { .. }), "{text}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn hostile_depth_is_refused() {
        let text = format!("{{\"a\":{}", "[".repeat(100_000));
        assert!(matches!(field(&text, "a"), Err(FieldError::NotAnObject { .. })));
    }
}
