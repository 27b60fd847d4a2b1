//! The windows of an SLO's alerts: those of Google's SRE workbook, made to fit how often the numbers are pushed.
//!
//! An alert fires when both a long and a short window burn faster than it allows: the long one says that it matters, the short one that
//! it still goes on. The workbook's short windows hold less than one push of a job that runs every ten minutes, so here a short window
//! is never shorter than the time for which a push counts as fresh, which for even intervals is three of them.

use std::time::Duration;

use super::model::error_budget;
use crate::alerts::duration;

/// What an alert looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BurnRate {
    /// The window that says whether it still goes on.
    pub short: Duration,
    /// The window that says whether it matters.
    pub long: Duration,
    /// How many times faster than allowed the budget burns in both of them; at 1 it lasts for exactly the SLO's window.
    pub factor: f64,
}

/// When an SLO's alerts fire: any of a list is enough.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Burns {
    /// For the alert that wakes somebody; none where nobody is to be woken.
    pub page: Vec<BurnRate>,
    /// For the alert that somebody looks at in working hours.
    pub ticket: Vec<BurnRate>,
}

/// Why an SLO would have an alert that never fires, or none.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Misfit {
    /// Everything could be bad without it firing.
    #[error(
        "the alert would never fire: {objective} % leave a budget of {budget}, and nothing burns it {factor} times as fast as allowed"
    )]
    Unreachable {
        objective: f64,
        budget: f64,
        factor: f64,
        least: f64,
    },
    /// The windows of alerts that wake somebody are too short for what is pushed so rarely.
    #[error(
        "nobody can be woken by what is pushed so rarely: the longest window of such an alert is {} here, and a push counts as fresh for {}",
        duration(*long), duration(*fresh)
    )]
    TooRareToPage { long: Duration, fresh: Duration },
    /// Not even the slowest alert fits.
    #[error(
        "a window of {} is too short for what is pushed so rarely: a push counts as fresh for {}, and an alert needs windows of {} within half of it",
        duration(*window), duration(*fresh), duration(*long)
    )]
    TooRare {
        window: Duration,
        fresh: Duration,
        long: Duration,
    },
}

impl Misfit {
    /// What to do about it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Unreachable { least, .. } => format!(
                "promise more than {least} %, or say `severity: warning`, which leaves out what cannot be reached"
            ),
            Self::TooRareToPage { long, .. } => format!(
                "let the job run every {} or more often, or say `severity: warning`",
                duration(*long / 2 / 3)
            ),
            Self::TooRare { .. } => "let the job run more often, or promise it for a longer window".to_owned(),
        }
    }
}

/// An alert of the workbook, for an SLO of 30 days.
struct Canonical {
    page: bool,
    /// The long window in minutes; the short one is a twelfth of it.
    long: u64,
    /// The part of the budget that is used up when it fires.
    share: f64,
}

const CANONICAL: [Canonical; 4] = [
    Canonical {
        page: true,
        long: 60,
        share: 0.02,
    },
    Canonical {
        page: true,
        long: 360,
        share: 0.05,
    },
    Canonical {
        page: false,
        long: 1_440,
        share: 0.1,
    },
    Canonical {
        page: false,
        long: 4_320,
        share: 0.1,
    },
];
/// The SLO's window that those are for, in minutes.
const CANONICAL_WINDOW: u64 = 43_200;
/// How often the short window fits into the long one, where nothing is against it.
const SHORT_IN_LONG: u64 = 12;
/// And how often at least: a window beside itself adds nothing.
const LEAST_SHORT_IN_LONG: u32 = 2;

/// Windows that people read easily, in minutes.
const LADDER: [u64; 28] = [
    5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 1_080, 1_440, 2_160, 2_880, 4_320, 5_760, 7_200,
    8_640, 10_080, 14_400, 20_160, 30_240, 43_200, 64_800,
];

/// The alerts of an SLO whose numbers count as fresh for `fresh` after each push.
///
/// # Errors
/// When the alert that should wake somebody could not fire, or there would be none.
pub(crate) fn fit(objective: f64, window: Duration, fresh: Duration, pages: bool) -> Result<Burns, Misfit> {
    let budget = error_budget(objective);
    let mut burns = Burns::default();
    let mut longest_page = Duration::ZERO;
    for (position, canonical) in CANONICAL.iter().enumerate() {
        let mut long = nearest(canonical.long * minutes(window) / CANONICAL_WINDOW);
        let short = nearest(minutes(long) / SHORT_IN_LONG).max(at_least(fresh));
        if canonical.page {
            longest_page = longest_page.max(long);
        }
        // The slowest alert may look farther back than the workbook's, for there is none behind it.
        let last = position + 1 == CANONICAL.len();
        let least = short * LEAST_SHORT_IN_LONG;
        if long < least {
            if !last {
                continue;
            }
            long = at_least(least);
            if long > window / 2 {
                return Err(Misfit::TooRare { window, fresh, long });
            }
        }
        // Slower than 1 is what was promised.
        let factor = (canonical.share * window.as_secs_f64() / long.as_secs_f64()).max(1.0);
        let factor = (factor * 100.0).round() / 100.0;
        // Where nearly everything may be bad, the slowest alert has only what was promised to go by.
        let factor = if last && factor * budget >= 1.0 { 1.0 } else { factor };
        let rate = BurnRate { short, long, factor };
        let reachable = factor * budget < 1.0;
        match (canonical.page && pages, reachable) {
            (true, false) => {
                // The next hundredth of a percent, so that what is advised is enough.
                let least = (10_000.0 * (1.0 - 1.0 / factor)).ceil() / 100.0;
                return Err(Misfit::Unreachable {
                    objective,
                    budget,
                    factor,
                    least,
                });
            }
            (true, true) => burns.page.push(rate),
            (false, true) => burns.ticket.push(rate),
            (false, false) => {}
        }
    }
    if pages && burns.page.is_empty() {
        return Err(Misfit::TooRareToPage {
            long: longest_page,
            fresh,
        });
    }
    Ok(burns)
}

fn minutes(duration: Duration) -> u64 {
    duration.as_secs().div_ceil(60)
}

/// The rung of the ladder that is nearest.
fn nearest(minutes: u64) -> Duration {
    let rung = LADDER.into_iter().min_by_key(|rung| rung.abs_diff(minutes));
    Duration::from_mins(rung.unwrap_or(minutes))
}

/// The first rung that is not shorter; the length itself beyond the ladder.
fn at_least(length: Duration) -> Duration {
    let rung = LADDER.into_iter().map(Duration::from_mins).find(|rung| *rung >= length);
    rung.unwrap_or(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn written(rates: &[BurnRate]) -> Vec<String> {
        let text = |rate: &BurnRate| format!("{}/{} {}", duration(rate.short), duration(rate.long), rate.factor);
        rates.iter().map(text).collect()
    }

    #[test]
    fn windows_are_the_workbooks_where_they_fit() {
        let cases: [(u64, u64, &[&str], &[&str]); 8] = [
            (30, 5, &["5m/1h 14.4", "30m/6h 6"], &["2h/1d 3", "6h/3d 1"]),
            (28, 5, &["5m/1h 13.44", "30m/6h 5.6"], &["2h/1d 2.8", "6h/3d 1"]),
            (7, 5, &["5m/15m 13.44", "5m/1h30m 5.6"], &["30m/6h 2.8", "1h30m/18h 1"]),
            (90, 5, &["15m/3h 14.4", "1h30m/18h 6"], &["6h/3d 3", "18h/10d 1"]),
            (30, 6, &["10m/1h 14.4", "30m/6h 6"], &["2h/1d 3", "6h/3d 1"]),
            (30, 30, &["30m/1h 14.4", "30m/6h 6"], &["2h/1d 3", "6h/3d 1"]),
            (30, 60, &["1h/6h 6"], &["2h/1d 3", "6h/3d 1"]),
            (30, 180, &["3h/6h 6"], &["3h/1d 3", "6h/3d 1"]),
        ];
        for (days, fresh, page, ticket) in cases {
            let burns = fit(
                99.9,
                DAY * u32::try_from(days).unwrap(),
                Duration::from_mins(fresh),
                true,
            )
            .unwrap();
            assert_eq!(
                (written(&burns.page), written(&burns.ticket)),
                (
                    page.iter().map(ToString::to_string).collect(),
                    ticket.iter().map(ToString::to_string).collect()
                ),
                "{days} {fresh}"
            );
        }
    }

    #[test]
    fn who_is_not_to_be_woken_has_one_alert_of_what_can_be_reached() {
        let ticket = |objective, fresh| {
            let burns = fit(objective, DAY * 30, fresh, false).unwrap();
            assert!(burns.page.is_empty());
            written(&burns.ticket)
        };
        let five = Duration::from_mins(5);
        assert_eq!(ticket(99.0, five), ["5m/1h 14.4", "30m/6h 6", "2h/1d 3", "6h/3d 1"]);
        assert_eq!(ticket(90.0, five), ["30m/6h 6", "2h/1d 3", "6h/3d 1"]);
        assert_eq!(ticket(50.0, five), ["6h/3d 1"]);
        // Once a day.
        assert_eq!(ticket(99.0, DAY * 3), ["3d/6d 1"]);
    }

    #[test]
    fn what_would_never_fire_is_refused() {
        let five = Duration::from_mins(5);
        let error = fit(90.0, DAY * 30, five, true).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the alert would never fire: 90 % leave a budget of 0.1, and nothing burns it 14.4 times as fast as allowed"
        );
        assert_eq!(
            error.remedy(),
            "promise more than 93.06 %, or say `severity: warning`, which leaves out what cannot be reached"
        );
        assert!(fit(93.07, DAY * 30, five, true).is_ok());
        let error = fit(99.0, DAY * 30, Duration::from_hours(6), true).unwrap_err();
        assert_eq!(
            error,
            Misfit::TooRareToPage {
                long: Duration::from_hours(6),
                fresh: Duration::from_hours(6)
            }
        );
        assert_eq!(
            error.remedy(),
            "let the job run every 1h or more often, or say `severity: warning`"
        );
        let error = fit(99.0, DAY * 7, DAY * 3, false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a window of 7d is too short for what is pushed so rarely: a push counts as fresh for 3d, and an alert needs windows of 6d within half of it"
        );
    }

    #[test]
    fn whatever_is_promised_every_alert_can_fire_and_every_window_fits() {
        for days in 7..=90_u32 {
            for fresh in [5, 6, 30, 35, 90, 180, 1_440, 4_320] {
                for objective in [1.0, 50.0, 93.1, 99.0, 99.95] {
                    for pages in [false, true] {
                        let fresh = Duration::from_mins(fresh);
                        let Ok(burns) = fit(objective, DAY * days, fresh, pages) else {
                            continue;
                        };
                        assert_eq!(pages, !burns.page.is_empty());
                        assert!(!burns.ticket.is_empty(), "{objective} {days}");
                        for rate in burns.page.iter().chain(&burns.ticket) {
                            assert!(rate.factor * error_budget(objective) < 1.0 && rate.factor >= 1.0);
                            assert!(rate.short >= fresh && rate.short * 2 <= rate.long && rate.long * 2 <= DAY * days);
                        }
                    }
                }
            }
        }
    }
}
