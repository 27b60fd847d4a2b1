//! Whether a regular expression matches the empty string, which is all that PromQL's typing needs to know of it.
//!
//! Matchers are RE2 and anchored at both ends. Rust's regular expressions differ from RE2 in both directions (no
//! `\Q..\E`; `x)|(y` escapes its own anchoring), so validity is left to the upstream and only emptiness is decided here,
//! in one pass, whose scans ahead are bounded, and without building an automaton. Of an invalid expression the answer means nothing, and nothing that is
//! enforced depends on it.

use super::lexer::is_alphanumeric;

/// What is known of one group that is open.
struct Group {
    /// Whether an alternative that has ended matches the empty string.
    alternative: bool,
    /// Whether the alternative being read does so far.
    sequence: bool,
    /// Whether its last atom does; it is not yet part of `sequence`, as `*` or `?` may follow.
    atom: bool,
}

impl Group {
    fn new() -> Self {
        Self {
            alternative: false,
            sequence: true,
            atom: true,
        }
    }

    fn push(&mut self, atom: bool) {
        self.sequence &= self.atom;
        self.atom = atom;
    }

    fn end_alternative(&mut self) {
        self.push(true);
        self.alternative |= self.sequence;
        self.sequence = true;
    }
}

/// Whether `pattern` matches the empty string.
pub(super) fn matches_empty(pattern: &[u8]) -> bool {
    let mut outer = Vec::new();
    let mut group = Group::new();
    let mut at = 0;
    while let Some(&byte) = pattern.get(at) {
        let rest = &pattern[at + 1..];
        at += 1;
        match byte {
            b'(' => {
                let prefix = group_prefix(rest);
                at += prefix;
                if prefix > 0 && rest[prefix - 1] == b')' {
                    continue; // `(?i)` sets flags and is no group.
                }
                outer.push(std::mem::replace(&mut group, Group::new()));
            }
            b')' => {
                group.end_alternative();
                let matches = group.alternative;
                group = outer.pop().unwrap_or_else(Group::new);
                group.push(matches);
            }
            b'|' => group.end_alternative(),
            b'*' | b'?' => group.atom = true,
            b'+' => {}
            b'{' => match repetition(rest) {
                Some((length, from_zero)) => {
                    at += length;
                    group.atom |= from_zero;
                }
                None => group.push(false),
            },
            b'^' | b'$' => group.push(true),
            b'[' => {
                at += class(rest);
                group.push(false);
            }
            b'\\' if rest.first() == Some(&b'Q') => {
                let quoted = &rest[1..];
                let end = quoted.windows(2).position(|pair| pair == br"\E");
                let literal = end.unwrap_or(quoted.len());
                at += 1 + literal + end.map_or(0, |_| 2);
                // Each character is an atom: a `*` after the quotation repeats the last of them alone.
                for _ in quoted[..literal].iter().filter(|byte| !continues_character(**byte)) {
                    group.push(false);
                }
            }
            b'\\' => {
                at += escape(rest);
                // The start, the end and "no word boundary" hold in the empty string; every other escape takes a
                // character or, like `\b`, needs one.
                group.push(matches!(rest.first(), Some(b'A' | b'z' | b'B')));
            }
            _ if continues_character(byte) => {}
            _ => group.push(false),
        }
    }
    // Groups that are never closed make the pattern invalid; close them all the same.
    loop {
        group.end_alternative();
        let matches = group.alternative;
        match outer.pop() {
            Some(outer) => group = outer,
            None => return matches,
        }
        group.push(matches);
    }
}

/// Whether the byte belongs to the character that the bytes before it have started.
fn continues_character(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// How many bytes at the start of `rest` are such. Every scan ahead goes through here and stops at the first byte that
/// cannot belong to what it looks for, so that a closer that never comes is not looked for from each opener to the end.
fn run(rest: &[u8], is_such: impl Fn(u8) -> bool) -> usize {
    let length = rest.iter().take_while(|byte| is_such(**byte)).count();
    #[cfg(test)]
    tests::SCANNED.with(|scanned| scanned.set(scanned.get() + length + 1));
    length
}

/// The length of `?:`, `?P<name>`, `?<name>`, `?i:` or `?i)` after a `(`.
fn group_prefix(rest: &[u8]) -> usize {
    let (opener, length, closers): (usize, usize, &[u8]) = match rest {
        [b'?', b'P', b'<', name @ ..] => (3, run(name, is_alphanumeric), b">"),
        [b'?', b'<', name @ ..] => (2, run(name, is_alphanumeric), b">"),
        [b'?', flags @ ..] => (1, run(flags, |byte| byte.is_ascii_alphabetic() || byte == b'-'), b":)"),
        _ => return 0,
    };
    let end = opener + length;
    let closed = rest.get(end).is_some_and(|byte| closers.contains(byte));
    if closed { end + 1 } else { 0 }
}

/// The length of `n}`, `n,}` or `n,m}` after a `{`, and whether it allows no repetition at all. Anything else after a
/// `{` makes it a plain character.
fn repetition(rest: &[u8]) -> Option<(usize, bool)> {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let least = run(rest, is_digit);
    let mut end = least;
    if rest.get(end) == Some(&b',') {
        end += 1;
        end += run(&rest[end..], is_digit);
    }
    let closed = least > 0 && rest.get(end) == Some(&b'}');
    closed.then(|| (end + 1, rest[..least].iter().all(|digit| *digit == b'0')))
}

/// The length of a character class after its `[`. A `]` right at the start is a member of it.
fn class(rest: &[u8]) -> usize {
    let mut at = usize::from(rest.first() == Some(&b'^'));
    at += usize::from(rest.get(at) == Some(&b']'));
    while let Some(byte) = rest.get(at) {
        at += 1;
        match byte {
            b']' => return at,
            b'\\' => at += escape(&rest[at..]),
            b'[' if rest.get(at) == Some(&b':') => {
                let name = at + 1 + usize::from(rest.get(at + 1) == Some(&b'^'));
                let end = name + run(&rest[name..], |byte| byte.is_ascii_alphabetic());
                if rest[end..].starts_with(b":]") {
                    at = end + 2;
                }
            }
            _ => {}
        }
    }
    rest.len()
}

/// The length of an escape after its backslash; longer ones such as `\x{10FFFF}` or `\p{Greek}` have braces, which must
/// not be taken for a repetition.
fn escape(rest: &[u8]) -> usize {
    let end = match rest {
        [b'x', b'{', digits @ ..] => run(digits, |byte| byte.is_ascii_hexdigit()),
        [b'p' | b'P', b'{', name @ ..] => run(name, |byte| is_alphanumeric(byte) || matches!(byte, b'^' | b'-' | b' ')),
        [] => return 0,
        _ => return 1,
    };
    if rest.get(end + 2) == Some(&b'}') { end + 3 } else { 2 }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::matches_empty;

    thread_local! {
        /// How many bytes this thread has looked at ahead of the pass.
        pub(super) static SCANNED: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn no_opener_without_its_closer_is_looked_for_to_the_end() {
        for opener in [
            "{", "{1", "{1,", "{1,2", "(?", "(?i", "(?P<", "(?P<a", "(?<n", "[[:", "[[:a", "[[:^", r"\p{", r"\p{a",
            r"\x{", r"\x{a", r"[\p{", r"[\x{1", r"\Q", "(", "[", "|",
        ] {
            let pattern = opener.repeat(10_000);
            SCANNED.set(0);
            let _ = matches_empty(pattern.as_bytes());
            let scanned = SCANNED.get();
            assert!(scanned <= 2 * pattern.len(), "{opener}: {scanned} of {}", pattern.len());
        }
    }

    #[test]
    fn emptiness_is_decided_as_re2_would() {
        let matching = [
            "",
            ".*",
            "a*",
            "a?",
            "a|",
            "|a",
            "(a|)",
            "(a*)(b?)",
            "(?:)",
            "(?i)",
            "(?i:a*)",
            "^$",
            r"\A\z",
            r"\B",
            "a{0}",
            "a{0,3}",
            "(ab){0,}",
            "(a+)?",
            "[a]*",
            "[]a]?",
            r"\Q\E",
            r"(\Qab\E)*",
            "(?P<name>a*)",
            "(?<name>)",
            "()",
            "a**",
            "((((a?))))",
            "[^]]*",
            r"\p{Greek}*",
            "[[:alpha:]]*",
            "a+?|b*",
            "(a|b*)+",
            "a?|b?c",
            "é*",
            r"\Qa\E*",
            r"\Qé\E?",
            r"\é*",
            r"a{0}\Qa\E{0}",
            "[[:^alpha:]]*",
            r"\p{^Greek}*",
            "(?-i:a*)",
        ];
        for pattern in matching {
            assert!(matches_empty(pattern.as_bytes()), "{pattern} matches the empty string");
        }
        let other = [
            "a",
            ".+",
            ".",
            "a|b",
            "(a|b)+",
            "(a)",
            "(?i)a",
            "(?i:a)",
            "^a$",
            r"\b",
            r"\*",
            r"\.",
            "a{1}",
            "a{1,}",
            "a{,3}",
            "a{",
            "[a]",
            "[*]",
            "[]*]",
            "[^]*]",
            r"[\]*]",
            r"\Qa*\E",
            r"\Q*",
            "(?P<name>a)",
            "a+",
            "a*b",
            "ba*",
            r"\d",
            r"\x{41}",
            r"\p{Greek}",
            "[[:alpha:]]",
            "(a?)b",
            "a{0}b",
            r"\Qab\E*",
            r"\Qé€\E*",
            "aé*",
            "{{{{",
            "(?P<name>a*)b",
            "x{2}",
            "é",
        ];
        for pattern in other {
            assert!(
                !matches_empty(pattern.as_bytes()),
                "{pattern} does not match the empty string"
            );
        }
    }

    #[test]
    fn invalid_patterns_do_no_harm() {
        for pattern in [
            "(", ")", "((((", "))))", "[", "[^", "[]", "[a", r"\", "(?", "(?P<", "{", "*", "a)|(b", r"\x{", r"[\",
            "[[:",
        ] {
            let _ = matches_empty(pattern.as_bytes());
        }
    }
}
