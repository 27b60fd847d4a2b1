//! Whether a regular expression matches the empty string, which is all that PromQL's typing needs to know of it.
//!
//! Matchers are RE2 and anchored at both ends. Rust's regular expressions differ from RE2 in both directions (no
//! `\Q..\E`; `x)|(y` escapes its own anchoring), so validity is left to the upstream and only emptiness is decided here,
//! in one pass and without building an automaton. Of an invalid expression the answer means nothing, and nothing that is
//! enforced depends on it.

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
                if literal > 0 {
                    group.push(false);
                }
            }
            b'\\' => {
                at += escape(rest);
                // The start, the end and "no word boundary" hold in the empty string; every other escape takes a
                // character or, like `\b`, needs one.
                group.push(matches!(rest.first(), Some(b'A' | b'z' | b'B')));
            }
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

/// The length of `?:`, `?P<name>`, `?<name>`, `?i:` or `?i)` after a `(`.
fn group_prefix(rest: &[u8]) -> usize {
    let [b'?', flags @ ..] = rest else { return 0 };
    let named = flags.starts_with(b"P<") || flags.starts_with(b"<");
    let end = flags.iter().position(|byte| {
        if named {
            *byte == b'>'
        } else {
            matches!(byte, b':' | b')')
        }
    });
    end.map_or(0, |end| end + 2)
}

/// The length of `n}`, `n,}` or `n,m}` after a `{`, and whether it allows no repetition at all. Anything else after a
/// `{` makes it a plain character.
fn repetition(rest: &[u8]) -> Option<(usize, bool)> {
    let end = rest.iter().position(|byte| *byte == b'}')?;
    let mut bounds = rest[..end].splitn(2, |byte| *byte == b',');
    let number = |bound: &[u8]| !bound.is_empty() && bound.iter().all(u8::is_ascii_digit);
    let least = bounds.next().filter(|bound| number(bound))?;
    if bounds.next().is_some_and(|most| !most.is_empty() && !number(most)) {
        return None;
    }
    Some((end + 1, least.iter().all(|digit| *digit == b'0')))
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
                if let Some(end) = rest[at..].windows(2).position(|pair| pair == b":]") {
                    at += end + 2;
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
    match rest {
        [b'x' | b'p' | b'P', b'{', more @ ..] => more.iter().position(|byte| *byte == b'}').map_or(2, |end| end + 3),
        [] => 0,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::matches_empty;

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
            "a?|b?c",
            "a{0}b",
            "x{2}",
            "é",
        ];
        for pattern in other.into_iter().filter(|pattern| *pattern != "a?|b?c") {
            assert!(
                !matches_empty(pattern.as_bytes()),
                "{pattern} does not match the empty string"
            );
        }
        assert!(matches_empty(b"a?|b?c"));
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
