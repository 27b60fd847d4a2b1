//! How bad things are in the tests of a short form, in numbers that nothing rounds.
//!
//! What a level is depends on the form, and most forms have only some of them:
//!
//! | level     | comparison           | absence       | no increase      | ratio                                             |
//! |-----------|----------------------|---------------|------------------|---------------------------------------------------|
//! | `Nothing` |                      |               |                  | nothing is counted, or no more than before        |
//! | `Good`    | just short of it     |               |                  | one event short of the threshold                  |
//! | `Edge`    | at the threshold     | there         | moves            | at the threshold                                  |
//! | `Beyond`  | just beyond it       | not there     | stands still     | one event beyond the threshold                    |
//! | `Far`     |                      |               |                  | all bad, of a whole that is just enough           |
//! | `Few`     |                      |               |                  | all bad, of a whole that is just too small        |
//! | `Half`    |                      |               |                  | all bad, of half of the whole that is enough      |
//! | `Best`    |                      |               |                  | all good, of a whole beside which others are small |
//!
//! So in every form an alert is quiet at `Edge` and fires at `Beyond`; the levels of a ratio below those vary its whole.

use super::super::alert::{Comparison, Condition};

/// How near to its threshold a value is tried: this part of it, or so much where that is 0.
const NEAR: f64 = 0.001;

/// How bad things are at a minute; of a counter, how bad what comes with the push of that minute is. The module says which form has
/// which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Nothing is counted.
    Nothing,
    /// Just not at the edge, on the side on which nothing is wrong.
    Good,
    /// As bad as can be without being wrong.
    Edge,
    /// Just wrong.
    Beyond,
    /// As wrong as can be, of just enough.
    Far,
    /// As wrong as can be, of just too little.
    Few,
    /// As wrong as can be, of half of what is enough.
    Half,
    /// As good as can be, of very much.
    Best,
}

/// The two sides of a ratio.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) part: f64,
    pub(super) whole: f64,
}

/// A value at a threshold, or just on one of its sides.
pub(super) fn compared(comparison: Comparison, threshold: f64, level: Level) -> f64 {
    let near = side(comparison) * NEAR * if threshold == 0.0 { 1.0 } else { threshold.abs() };
    match level {
        Level::Good => threshold - near,
        Level::Beyond => threshold + near,
        // Comparisons know no other level than the edge.
        Level::Edge | Level::Nothing | Level::Far | Level::Few | Level::Half | Level::Best => threshold,
    }
}

/// What a ratio counts at a level. Near its threshold these are whole numbers, so that the quotient is the one that Prometheus finds too.
pub(super) fn counts(condition: &Condition, level: Level) -> Counts {
    let Condition::Ratio {
        part,
        whole,
        minimum,
        comparison,
        threshold,
        ..
    } = condition
    else {
        return Counts::default();
    };
    let within = part.is_within(whole);
    let most = |count: f64| {
        if within {
            count
        } else {
            // By a power of 2, which rounds nothing either.
            count * (threshold.max(1.0).log2().floor() + 1.0).exp2()
        }
    };
    let far = |count: f64| Counts {
        part: match comparison {
            Comparison::Below => 0.0,
            Comparison::Above => most(count),
        },
        whole: count,
    };
    match level {
        Level::Nothing => Counts::default(),
        Level::Far => far(*minimum),
        Level::Few => far(minimum - minimum * NEAR),
        Level::Half => far(minimum / 2.0),
        Level::Best => {
            let whole = round_whole(*threshold, *minimum).powi(2);
            let part = match comparison {
                Comparison::Below => most(whole),
                Comparison::Above => 0.0,
            };
            Counts { part, whole }
        }
        Level::Good | Level::Edge | Level::Beyond => {
            let whole = round_whole(*threshold, *minimum);
            let side = side(*comparison);
            let mut part = (whole * threshold).round();
            // A threshold with very many digits falls between two counts.
            if (part / whole - threshold) * side > 0.0 {
                part -= side;
            }
            part += match level {
                Level::Good => -side,
                Level::Beyond => side,
                _ => 0.0,
            };
            // Nothing is better than nothing bad, or all good.
            part = part.clamp(0.0, if within { whole } else { f64::INFINITY });
            Counts { part, whole }
        }
    }
}

/// In which direction of a threshold an alert fires.
fn side(comparison: Comparison) -> f64 {
    match comparison {
        Comparison::Below => -1.0,
        Comparison::Above => 1.0,
    }
}

/// A whole that is enough, of which the threshold is a whole number, and hardly another one when that is one more or less.
fn round_whole(threshold: f64, minimum: f64) -> f64 {
    const MOST_DIGITS: usize = 9;
    let text = format!("{threshold}");
    let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let mut whole = 1.0 / NEAR;
    for _ in 0..digits.min(MOST_DIGITS) {
        whole *= 10.0;
    }
    while whole < minimum {
        whole *= 10.0;
    }
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::alert::{SubjectId, Term};
    use super::*;

    fn ratio(within: bool, minimum: f64, comparison: Comparison, threshold: f64) -> Condition {
        let term = |subject: usize, filters: &[(&str, &str)]| Term {
            subject: SubjectId(subject),
            filters: filters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        Condition::Ratio {
            part: term(0, &[("status", "failed")]),
            whole: term(usize::from(!within), &[]),
            by: Vec::new(),
            window: None,
            minimum,
            comparison,
            threshold,
        }
    }

    #[test]
    fn counts_are_as_near_to_a_threshold_as_they_say() {
        use Comparison::{Above, Below};
        for (within, minimum, comparison, threshold, edge, beyond) in [
            (true, 20.0, Below, 0.5, (5_000.0, 1e4), 4_999.0),
            (true, 20_000.0, Below, 0.3, (30_000.0, 1e5), 29_999.0),
            (true, 3.0, Below, 1.0, (1_000.0, 1e3), 999.0),
            (true, 3.0, Above, 0.0, (0.0, 1e3), 1.0),
            (true, 3.0, Above, 0.001, (1_000.0, 1e6), 1_001.0),
            (false, 0.5, Above, 2.5, (25_000.0, 1e4), 25_001.0),
        ] {
            let condition = ratio(within, minimum, comparison, threshold);
            let (part, whole) = edge;
            assert_eq!(counts(&condition, Level::Edge), Counts { part, whole }, "{condition:?}");
            let part = beyond;
            assert_eq!(
                counts(&condition, Level::Beyond),
                Counts { part, whole },
                "{condition:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn only_what_is_beyond_a_threshold_is_beyond_it(
            threshold in prop_oneof![0.0..1.0f64, (1..1000u32).prop_map(|mils| f64::from(mils) / 1000.0)],
            minimum in 0.001..1e7f64,
            below in any::<bool>(),
            within in any::<bool>(),
        ) {
            let comparison = if below { Comparison::Below } else { Comparison::Above };
            let condition = ratio(within, minimum, comparison, threshold);
            let fires = |level| {
                let Counts { part, whole } = counts(&condition, level);
                let quotient = part / whole;
                let beyond = if below { quotient < threshold } else { quotient > threshold };
                (beyond, whole >= minimum)
            };
            // What is below a threshold that is hardly anything would be negative.
            prop_assume!(threshold > 1e-6 && threshold < 1.0 - 1e-6);
            prop_assert_eq!(fires(Level::Good), (false, true));
            prop_assert_eq!(fires(Level::Edge), (false, true));
            prop_assert_eq!(fires(Level::Beyond), (true, true));
            prop_assert_eq!(fires(Level::Far), (true, true));
            prop_assert_eq!(fires(Level::Few), (true, false));
        }
    }
}
