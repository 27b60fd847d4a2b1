//! What the server says when it refuses something, without the data that it may quote.

use std::fmt;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorResponseBody;
use tokio_postgres::error::{DbError, ErrorPosition};

use crate::database;

/// An error that the server reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// The SQLSTATE, five characters.
    pub code: String,
    /// The server's message; quoted values are left out where it may quote data.
    pub message: String,
    /// The server's hint, only where it cannot hold data.
    pub hint: Option<String>,
    /// The character of the statement at which the error stands, from 1.
    pub(super) position: Option<u32>,
    /// Whether the server ends the session with it.
    pub(super) fatal: bool,
}

impl ServerError {
    pub(super) fn read(body: &ErrorResponseBody) -> Self {
        let mut error = Self {
            code: String::new(),
            message: String::new(),
            hint: None,
            position: None,
            fatal: false,
        };
        let mut fields = body.fields();
        while let Ok(Some(field)) = fields.next() {
            let value = || String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'C' => error.code = value(),
                b'M' => error.message = value(),
                b'H' => error.hint = Some(value()),
                b'P' => error.position = value().parse().ok(),
                // The severity that is not translated, since PostgreSQL 9.6.
                b'V' => error.fatal = matches!(field.value_bytes(), b"FATAL" | b"PANIC"),
                _ => {}
            }
        }
        error.without_data()
    }

    /// The first two characters of the SQLSTATE.
    #[must_use]
    pub fn class(&self) -> &str {
        self.code.get(..2).unwrap_or_default()
    }

    /// Names of tables and columns may be shown; data may not, since it may be personal.
    fn without_data(mut self) -> Self {
        let names_only = matches!(
            self.class(),
            "08" | "0A" | "25" | "28" | "3D" | "3F" | "42" | "53" | "55" | "57"
        );
        if !names_only {
            self.hint = None;
            self.message = match self.class() {
                "22" | "23" => without_quoted(&self.message),
                // Whatever a function of theirs raises.
                "P0" => "a function raised an exception, whose text is not shown since it may hold data".to_owned(),
                _ => self.message,
            };
        }
        self
    }
}

impl database::ServerError for ServerError {
    /// Class 28.
    fn is_login_failure(&self) -> bool {
        self.class() == "28"
    }

    /// `read_only_sql_transaction`.
    fn is_write(&self) -> bool {
        self.code == "25006"
    }
}

/// Replaces everything from the first to the last double quote, since a value may itself hold quotes.
fn without_quoted(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) => {
            let end = if last > first { last + 1 } else { message.len() };
            format!("{}\"..\"{}", &message[..first], &message[end..])
        }
        _ => message.to_owned(),
    }
}

impl From<&DbError> for ServerError {
    fn from(error: &DbError) -> Self {
        let position = match error.position() {
            Some(ErrorPosition::Original(position)) => Some(*position),
            _ => None,
        };
        Self {
            code: error.code().code().to_owned(),
            message: error.message().to_owned(),
            hint: error.hint().map(str::to_owned),
            position,
            fatal: true,
        }
        .without_data()
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(formatter, " (hint: {})", hint.trim_end_matches('.'))?;
        }
        write!(formatter, " [SQLSTATE {}]", self.code)
    }
}

impl std::error::Error for ServerError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, message: &str) -> ServerError {
        let hint = Some("look at \"alice\".".to_owned());
        ServerError {
            code: code.to_owned(),
            message: message.to_owned(),
            hint,
            position: None,
            fatal: false,
        }
        .without_data()
    }

    #[test]
    fn values_are_left_out_and_names_are_not() {
        for (code, message, shown) in [
            (
                "22P02",
                "invalid input syntax for type integer: \"alice\"",
                "invalid input syntax for type integer: \"..\" [SQLSTATE 22P02]",
            ),
            (
                "22P02",
                "invalid input syntax for type integer: \"a\"li\"ce\" indeed",
                "invalid input syntax for type integer: \"..\" indeed [SQLSTATE 22P02]",
            ),
            (
                "22008",
                "out of range: \"alice",
                "out of range: \"..\" [SQLSTATE 22008]",
            ),
            ("22012", "division by zero", "division by zero [SQLSTATE 22012]"),
            (
                "P0001",
                "no customer alice",
                "a function raised an exception, whose text is not shown since it may hold data [SQLSTATE P0001]",
            ),
            (
                "42703",
                "column \"x\" does not exist",
                "column \"x\" does not exist (hint: look at \"alice\") [SQLSTATE 42703]",
            ),
        ] {
            assert_eq!(error(code, message).to_string(), shown);
        }
    }
}
