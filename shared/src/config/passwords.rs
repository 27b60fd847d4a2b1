//! Passwords in clear text, wherever they stand in what is shown: in a line of a file, in SQL, in a message.

use std::ops::Range;

/// The bytes of a line that look like a password: `scheme://user:PASSWORD@`, whatever the scheme, and `user:PASSWORD@`
/// without one. Rather too much than too little: a raw `@`, `/`, `?` or `#` belongs to the password. Placeholders do not.
pub(crate) fn passwords(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if !line.contains('@') {
        return found;
    }
    for (scheme_end, _) in line.match_indices("://") {
        let begin = scheme_end + 3;
        let authority = &line[begin..end_of_text(line, scheme_end, begin)];
        if let Some(at) = authority.rfind('@')
            && let Some(colon) = authority[..at].find(':')
        {
            found.push(begin + colon + 1..begin + at);
        }
    }
    let mut begin = 0;
    for word in line.split_inclusive(|c: char| c.is_whitespace() || is_quote(c)) {
        if let Some(at) = word.rfind('@')
            && let Some((colon, _)) = word[..at]
                .match_indices(':')
                .find(|(colon, _)| !word[*colon..].starts_with("://"))
            && colon > 0
        {
            found.push(begin + colon + 1..begin + at);
        }
        begin += word.len();
    }
    merged(found)
        .into_iter()
        .flat_map(|range| without_placeholders(line, range))
        .collect()
}

fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Whether a part of a URL's path looks like something that nobody could guess: a UUID, ten hexadecimal letters and digits or more, or as
/// many of any in which they take turns.
pub(crate) fn looks_random(part: &str) -> bool {
    const UUID: [usize; 5] = [8, 4, 4, 4, 12];
    const LEAST: usize = 10;
    const TURNS: usize = 3;
    let hexadecimal = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    let groups: Vec<&str> = part.split('-').collect();
    if groups.iter().map(|group| group.len()).eq(UUID) && groups.iter().all(|group| hexadecimal(group)) {
        return true;
    }
    part.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
        let pairs = run.as_bytes().windows(2);
        let turns = pairs.filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit());
        let turns = turns.count();
        run.len() >= LEAST && (turns >= TURNS || turns > 0 && hexadecimal(run))
    })
}

/// The bytes of a line of a file that could not be read as YAML behind the first word that looks like a secret's key.
pub(crate) fn after_secret_key(line: &str, is_secret: impl Fn(&str) -> bool) -> Option<Range<usize>> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut begin = 0;
    for part in line.split_inclusive(|c| !in_word(c)) {
        let word = part.trim_end_matches(|c| !in_word(c));
        if is_secret(word) {
            return Some(begin + word.len()..line.len()).filter(|range| !range.is_empty());
        }
        begin += part.len();
    }
    None
}

/// The parts of a range that are no `{{PLACEHOLDER}}`.
pub(crate) fn without_placeholders(line: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut from = range.start;
    while let Some(text) = line.get(from..range.end)
        && let Some(open) = text.find("{{")
        && let Some(length) = text[open..].find("}}")
    {
        parts.push(from..from + open);
        from += open + length + 2;
    }
    parts.push(from..range.end);
    parts.retain(|part| !part.is_empty());
    parts
}

/// A text with its passwords as asterisks.
pub(crate) fn mask(text: &str) -> String {
    let mask_line = |line: &str| {
        let mut line = line.to_owned();
        // From the back, so that the places before stay true.
        for range in passwords(&line).into_iter().rev() {
            line.replace_range(range, "***");
        }
        line
    };
    text.split('\n').map(mask_line).collect::<Vec<_>>().join("\n")
}

fn is_quote(c: char) -> bool {
    matches!(c, '\'' | '"' | '`')
}

/// Where the text around a URL ends: at the quote that it began with, or with the line.
fn end_of_text(line: &str, scheme_end: usize, begin: usize) -> usize {
    let before = line[..scheme_end].trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "+.-".contains(c));
    let Some(quote) = before.chars().next_back().filter(|c| is_quote(*c)) else {
        return line.len();
    };
    let mut escaped = false;
    let mut rest = line[begin..].char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let is_last = c == quote && !escaped && rest.peek().is_none_or(|(_, next)| *next != quote);
        if is_last {
            return begin + at;
        }
        // In YAML, `''` and `\"` are quotes within the text.
        escaped = !escaped && (quote == '"' && c == '\\' || c == quote);
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_could_guess_is_told_from_words() {
        for (part, random) in [
            ("0f2c9a7e-1111-2222-3333-444455556666", true),
            ("c2354d53d2", true),
            ("235453abcd", true),
            ("feedbeefcafe", false),
            ("fqOOd6-F4MMNuCEnzTU01w", true),
            ("", false),
            ("20131114", false),
            ("201311142013111420131114", false),
            ("integrations", false),
            ("prometheus-watchdog-eu-west-1", false),
            ("k8s-prod-eu1-b2c", false),
            ("AlertmanagerWatchdog2", false),
            ("a1b2c3", false),
            ("0f2c9a7e-1111-2222-3333", false),
        ] {
            assert_eq!(looks_random(part), random, "{part}");
        }
    }

    #[test]
    fn a_password_in_clear_text_is_found_and_nothing_else() {
        for (line, expected) in [
            ("source: postgres://u:secret@h/d", "source: postgres://u:***@h/d"),
            ("source: 'postgres://u:p@ss@h/d'", "source: 'postgres://u:***@h/d'"),
            ("source: 'postgres://u:it''s@h/d'", "source: 'postgres://u:***@h/d'"),
            (
                r#"source: "postgres://u:a\"b@h/d""#,
                r#"source: "postgres://u:***@h/d""#,
            ),
            ("mysql://u:a/b#c?d@h/d", "mysql://u:***@h/d"),
            ("postgres://u:two words@h", "postgres://u:***@h"),
            ("`x://u:é@h` is `y://v:w@h`", "`x://u:***@h` is `y://v:***@h`"),
            ("x://u:a://b@h", "x://u:***@h"),
            ("source: bob:hunter2@h/d", "source: bob:***@h/d"),
            ("postgres:/u:hunter2@h", "postgres:***@h"),
            ("postgres://u:{{P}}@h/d", "postgres://u:{{P}}@h/d"),
            ("postgres://u:a{{P}}b@h/d", "postgres://u:***{{P}}***@h/d"),
            ("postgres://u@h:5432/d", "postgres://u@h:5432/d"),
            ("postgres://u:@h/d", "postgres://u:@h/d"),
            ("url: 'http://g:9091', owner: a@b", "url: 'http://g:9091', owner: a@b"),
            ("{{DATABASE_URL}}", "{{DATABASE_URL}}"),
            ("SELECT a::text @> '{}'", "SELECT a::text @> '{}'"),
        ] {
            assert_eq!(mask(line), expected, "{line}");
        }
    }

    #[test]
    fn of_a_line_that_cannot_be_read_the_secret_is_known_by_its_key() {
        let is_secret = |key: &str| key == "bearer";
        for (line, expected) in [
            ("    bearer: a: b", Some(": a: b")),
            ("  {url: x, 'bearer' : a}", Some("' : a}")),
            ("    bearer a", Some(" a")),
            ("  name: bearer", None),
        ] {
            let found = after_secret_key(line, is_secret).map(|range| &line[range]);
            assert_eq!(found, expected, "{line}");
        }
    }
}
