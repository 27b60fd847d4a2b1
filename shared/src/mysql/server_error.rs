//! What the server says when it refuses something, without the data that it may quote, and where in the SQL it means.

use std::fmt;

use crate::database::{self, Position};

/// `ER_PARSE_ERROR`.
const SYNTAX: u16 = 1064;
/// How the server goes on after saying that the syntax is wrong.
const NEAR: &str = " near '";
const AT_LINE: &str = "' at line ";
/// What is shown of the SQL in which the syntax is wrong.
const SHOWN: usize = 40;

/// An error that the server reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// The server's number of the error.
    pub code: u16,
    /// The SQLSTATE, five characters.
    pub state: String,
    /// The server's message; quoted values are left out where it may quote data.
    pub message: String,
}

impl ServerError {
    pub(super) fn read(error: &mysql_async::ServerError) -> Self {
        // Before the login has ended, the server's message holds the state, and the client knows of none.
        let (state, message) = match error
            .message
            .strip_prefix('#')
            .and_then(|rest| rest.split_at_checked(5))
        {
            Some((state, message)) => (state.to_owned(), message),
            None => (error.state.clone(), error.message.as_str()),
        };
        Self {
            code: error.code,
            message: without_data(&state, message),
            state,
        }
    }

    /// As [`Self::read`], about this statement, with the place in it that the server means.
    pub(super) fn read_about(error: &mysql_async::ServerError, sql: &str) -> (Self, Option<Position>) {
        let mut read = Self::read(error);
        if error.code != SYNTAX {
            let position = named(&error.message).and_then(|name| only_place_of(name, sql));
            return (read, position);
        }
        let Some((near, line)) = near(&error.message) else {
            return (read, None);
        };
        let first = near.lines().next().unwrap_or_default();
        let shown: String = first.chars().take(SHOWN).collect();
        read.message = if near.is_empty() {
            "the SQL ends too early".to_owned()
        } else {
            let more = if shown.len() < near.len() { ".." } else { "" };
            format!("there is an error in the SQL near `{shown}{more}`")
        };
        (read, Some(place_of(near, line, sql)))
    }

    /// Whether a limit of the server's has passed: for a statement (3024 in MySQL, 1969 in MariaDB) or for waiting for a
    /// lock (1205).
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self.code, 3024 | 1969 | 1205)
    }

    /// Whether somebody has ended the statement (1317).
    pub(super) fn is_interruption(&self) -> bool {
        self.code == 1317
    }

    /// Whether the server ends the connection with it: it is shutting down (1053), somebody has ended the connection (1927),
    /// or it has waited too long for the client (4031).
    pub(super) fn ends_the_connection(&self) -> bool {
        matches!(self.code, 1053 | 1927 | 4031)
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} [error {}", self.message.trim_end_matches('.'), self.code)?;
        if !self.state.is_empty() {
            write!(formatter, ", SQLSTATE {}", self.state)?;
        }
        formatter.write_str("]")
    }
}

impl std::error::Error for ServerError {}

impl database::ServerError for ServerError {
    /// `Access denied` (1045, 1698), a password that has expired (1820, 1862) and an account that is locked (3118, 4151).
    fn is_login_failure(&self) -> bool {
        self.state == "28000" || matches!(self.code, 1045 | 1698 | 1820 | 1862 | 3118 | 4151)
    }

    /// `ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION`.
    fn is_write(&self) -> bool {
        self.code == 1792
    }
}

/// Names of tables and columns may be shown; data may not, since it may be personal.
fn without_data(state: &str, message: &str) -> String {
    match state.get(..2).unwrap_or_default() {
        // Connections, transactions, logins, databases, syntax and names.
        "08" | "25" | "28" | "3D" | "42" => message.to_owned(),
        // Whatever a function of theirs raises.
        "45" => "a function raised an error, whose text is not shown since it may hold data".to_owned(),
        _ => match (message.find('\''), message.rfind('\'')) {
            // All between the first and the last quote, since a value may itself hold quotes.
            (Some(first), Some(last)) => {
                let end = if last > first { last + 1 } else { message.len() };
                format!("{}'..'{}", &message[..first], &message[end..])
            }
            _ => message.to_owned(),
        },
    }
}

/// The SQL from where the syntax is wrong, as far as it is quoted, and its line.
fn near(message: &str) -> Option<(&str, usize)> {
    let start = message.find(NEAR)? + NEAR.len();
    let end = message.rfind(AT_LINE)?;
    let line = message[end + AT_LINE.len()..].trim().parse().ok()?;
    let near = message.get(start..end)?;
    // MariaDB marks what it has cut off.
    Some((
        near.strip_suffix("...").filter(|cut| cut.len() >= 70).unwrap_or(near),
        line,
    ))
}

/// Where the quoted rest of the SQL begins: the server says its line, and no column.
fn place_of(near: &str, line: usize, sql: &str) -> Position {
    let trimmed = sql.trim_end();
    if near.is_empty() {
        return at(trimmed, trimmed.len());
    }
    let mut places: Vec<_> = sql.match_indices(near).map(|(start, _)| start).collect();
    // What is shorter than the server would quote is all of the rest.
    let ends = |start: &usize| {
        sql[start + near.len()..]
            .trim_end_matches([';', ' ', '\n', '\r', '\t'])
            .is_empty()
    };
    if let Some(last) = places.iter().copied().rfind(ends) {
        return at(sql, last);
    }
    if places.len() > 1 {
        places.retain(|start| at(sql, *start).line == line);
    }
    places
        .first()
        .map_or(Position { line, column: 1 }, |start| at(sql, *start))
}

fn at(sql: &str, byte: usize) -> Position {
    let character = sql[..byte].chars().count() + 1;
    Position::of(sql, u32::try_from(character).unwrap_or(u32::MAX))
}

/// The name that a message is about: `Unknown column 'shop.n' in ..`, `Table 'shop.orders' doesn't exist`, `FUNCTION
/// shop.f does not exist`.
fn named(message: &str) -> Option<&str> {
    let quoted = |start: &str| message.strip_prefix(start)?.split('\'').next();
    let name = quoted("Unknown column '")
        .or_else(|| quoted("Unknown table '"))
        .or_else(|| quoted("Column '"))
        .or_else(|| quoted("Table '"))
        .or_else(|| message.strip_prefix("FUNCTION ")?.split(' ').next())?;
    name.rsplit('.').next().filter(|name| !name.is_empty())
}

/// Where a name stands, if it stands at one place only.
fn only_place_of(name: &str, sql: &str) -> Option<Position> {
    let part_of_a_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$');
    let mut places = sql.match_indices(name).filter(|(start, _)| {
        let after = sql[start + name.len()..].chars().next();
        !sql[..*start].chars().next_back().is_some_and(part_of_a_name) && !after.is_some_and(part_of_a_name)
    });
    let (start, _) = places.next()?;
    places.next().is_none().then(|| at(sql, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u16, state: &str, message: &str) -> mysql_async::ServerError {
        mysql_async::ServerError {
            code,
            state: state.to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn values_are_left_out_and_names_are_not() {
        for (code, state, message, shown) in [
            (
                1292,
                "22007",
                "Truncated incorrect DOUBLE value: 'al'ice'",
                "Truncated incorrect DOUBLE value: '..' [error 1292, SQLSTATE 22007]",
            ),
            (
                1105,
                "HY000",
                "XPATH syntax error: 'alice",
                "XPATH syntax error: '..' [error 1105, SQLSTATE HY000]",
            ),
            (
                1644,
                "45000",
                "no customer alice",
                "a function raised an error, whose text is not shown since it may hold data [error 1644, SQLSTATE 45000]",
            ),
            (
                1146,
                "42S02",
                "Table 'shop.orders' doesn't exist",
                "Table 'shop.orders' doesn't exist [error 1146, SQLSTATE 42S02]",
            ),
            (
                1040,
                "",
                "#08004Too many connections",
                "Too many connections [error 1040, SQLSTATE 08004]",
            ),
            (1040, "", "Too many connections", "Too many connections [error 1040]"),
        ] {
            assert_eq!(ServerError::read(&error(code, state, message)).to_string(), shown);
        }
    }

    #[test]
    fn places_are_found_in_the_sql() {
        let syntax = |near: &str, line: usize| {
            format!(
                "You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server version \
                 for the right syntax to use near '{near}' at line {line}"
            )
        };
        let long = format!("SELEC 1 AS v, '{}' AS l", "x".repeat(100));
        let column = "Unknown column 'o.nam' in 'field list'";
        for (code, sql, message, place) in [
            (1064, "SELECT 1\nFORM t", syntax("FORM t", 2), Some((2, 1))),
            (1064, "SELECT 'é' FORM t", syntax("FORM t", 1), Some((1, 12))),
            (1064, "SELECT 1 FROM\n", syntax("", 2), Some((1, 14))),
            (1064, "SELECT (1 FROM t;", syntax("FROM t", 1), Some((1, 11))),
            // What is quoted is the rest of the statement, not the first that looks like it.
            (1064, "SELECT a a a a", syntax("a a", 1), Some((1, 12))),
            (1064, &long, syntax(&format!("{}...", &long[..77]), 1), Some((1, 1))),
            (1064, "SELECT 1", syntax("what is not there", 1), Some((1, 1))),
            (1054, "SELECT\n  o.nam FROM o", column.to_owned(), Some((2, 5))),
            (1054, "SELECT nam, o.nam FROM o", column.to_owned(), None),
            (1054, "SELECT o.nam AS nam_of FROM o", column.to_owned(), Some((1, 10))),
            (
                1146,
                "SELECT 1 FROM orders",
                "Table 'shop.orders' doesn't exist".to_owned(),
                Some((1, 15)),
            ),
            (
                1305,
                "SELECT f(1)",
                "FUNCTION shop.f does not exist".to_owned(),
                Some((1, 8)),
            ),
            (1365, "SELECT 1", "Division by 0".to_owned(), None),
        ] {
            let (_, position) = ServerError::read_about(&error(code, "42000", &message), sql);
            let expected = place.map(|(line, column)| Position { line, column });
            assert_eq!(position, expected, "{sql} {message}");
        }
    }

    #[test]
    fn wrong_syntax_is_told_in_few_words() {
        let told = |near: &str| {
            let message = format!("You have an error in your SQL syntax; to use near '{near}' at line 1");
            ServerError::read_about(&error(1064, "42000", &message), near).0.message
        };
        assert_eq!(told("FORM t"), "there is an error in the SQL near `FORM t`");
        assert_eq!(told("FORM t\nWHERE x"), "there is an error in the SQL near `FORM t..`");
        assert_eq!(told(""), "the SQL ends too early");
    }
}
