//! Generates queries from the [grammar] over the [data](super::data), the same for the same seed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::Edition;
use super::data::Period;
use super::grammar::{self, Rule};

/// How deep expressions stand in one another.
const DEPTH: usize = 3;

/// A generated query.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) text: String,
    /// The names of the rules it was made by.
    pub(super) constructs: BTreeSet<&'static str>,
}

/// The rules that a server of this edition has.
pub(super) fn rules(edition: Edition) -> Vec<&'static Rule> {
    [
        grammar::FUNCTIONS,
        grammar::SCALARS,
        grammar::AGGREGATIONS,
        grammar::OPERATORS,
        grammar::MODIFIERS,
        grammar::SELECTORS,
    ]
    .into_iter()
    .flatten()
    .filter(|rule| rule.needs.are_met(edition))
    .collect()
}

/// Writes one query.
pub(super) struct Writer<'r> {
    random: &'r mut fastrand::Rng,
    edition: Edition,
    period: Period,
    constructs: BTreeSet<&'static str>,
    /// The vector last written, for `<same>`.
    last: String,
}

impl<'r> Writer<'r> {
    /// Whatever `rule` makes.
    pub(super) fn query(random: &'r mut fastrand::Rng, edition: Edition, period: Period, rule: &'static Rule) -> Query {
        let mut writer = Self::new(random, edition, period);
        let text = writer.apply(rule, 1);
        Query {
            text,
            constructs: writer.constructs,
        }
    }

    /// A selector such as `match[]` takes.
    pub(super) fn selector(random: &'r mut fastrand::Rng, edition: Edition, period: Period) -> Query {
        let mut writer = Self::new(random, edition, period);
        let text = loop {
            let rule = writer.choose(grammar::SELECTORS);
            // Not the expressions that make a point of something else.
            if !rule.text.contains('(') {
                break writer.apply(rule, DEPTH);
            }
        };
        Query {
            text,
            constructs: writer.constructs,
        }
    }

    fn new(random: &'r mut fastrand::Rng, edition: Edition, period: Period) -> Self {
        Self {
            random,
            edition,
            period,
            constructs: BTreeSet::new(),
            last: "up".to_owned(),
        }
    }

    fn apply(&mut self, rule: &'static Rule, depth: usize) -> String {
        self.constructs.insert(rule.name);
        self.expand(rule.text, depth)
    }

    fn choose(&mut self, rules: &'static [Rule]) -> &'static Rule {
        loop {
            let rule = &rules[self.random.usize(..rules.len())];
            if rule.needs.are_met(self.edition) {
                return rule;
            }
        }
    }

    /// Puts something in the place of each `<word>`.
    fn expand(&mut self, template: &str, depth: usize) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some(start) = rest.find('<') {
            let word = rest[start + 1..].split_once('>').map(|(word, _)| word);
            let word = word
                .filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            out.push_str(&rest[..start]);
            match word {
                Some(word) => {
                    out.push_str(&self.word(word, depth));
                    rest = &rest[start + word.len() + 2..];
                }
                None => {
                    out.push('<');
                    rest = &rest[start + 1..];
                }
            }
        }
        out + rest
    }

    fn word(&mut self, word: &str, depth: usize) -> String {
        match word {
            "vector" => {
                let text = self.vector(depth);
                self.last.clone_from(&text);
                text
            }
            // No deeper than it stands.
            "simple_vector" => self.vector(depth.max(DEPTH - 1)),
            "same" => self.last.clone(),
            "series" => self.series(depth),
            "scalar" if depth < DEPTH && self.random.u8(..3) == 0 => {
                let rule = self.choose(grammar::SCALARS);
                self.apply(rule, depth + 1)
            }
            "scalar" => self.expand("<number>", depth),
            "matchers" => self.matchers(),
            "digit" => self.random.u8(1..=9).to_string(),
            "time" => self.time(),
            other => {
                let choices = grammar::WORDS.iter().find(|(word, _)| *word == other);
                let Some((_, choices)) = choices else {
                    unreachable!("the grammar has no <{other}>")
                };
                let choice = choices[self.random.usize(..choices.len())];
                self.expand(choice, depth)
            }
        }
    }

    /// A vector of numbers.
    fn vector(&mut self, depth: usize) -> String {
        if depth >= DEPTH {
            return self.series(depth);
        }
        let rules = match self.random.u8(..10) {
            0..=2 => grammar::FUNCTIONS,
            3 | 4 => grammar::AGGREGATIONS,
            5 => grammar::OPERATORS,
            6 => grammar::MODIFIERS,
            _ => return self.series(depth),
        };
        let rule = self.choose(rules);
        let text = self.apply(rule, depth + 1);
        // Operators bind as they like; parentheses make one thing of them.
        if std::ptr::eq(rules, grammar::OPERATORS) {
            format!("({text})")
        } else {
            text
        }
    }

    fn series(&mut self, depth: usize) -> String {
        match self.random.u8(..12) {
            0 => {
                let rule = self.choose(grammar::SELECTORS);
                self.apply(rule, depth)
            }
            1 => self.expand("<plain> offset <duration>", depth),
            2 => self.expand("<plain> @ <time>", depth),
            _ => self.expand("<plain>", depth),
        }
    }

    fn matchers(&mut self) -> String {
        let count = [0, 0, 1, 1, 2][self.random.usize(..5)];
        let mut chosen = BTreeSet::new();
        for _ in 0..count {
            chosen.insert(grammar::MATCHERS[self.random.usize(..grammar::MATCHERS.len())]);
        }
        if chosen.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", chosen.into_iter().collect::<Vec<_>>().join(","))
        }
    }

    /// A time for `@`, of the later half of the samples.
    fn time(&mut self) -> String {
        let Period { start, end } = self.period;
        let time = self.random.i64(i64::midpoint(start, end)..end);
        let mut text = (time / 1000).to_string();
        if self.random.bool() {
            // Writing into a string cannot fail.
            let _ = write!(text, ".{:03}", time % 1000);
        }
        text
    }
}
