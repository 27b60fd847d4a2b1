//! SQL in pieces: what is code, what stands in quotes, and what in comments.

use super::model::Kind;

/// A part of a statement; all of them one after the other are the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'s> {
    pub(super) is: What,
    pub(super) text: &'s str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Code,
    /// A text or a name, with its quotes.
    Quoted,
    Comment,
}

pub(super) fn pieces(sql: &str, kind: Kind) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut code, mut at) = (0, 0);
    while let Some(c) = sql[at..].chars().next() {
        let Some((is, length)) = quoted(&sql[code..at], &sql[at..], kind) else {
            at += c.len_utf8();
            continue;
        };
        if code < at {
            let text = &sql[code..at];
            pieces.push(Piece { is: What::Code, text });
        }
        let text = &sql[at..at + length];
        pieces.push(Piece { is, text });
        at += length;
        code = at;
    }
    if code < sql.len() {
        let text = &sql[code..];
        pieces.push(Piece { is: What::Code, text });
    }
    pieces
}

/// What begins here that is no code, and its bytes; all of the rest where it never ends. `before` is the code before it.
fn quoted(before: &str, sql: &str, kind: Kind) -> Option<(What, usize)> {
    let until = |from: usize, end: &str| sql[from..].find(end).map_or(sql.len(), |at| from + at + end.len());
    let mysql = kind == Kind::Mysql;
    Some(match sql.as_bytes() {
        [b'\'', ..] => (What::Quoted, until_quote(sql, '\'', mysql || is_escape(before))),
        [b'"', ..] => (What::Quoted, until_quote(sql, '"', mysql)),
        [b'`', ..] if mysql => (What::Quoted, until(1, "`")),
        [b'$', ..] if !mysql => {
            let tag = dollar_tag(before, sql)?;
            (What::Quoted, until(tag.len(), tag))
        }
        [b'-', b'-', ..] => (What::Comment, until(2, "\n")),
        [b'#', ..] if mysql => (What::Comment, until(1, "\n")),
        [b'/', b'*', ..] => (What::Comment, until(2, "*/")),
        _ => return None,
    })
}

/// A quote in the text is written twice, or behind a backslash where these mean something.
fn until_quote(sql: &str, quote: char, backslashes: bool) -> usize {
    let mut rest = sql.char_indices().skip(1).peekable();
    while let Some((at, c)) = rest.next() {
        let doubled = c == quote && rest.peek().is_some_and(|(_, next)| *next == quote);
        if doubled || backslashes && c == '\\' {
            rest.next();
        } else if c == quote {
            return at + 1;
        }
    }
    sql.len()
}

/// Whether PostgreSQL's `E` stands before a quote.
fn is_escape(before: &str) -> bool {
    before
        .strip_suffix(['e', 'E'])
        .is_some_and(|before| !before.ends_with(is_of_name))
}

/// `$$` or `$tag$`.
fn dollar_tag<'s>(before: &str, sql: &'s str) -> Option<&'s str> {
    let length = sql[1..].find('$')? + 2;
    let name = &sql[1..length - 1];
    let is_tag = name.chars().all(is_of_name) && !name.starts_with(|c: char| c.is_ascii_digit());
    (is_tag && !before.ends_with(is_of_name)).then(|| &sql[..length])
}

pub(super) fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_and_comments_end_where_the_database_ends_them() {
        for (kind, sql, expected) in [
            (Kind::Postgres, "a 'b''c' d", &["a ", "'b''c'", " d"][..]),
            (Kind::Postgres, r"E'it\'s' b", &["E", r"'it\'s'", " b"]),
            (Kind::Postgres, r"'it\' b", &[r"'it\'", " b"]),
            (Kind::Postgres, r"type'it\' b", &["type", r"'it\'", " b"]),
            (Kind::Mysql, r"'it\'s' b", &[r"'it\'s'", " b"]),
            (Kind::Mysql, "`a'b` # it's\nc", &["`a'b`", " ", "# it's\n", "c"]),
            (Kind::Postgres, "a # b", &["a # b"]),
            (Kind::Postgres, "\"a'b\"--'\nc", &["\"a'b\"", "--'\n", "c"]),
            (Kind::Postgres, "$x$ a'$$ $x$b $1 $2", &["$x$ a'$$ $x$", "b $1 $2"]),
            (Kind::Postgres, "/* ' */'never", &["/* ' */", "'never"]),
        ] {
            let texts: Vec<&str> = pieces(sql, kind).iter().map(|piece| piece.text).collect();
            assert_eq!(texts, expected, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn all_pieces_are_the_statement(sql in "[a-zé'\"`$\\\\:/*#\\n-]{0,40}") {
            for kind in [Kind::Postgres, Kind::Mysql] {
                let together: String = pieces(&sql, kind).iter().map(|piece| piece.text).collect();
                prop_assert_eq!(&together, &sql);
            }
        }
    }
}
