//! Where in a statement something stands.

use std::fmt;

/// A place in the text of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The place of a character, counted from 1 as the server counts.
    pub(crate) fn of(sql: &str, character: u32) -> Self {
        let before = usize::try_from(character).unwrap_or(usize::MAX).saturating_sub(1);
        let mut position = Self { line: 1, column: 1 };
        for character in sql.chars().take(before) {
            if character == '\n' {
                position.line += 1;
                position.column = 1;
            } else {
                position.column += 1;
            }
        }
        position
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_lines() {
        let sql = "SELECT 'é'\n FROM\n  nowhere";
        for (character, line, column) in [(1, 1, 1), (9, 1, 9), (10, 1, 10), (12, 2, 1), (20, 3, 3), (999, 3, 10)] {
            assert_eq!(Position::of(sql, character), Position { line, column }, "{character}");
        }
    }
}
