//! Every SLO that fits has tests that prove it.

use std::time::Duration;

use super::*;
use crate::alerts::{Comparison, Environment, Freshness, Service, Severity, Subject, SubjectId, Term, build, parts};

const DAY: Duration = Duration::from_hours(24);

fn subject(counter: bool, shortest: u64, longest: u64) -> Subject {
    Subject {
        metric: "transfers".to_owned(),
        job: "shop".to_owned(),
        grouping: Vec::new(),
        fixed: Vec::new(),
        varying: vec![("status".to_owned(), "sent".to_owned())],
        counter,
        external: false,
        freshness: Freshness {
            shortest: Duration::from_mins(shortest),
            longest: Duration::from_mins(longest),
            jitter: Duration::ZERO,
        },
    }
}

fn term(status: Option<&str>) -> Term {
    let filters = status.map(|status| ("status".to_owned(), status.to_owned()));
    Term {
        subject: SubjectId(0),
        filters: filters.into_iter().collect(),
    }
}

fn indicators(fresh: Duration) -> Vec<(bool, Indicator)> {
    let ratio = |events, counters, minimum| Indicator::Ratio {
        events,
        total: term(None),
        counters,
        minimum,
    };
    let bad = || Events::Bad(term(Some("failed")));
    let good = || Events::Good(term(Some("sent")));
    vec![
        (true, ratio(bad(), true, 200.0)),
        (true, ratio(good(), true, 1.0)),
        (false, ratio(bad(), false, 1e7)),
        (
            false,
            Indicator::Threshold {
                term: term(None),
                bad: Comparison::Below,
                threshold: 0.5,
            },
        ),
        (false, Indicator::Freshness { within: fresh }),
    ]
}

fn slo(objective: f64, days: u32, subject: Subject, indicator: Indicator, burns: Burns) -> Slo {
    Slo {
        service: "shop".to_owned(),
        name: "sent".to_owned(),
        objective,
        window: DAY * days,
        indicator,
        subjects: vec![subject],
        by: Vec::new(),
        severity: Severity::Critical,
        team: "shop".to_owned(),
        slack_channel: None,
        handbook: "https://h".to_owned(),
        description: "d".to_owned(),
        burns,
    }
}

#[test]
fn whatever_fits_has_tests_that_prove_it() {
    let mut proved = 0;
    for (shortest, longest) in [
        (1, 1),
        (2, 2),
        (7, 7),
        (10, 10),
        (45, 45),
        (60, 60),
        (10, 730),
        (1_440, 1_440),
    ] {
        for days in [7, 28, 30, 90] {
            for objective in [10.0, 80.0, 95.0, 99.9, 99.999] {
                for pages in [false, true] {
                    let fresh = subject(false, shortest, longest).freshness.limit();
                    let Ok(burns) = fit(objective, DAY * days, fresh, pages) else {
                        continue;
                    };
                    for (counter, indicator) in indicators(fresh) {
                        let subject = subject(counter, shortest, longest);
                        let slo = slo(objective, days, subject, indicator, burns.clone());
                        let service = Service {
                            name: "shop".to_owned(),
                            alerts: Vec::new(),
                            slos: vec![slo.clone()],
                        };
                        let environments = [Environment {
                            name: "prod".to_owned(),
                            services: vec![service],
                            alerting: None,
                        }];
                        let built = build(&environments).unwrap_or_else(|error| panic!("{error}\n{slo:?}"));
                        let tests =
                            |files: &[crate::alerts::BuiltFile]| files.iter().map(|file| file.tests).sum::<usize>();
                        let apart = parts(&environments).unwrap();
                        assert!(tests(&built) >= 6 && tests(&built) == tests(&apart), "{slo:?}");
                        proved += 1;
                    }
                }
            }
        }
    }
    assert!(proved > 800, "{proved}");
}
