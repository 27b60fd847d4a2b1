//! What a run has found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::compare::Verdict;
use super::requests::{Fate, Request};
use super::{Edition, Settings, hostile, queries, requests};

/// A run with fewer requests need not have come to every construct.
const COVERS_FROM: u64 = 2_000;
/// Of the answers to what is not hostile, so many must not be empty; else nothing is compared.
const LEAST_SHARE: f64 = 0.6;
/// Of the differences that are told in full.
const TOLD: usize = 10;

/// Counts, and what was not the same.
#[derive(Debug)]
pub struct Report {
    edition: Edition,
    pub(super) settings: Settings,
    /// How many requests there were.
    pub(super) asked: u64,
    pub(super) took: Duration,
    kinds: BTreeMap<&'static str, Counts>,
    /// The constructs that have given something.
    constructs: BTreeMap<&'static str, u64>,
    differences: u64,
    told: Vec<String>,
}

#[derive(Debug, Default)]
struct Counts {
    same: u64,
    empty: u64,
    both_refuse: u64,
    refused: u64,
    undetermined: u64,
    different: u64,
}

impl Report {
    /// One that nothing was asked for yet.
    #[must_use]
    pub fn new(edition: Edition, settings: Settings) -> Self {
        Self {
            edition,
            settings,
            asked: 0,
            took: Duration::ZERO,
            kinds: BTreeMap::new(),
            constructs: BTreeMap::new(),
            differences: 0,
            told: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, request: &Request, verdict: Verdict) {
        let counts = self.kinds.entry(request.kind).or_default();
        match verdict {
            Verdict::Same => {
                counts.same += 1;
                // What is hostile proves nothing about the language.
                if request.fate == Fate::Answered {
                    for construct in &request.constructs {
                        *self.constructs.entry(construct).or_default() += 1;
                    }
                }
            }
            Verdict::Empty => counts.empty += 1,
            Verdict::BothRefuse => counts.both_refuse += 1,
            Verdict::Refused => counts.refused += 1,
            Verdict::Undetermined => counts.undetermined += 1,
            Verdict::Different(what) => {
                counts.different += 1;
                self.differences += 1;
                if self.told.len() < TOLD {
                    self.told.push(what);
                }
            }
        }
    }

    /// Whether all was asked that was to be.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.asked == self.settings.requests
    }

    /// How far it has come, in a line.
    #[must_use]
    pub fn progress(&self) -> String {
        let Settings { requests, .. } = self.settings;
        format!(
            "{}: {} of {requests} requests, {} different",
            self.edition, self.asked, self.differences
        )
    }

    /// How many answers were others than they should have been.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.differences
    }

    /// The constructs that have not given anything yet.
    #[must_use]
    pub fn uncovered(&self) -> BTreeSet<&'static str> {
        queries::rules(self.edition)
            .into_iter()
            .map(|rule| rule.name)
            .filter(|name| !self.constructs.contains_key(name))
            .collect()
    }

    /// Of the answers that were not refused and not to hostile requests, how many were not empty.
    #[must_use]
    pub fn share(&self) -> f64 {
        let benign = || {
            self.kinds
                .iter()
                .filter(|(kind, _)| ![hostile::KIND, requests::EXEMPLARS].contains(kind))
        };
        let same: u64 = benign().map(|(_, counts)| counts.same).sum();
        let all: u64 = benign()
            .map(|(_, counts)| counts.same + counts.empty + counts.both_refuse)
            .sum();
        same as f64 / all.max(1) as f64
    }

    /// Whether the run proves what it is for.
    ///
    /// # Errors
    /// What differs, or that too little was compared.
    pub fn verdict(&self) -> Result<()> {
        ensure!(
            self.differences == 0,
            "{} answers are not A's:\n{self}",
            self.differences
        );
        ensure!(self.is_complete(), "not all was asked:\n{self}");
        ensure!(self.share() >= LEAST_SHARE, "too many answers are empty:\n{self}");
        let uncovered = self.uncovered();
        ensure!(
            uncovered.is_empty() || self.settings.requests < COVERS_FROM,
            "nothing was compared of {uncovered:?}:\n{self}"
        );
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.told {
            writeln!(formatter, "{difference}\n")?;
        }
        let (requests, seed) = (self.asked, self.settings.seed);
        let speed = requests as f64 / self.took.as_secs_f64().max(1e-9);
        writeln!(
            formatter,
            "{}: {requests} requests with SEED={seed} in {:.1?}, {speed:.0} a second",
            self.edition, self.took
        )?;
        for (kind, counts) in &self.kinds {
            let Counts {
                same,
                empty,
                both_refuse,
                refused,
                undetermined,
                different,
            } = counts;
            writeln!(
                formatter,
                "  {kind}: {same} the same, {empty} the same and empty, {both_refuse} refused by both, {refused} refused \
                 as they should or may, {undetermined} undetermined, {different} different"
            )?;
        }
        let covered = queries::rules(self.edition).len() - self.uncovered().len();
        write!(
            formatter,
            "  {:.0} % of the answers not empty; {covered} constructs of the language gave something, {} did not {:?}",
            self.share() * 100.0,
            self.uncovered().len(),
            self.uncovered()
        )
    }
}
