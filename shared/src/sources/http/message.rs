//! What a page says, made fit for the log.

use crate::config::mask;

/// The most characters of anything that a page says in the log.
const LONGEST_TEXT: usize = 500;
/// Schemes of HTTP's authentication, whose credentials follow behind a blank.
const SCHEMES: [&str; 2] = ["bearer", "basic"];
/// What the name of something secret ends in, less its `_` and `-`.
const SECRETS: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "token",
    "secret",
    "apikey",
    "accesskey",
];
const MASK: &str = "***";

/// What somebody else says, for the log: on one line, without what could move a terminal's cursor or the direction of
/// writing, shortened, and without what looks like a password or a token.
pub(super) fn one_line(text: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_control() || c.is_whitespace() => ' ',
        // Marks of direction, line and paragraph separators, and characters that cannot be seen.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => ' ',
        c => c,
    };
    // A password may end behind the cut.
    let generous: String = text.chars().take(4 * LONGEST_TEXT).map(plain).collect();
    let masked = without_secrets(&mask(&generous));
    let mut characters = masked.chars();
    let mut shortened: String = characters.by_ref().take(LONGEST_TEXT).collect();
    if characters.next().is_some() || text.chars().nth(4 * LONGEST_TEXT).is_some() {
        shortened.push('…');
    }
    shortened
}

/// A text with asterisks for the credentials behind `Bearer` and `Basic`, and for the values of what is called a password, a
/// token or the like: `password=..`, `"token": ".."`. Rather a word too many than one too few.
fn without_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(is_of_word) {
        out += &rest[..begin];
        rest = &rest[begin..];
        let word = word(rest);
        out += word;
        rest = &rest[word.len()..];
        let Some(value) = behind(word, rest) else { continue };
        out += &rest[..value];
        rest = &rest[value..];
        let quote = out.chars().next_back().filter(|c| matches!(c, '"' | '\''));
        let next = self::word(rest);
        // `token: bearer abc` has the secret one word further.
        if quote.is_none() && behind(next, &rest[next.len()..]).is_some() {
            continue;
        }
        let length = length_of_value(rest, quote);
        if length > 0 {
            out += MASK;
        }
        rest = &rest[length..];
    }
    out + rest
}

/// The word that a text begins with, which may be none.
fn word(text: &str) -> &str {
    &text[..text.find(|c| !is_of_word(c)).unwrap_or(text.len())]
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

/// Where behind a word the secret begins that it announces, if it does.
fn behind(word: &str, rest: &str) -> Option<usize> {
    let word: String = word
        .chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if SCHEMES.contains(&word.as_str()) {
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        return (blanks > 0 && blanks < rest.len()).then_some(blanks);
    }
    if !SECRETS.iter().any(|secret| word.ends_with(secret)) {
        return None;
    }
    let sign = rest.trim_start_matches(['"', '\'', '\\']).trim_start_matches(' ');
    let value = sign.strip_prefix(['=', ':'])?.trim_start_matches(' ');
    let value = value.strip_prefix('\\').unwrap_or(value);
    let value = value.strip_prefix(['"', '\'']).unwrap_or(value);
    Some(rest.len() - value.len())
}

/// How many bytes a value has: to the quote that it began with, or to the end of its word.
fn length_of_value(text: &str, quote: Option<char>) -> usize {
    let Some(quote) = quote else {
        let ends = |c: char| c == ' ' || matches!(c, ',' | ';' | '&' | ')' | ']' | '}' | '"' | '\'');
        return text.find(ends).unwrap_or(text.len());
    };
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            return at;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_one_short_line_without_passwords() {
        for (text, expected) in [
            ("plain", "plain"),
            (
                "two\nlines\r\n{\"level\":\"ERROR\"}",
                "two lines  {\"level\":\"ERROR\"}",
            ),
            ("\u{1b}[2J\u{202e}txet\u{2028}x\u{0}", " [2J txet x "),
            (
                "cannot reach postgres://app:hunter2@db/shop",
                "cannot reach postgres://app:***@db/shop",
            ),
            ("é漢", "é漢"),
            (
                "Bearer tok123 password=hunter2, retrying",
                "Bearer *** password=***, retrying",
            ),
            (
                "Authorization: basic aHVudGVyMg== was refused",
                "Authorization: basic *** was refused",
            ),
            (
                "GET /x?api_key=hunter2&page=1 token=bearer hunter2;",
                "GET /x?api_key=***&page=1 token=bearer ***;",
            ),
            (
                "{\"client_secret\": \"hunter 2\", 'pwd' : 'hunter2', \"a\": 1}",
                "{\"client_secret\": \"***\", 'pwd' : '***', \"a\": 1}",
            ),
            (
                "DB_PASSWD = \"hunter\\\"2\" X-Api-Key:hunter2",
                "DB_PASSWD = \"***\" X-Api-Key:***",
            ),
            ("password=\"hunter2 never ends", "password=\"***"),
            (
                "the token has ended; no password; a bearer",
                "the token has ended; no password; a bearer",
            ),
            ("basic password: hunter2", "basic password: ***"),
            ("tokens=3 passwords: 2 forbearer x", "tokens=3 passwords: 2 forbearer x"),
            ("é password=hünter2 é", "é password=*** é"),
            ("password=", "password="),
        ] {
            assert_eq!(one_line(text), expected, "{text:?}");
        }
        let long = one_line(&"é".repeat(100_000));
        assert_eq!(long.chars().count(), LONGEST_TEXT + 1);
        assert!(long.ends_with('…'));
        let cut = format!(
            "{}postgres://app:{}@db",
            "x".repeat(LONGEST_TEXT - 20),
            "hunter2".repeat(3)
        );
        assert!(
            !one_line(&cut).contains("hunter2"),
            "a password that the end cuts in two"
        );
    }

    proptest! {
        #[test]
        fn no_named_secret_is_left(
            before in "[ -~é]{0,20}", name in "password|DB_PWD|api-key|token", sign in "=|: | = ", secret in "zq[a-z0-9]{6}",
        ) {
            let text = format!("{before} {name}{sign}{secret} then");
            prop_assert!(!one_line(&text).contains(&secret), "{}", one_line(&text));
        }

        #[test]
        fn whatever_a_page_says_is_one_short_line(text in "(?s).{0,3000}") {
            let line = one_line(&text);
            prop_assert!(line.chars().count() <= LONGEST_TEXT + 1);
            let moves = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}');
            prop_assert!(!line.contains(moves), "{:?}", line);
        }
    }
}
