//! An SLO's fields: what is promised, what is good and bad, and windows of alerts that fit both and the push period.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::catalogue::Catalogue;
use super::lookup::Resolver;
use super::{Declarations, Declared, Field, Teller, fields};
use crate::alerts::{Comparison, OWN_LABELS, Severity, Subject, Term, duration};
use crate::config::document::{
    AlertSpec, DurationText, EventsSpec, FreshnessSpec, IndicatorSpec, Number, SloSpec, TermSpec, ThresholdSpec,
};
use crate::config::folder::File;
use crate::config::read::Entry;
use crate::slo::{Burns, Events, Indicator, LABELS, Slo, alert_name, error_budget, fit, id};

/// What Kubernetes and OpenSLO allow.
const LONGEST_NAME: usize = 63;
const DAY: Duration = Duration::from_hours(24);
const DEFAULT_WINDOW: Duration = Duration::from_hours(30 * 24);
/// Less is no promise, and more is more than most keep of their series.
const WINDOWS: std::ops::RangeInclusive<Duration> = Duration::from_hours(7 * 24)..=Duration::from_hours(90 * 24);
/// What may pass between the time for which a run is scheduled and Prometheus' knowing of it: EventBridge takes up to a minute to start
/// a run, and Prometheus up to another to come by.
const DELIVERY: Duration = Duration::from_mins(2);

pub(super) fn resolve(
    teller: &mut Teller<'_>,
    catalogue: &Catalogue<'_>,
    declared: &Declared<'_, SloSpec>,
) -> Option<Slo> {
    check_name(teller, declared);
    let objective = objective(teller, declared);
    let window = window(teller, declared);
    let told = fields::told(teller, declared);
    let mut resolver = Resolver {
        teller,
        catalogue,
        declared,
        subjects: Vec::new(),
    };
    let indicator = resolver.indicator();
    let (indicator, by) = indicator?;
    let subjects = resolver.subjects;
    let (objective, window, told) = (objective?, window?, told?);
    check_labels(teller, declared, &by);
    fields::check_description(teller, declared, &told.description, |label| {
        LABELS.contains(&label) || by.iter().any(|name| name == label)
    });
    let pages = told.severity == Severity::Critical;
    let fresh = fresh(&indicator, &subjects);
    let burns = match fit(objective, window, fresh, pages) {
        Ok(burns) => burns,
        Err(misfit) => {
            let (file, span) = declared
                .field(|spec| &spec.objective)
                .map_or_else(|| declared.place(), |(file, entry)| (file, entry.span.clone()));
            teller.mistake(file, &span, misfit.to_string(), misfit.remedy());
            return None;
        }
    };
    warn_of_one_event(teller, declared, &indicator, &subjects, &burns, error_budget(objective));
    Some(Slo {
        service: declared.service.clone(),
        name: declared.name.to_owned(),
        objective,
        window,
        indicator,
        subjects,
        by,
        severity: told.severity,
        team: told.team,
        slack_channel: told.slack_channel,
        handbook: told.handbook,
        description: told.description,
        burns,
    })
}

/// For how long a push counts, which no window of an alert may be shorter than.
fn fresh(indicator: &Indicator, subjects: &[Subject]) -> Duration {
    let limit = subjects.iter().map(|subject| subject.freshness.limit()).max();
    let limit = limit.unwrap_or_default();
    match indicator {
        Indicator::Freshness { within } => limit.max(*within),
        Indicator::Ratio { .. } | Indicator::Threshold { .. } => limit,
    }
}

/// Names that would be one and the same where Prometheus sees them.
pub(super) fn check_names(
    teller: &mut Teller<'_>,
    alerts: &Declarations<'_, AlertSpec>,
    slos: &Declarations<'_, SloSpec>,
) {
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    let mut ids: BTreeMap<String, &str> = BTreeMap::new();
    for declared in &slos.0 {
        let own = alert_name(declared.name);
        let (file, span) = declared.place();
        if let Some(alert) = alerts.0.iter().find(|alert| alert.name == own) {
            let message = format!(
                "the alerts of the SLO `{}` are called `{own}`, as another is",
                declared.name
            );
            teller.mistake(
                file,
                &span,
                message,
                format!("rename it, or the alert `{}`", alert.name),
            );
        }
        let id = id(&declared.service, declared.name);
        for other in [names.insert(own, declared.name), ids.insert(id, declared.name)] {
            let Some(other) = other.filter(|other| *other != declared.name) else {
                continue;
            };
            let message = format!(
                "the SLOs `{other}` and `{}` could not be told apart in Prometheus",
                declared.name
            );
            teller.mistake(file, &span, message, "rename one of them");
            break;
        }
    }
}

fn check_name(teller: &mut Teller<'_>, declared: &Declared<'_, SloSpec>) {
    let name = declared.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let right = name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.len() <= LONGEST_NAME;
    if !right {
        let (file, span) = declared.place();
        let message = format!(
            "`{name}` cannot be an SLO's name: lower-case letters, digits and single `-` between them are allowed, a letter first, {LONGEST_NAME} at most"
        );
        teller.mistake(
            file,
            &span,
            message,
            "call it by what is promised, such as `transfers-sent`",
        );
    }
}

/// What is promised, in percent.
fn objective(teller: &mut Teller<'_>, declared: &Declared<'_, SloSpec>) -> Option<f64> {
    let Some((file, entry)) = declared.field(|spec| &spec.objective) else {
        let (file, span) = declared.place();
        let help = "add `objective: 99.9`: what is promised, in percent";
        let message = format!("the SLO `{}` has no `objective`", declared.name);
        teller.mistake(file, &span, message, help);
        return None;
    };
    let Number(objective) = *entry.get()?;
    if objective <= 0.0 || objective >= 100.0 || error_budget(objective) <= 0.0 {
        let message = format!("an objective of {objective} % leaves no budget, or nothing else");
        teller.mistake(file, &entry.span, message, "write a percentage, such as 99.9");
        return None;
    }
    if objective <= 1.0 {
        let message = format!("{objective} % is hardly a promise, and reads like a part of 1");
        let percent = percent(objective);
        let help = if percent <= 0.0 {
            "write percent, such as 99.9".to_owned()
        } else if percent < 100.0 {
            format!("write percent: {percent}")
        } else {
            "write percent, less than 100: 99.9".to_owned()
        };
        teller.warning(file, &entry.span, message, help);
    }
    Some(objective)
}

fn window(teller: &mut Teller<'_>, declared: &Declared<'_, SloSpec>) -> Option<Duration> {
    let Some((file, entry)) = declared.field(|spec| &spec.window) else {
        return Some(DEFAULT_WINDOW);
    };
    let DurationText(window) = *entry.get()?;
    if !WINDOWS.contains(&window) || !window.as_secs().is_multiple_of(DAY.as_secs()) || window.subsec_nanos() != 0 {
        let message = format!("{} cannot be an SLO's window", duration(window));
        teller.mistake(
            file,
            &entry.span,
            message,
            "write whole days, from `7d` to `90d`; `30d` is the default",
        );
        return None;
    }
    Some(window)
}

/// Labels that its alerts and series give are not those that it is kept apart by.
fn check_labels(teller: &mut Teller<'_>, declared: &Declared<'_, SloSpec>, by: &[String]) {
    let taken = |label: &&String| OWN_LABELS.contains(&label.as_str()) || label.starts_with("sloth_");
    if let Some(label) = by.iter().find(taken) {
        let (file, span) = declared
            .field(|spec| &spec.by)
            .map_or_else(|| declared.place(), |(file, entry)| (file, entry.span.clone()));
        let message = format!("the label `{label}` would be hidden by one that the SLO's alerts give");
        teller.mistake(
            file,
            &span,
            message,
            "rename the metric's label, or leave it out of `by`",
        );
    }
}

/// Warns where a single event, or a single push, wakes somebody.
fn warn_of_one_event(
    teller: &mut Teller<'_>,
    declared: &Declared<'_, SloSpec>,
    indicator: &Indicator,
    subjects: &[Subject],
    burns: &Burns,
    budget: f64,
) {
    let Some((file, entry)) = declared.field(|spec| &spec.indicator) else {
        return;
    };
    match indicator {
        Indicator::Ratio { minimum, .. } => {
            let least = burns
                .page
                .iter()
                .map(|rate| rate.factor * budget)
                .fold(f64::INFINITY, f64::min);
            if least.is_finite() && 1.0 / minimum > least {
                let message = format!(
                    "one bad event wakes somebody: of {minimum} it is {} %, and more than {} % is enough",
                    percent(1.0 / minimum),
                    percent(least)
                );
                let help = format!(
                    "write `minimum: {}`, promise less, or say `severity: warning`",
                    (1.0 / least).ceil()
                );
                let ratio = entry
                    .get()
                    .and_then(|spec| spec.ratio.as_ref()?.get()?.minimum.as_ref());
                teller.warning(file, ratio.map_or(&entry.span, |minimum| &minimum.span), message, help);
            }
        }
        Indicator::Threshold { .. } => {
            let push = subjects
                .iter()
                .map(|subject| subject.freshness.longest)
                .max()
                .unwrap_or_default();
            let share = |window: Duration| push.as_secs_f64() / window.as_secs_f64();
            let one = burns.page.iter().find(|rate| share(rate.long) > rate.factor * budget);
            if let Some(rate) = one {
                let message = format!(
                    "one bad push wakes somebody: {} are {} % of {}, and more than {} % is enough",
                    duration(push),
                    percent(share(rate.long)),
                    duration(rate.long),
                    percent(rate.factor * budget)
                );
                let help = "let the job run more often, promise less, or say `severity: warning`";
                teller.warning(file, &entry.span, message, help);
            }
        }
        Indicator::Freshness { .. } => {}
    }
}

/// A part of 1 in percent, in as many digits as one reads.
fn percent(ratio: f64) -> f64 {
    (ratio * 10_000.0).round() / 100.0
}

impl<'a> Resolver<'_, '_, 'a, SloSpec> {
    /// What is measured, and the labels by which it is kept apart.
    fn indicator(&mut self) -> Option<(Indicator, Vec<String>)> {
        const KINDS: &str = "`ratio`, `threshold` or `freshness`";
        let Some((file, entry)) = self.declared.field(|spec| &spec.indicator) else {
            let (file, span) = self.declared.place();
            let message = format!(
                "the SLO `{}` does not say what is good and what is bad",
                self.declared.name
            );
            let help = format!("add `indicator:` with one of {KINDS}");
            self.teller.mistake(file, &span, message, help);
            return None;
        };
        let IndicatorSpec {
            ratio,
            threshold,
            freshness,
        } = entry.get()?;
        match (ratio, threshold, freshness) {
            (Some(ratio), None, None) => self.ratio(file, ratio),
            (None, Some(threshold), None) => self.threshold(file, threshold),
            (None, None, Some(freshness)) => self.freshness(file, freshness),
            _ => {
                let message = "an SLO measures one thing";
                self.teller
                    .mistake(file, &entry.span, message, format!("give one of {KINDS}"));
                None
            }
        }
    }

    fn ratio(&mut self, file: &'a File, entry: &'a Entry<EventsSpec>) -> Option<(Indicator, Vec<String>)> {
        let spec = entry.get()?;
        let (events, is_good) = match (&spec.good, &spec.bad) {
            (Some(good), None) => (good, true),
            (None, Some(bad)) => (bad, false),
            _ => {
                let message = "a ratio counts the good events or the bad ones";
                self.teller
                    .mistake(file, &entry.span, message, "give either `good` or `bad`, and `total`");
                return None;
            }
        };
        let Some(total) = &spec.total else {
            let message = "the ratio has no `total`";
            self.teller.mistake(
                file,
                &entry.span,
                message,
                "add it; `total: {}` are all series of the metric",
            );
            return None;
        };
        let part = self.events(file, events);
        let whole = self.events(file, total);
        let minimum = self.least(file, entry, spec.minimum.as_ref());
        let (part, whole, minimum) = (part?, whole?, minimum?);
        let subject = |term: &Term| &self.subjects[term.subject.0];
        let (one, other) = (subject(&part), subject(&whole));
        let counters = one.counter;
        let problem = if one.counter != other.counter {
            Some(("a counter and a gauge have no ratio", "use two counters, or two gauges"))
        } else if one.external != other.external {
            Some((
                "one of the metrics is external and the other is not, so that they have no organisation in common",
                "make the ratio of two metrics of the same kind",
            ))
        } else {
            None
        };
        if let Some((message, help)) = problem {
            self.teller.mistake(file, &entry.span, message, help);
            return None;
        }
        let by = self.labels_kept(self.declared.field(|spec| &spec.by), &[&part, &whole])?;
        let help = "write `bad: {where: {status: failed}}` and `total: {}`, `by` another label; or `where` with other values in both";
        self.check_parts(file, &entry.span, &part, &whole, &by, help)?;
        let events = if is_good { Events::Good(part) } else { Events::Bad(part) };
        let indicator = Indicator::Ratio {
            events,
            total: whole,
            counters,
            minimum,
        };
        Some((indicator, by))
    }

    fn events(&mut self, file: &'a File, entry: &'a Entry<TermSpec>) -> Option<Term> {
        self.some_series(file, entry)
    }

    fn least(&mut self, file: &File, ratio: &Entry<EventsSpec>, entry: Option<&Entry<Number>>) -> Option<f64> {
        let Some(entry) = entry else {
            let message = "the ratio has no `minimum`: one of two is 50 %, and no news";
            let help = "add `minimum: 200`, the least number of events in an alert's long window that says anything";
            self.teller.mistake(file, &ratio.span, message, help);
            return None;
        };
        let Number(least) = *entry.get()?;
        if least <= 0.0 {
            let message = "the least number of events is more than 0: nothing has no parts";
            self.teller.mistake(file, &entry.span, message, "write 1 or more");
            return None;
        }
        Some(least)
    }

    fn threshold(&mut self, file: &'a File, entry: &'a Entry<ThresholdSpec>) -> Option<(Indicator, Vec<String>)> {
        let spec = entry.get()?;
        let (bad, limit) = match (&spec.bad_above, &spec.bad_below) {
            (Some(limit), None) => (Comparison::Above, limit),
            (None, Some(limit)) => (Comparison::Below, limit),
            _ => {
                let message = "a threshold has one side that is bad";
                self.teller
                    .mistake(file, &entry.span, message, "give either `bad_above` or `bad_below`");
                return None;
            }
        };
        let Number(threshold) = *limit.get()?;
        let subject = self.home()?;
        let filters = self.filters(subject, spec.filters.as_ref().map(|filters| (file, filters)))?;
        let term = Term { subject, filters };
        let metric = &self.subjects[subject.0];
        if metric.counter {
            let message = format!("`{}` is a counter: where it stands says nothing", metric.metric);
            self.teller
                .mistake(file, &limit.span, message, "use a `ratio` of two counters, or a gauge");
            return None;
        }
        let by = self.labels_kept(self.declared.field(|spec| &spec.by), &[&term])?;
        Some((Indicator::Threshold { term, bad, threshold }, by))
    }

    fn freshness(&mut self, file: &'a File, entry: &'a Entry<FreshnessSpec>) -> Option<(Indicator, Vec<String>)> {
        let by: Field<'_, _> = self.declared.field(|spec| &spec.by);
        if let Some((file, by)) = by {
            let message = "a metric is fresh as a whole, and not by its labels";
            self.teller.mistake(file, &by.span, message, "remove `by`");
        }
        let subject = self.home()?;
        let freshness = self.subjects[subject.0].freshness;
        let within = match &entry.get()?.within {
            None => freshness.limit(),
            Some(within) => {
                let DurationText(length) = *within.get()?;
                let least = freshness.longest + freshness.jitter + DELIVERY;
                if length < least {
                    self.too_fresh(file, &within.span, length, least);
                    return None;
                }
                length
            }
        };
        Some((Indicator::Freshness { within }, Vec::new()))
    }

    fn too_fresh(&mut self, file: &File, span: &Range<usize>, length: Duration, least: Duration) {
        let message = format!(
            "{} is too short: between two runs the metric is up to {} old",
            duration(length),
            duration(least)
        );
        let help = format!("write {} or more, or let the job run more often", duration(least));
        self.teller.mistake(file, span, message, help);
    }
}
