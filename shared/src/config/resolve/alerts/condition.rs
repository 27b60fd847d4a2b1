//! The condition of an alert: PromQL, or a short form of it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::catalogue::{Catalogue, Known};
use super::lookup::Resolver;
use super::{Declared, Field, Layer, Teller, listed};
use crate::alerts::{Comparison, Condition, Selection, Subject, SubjectId, Term, duration};
use crate::collect::self_metrics;
use crate::config::document::{AlertSpec, DurationText, Number, RatioSpec, TermSpec};
use crate::config::folder::File;
use crate::config::job::{EXTERNAL_PURPOSE, Origin};
use crate::config::read::Entry;
use crate::config::resolve::query;
use crate::promql::{self, Limits, Matched, ParseError, Reading};
use crate::suggest;

const FORMS: &str =
    "`expression`, `below`, `above`, `absent_for`, `no_increase_for`, or `ratio` with `below` or `above`";

/// What of an alert says when it fires. A layer that says it anew says all of it, but for a threshold, which may be changed alone.
#[derive(Default, Clone, Copy)]
struct Form<'a> {
    expression: Field<'a, String>,
    below: Field<'a, Number>,
    above: Field<'a, Number>,
    absent_for: Field<'a, DurationText>,
    no_increase_for: Field<'a, DurationText>,
    ratio: Field<'a, RatioSpec>,
}

impl<'a> Form<'a> {
    fn of(layers: &[Layer<'a, AlertSpec>]) -> Self {
        layers.iter().fold(Self::default(), |before, Layer { file, spec, .. }| {
            fn field<'a, T>(file: &'a File, entry: Option<&'a Entry<T>>) -> Field<'a, T> {
                entry.map(|entry| (file, entry))
            }
            let form = Self {
                expression: field(file, spec.expression.as_ref()),
                below: field(file, spec.below.as_ref()),
                above: field(file, spec.above.as_ref()),
                absent_for: field(file, spec.absent_for.as_ref()),
                no_increase_for: field(file, spec.no_increase_for.as_ref()),
                ratio: field(file, spec.ratio.as_ref()),
            };
            let threshold = form.below.is_some() || form.above.is_some();
            let other = form.expression.is_some() || form.absent_for.is_some() || form.no_increase_for.is_some();
            match (threshold, other, form.ratio.is_some()) {
                (false, false, false) => before,
                (true, false, false) => Self {
                    ratio: before.ratio,
                    ..form
                },
                (false, false, true) => Self {
                    below: before.below,
                    above: before.above,
                    ..form
                },
                _ => form,
            }
        })
    }

    /// The keys that are given, and where.
    fn given(&self) -> Vec<(&'static str, &'a File, &'a Range<usize>)> {
        fn place<'a, T>(key: &'static str, field: Field<'a, T>) -> Option<(&'static str, &'a File, &'a Range<usize>)> {
            field.map(|(file, entry)| (key, file, &entry.span))
        }
        let given = [
            place("expression", self.expression),
            place("below", self.below),
            place("above", self.above),
            place("absent_for", self.absent_for),
            place("no_increase_for", self.no_increase_for),
            place("ratio", self.ratio),
        ];
        given.into_iter().flatten().collect()
    }
}

/// Where the threshold or the window stands; else the alert's name.
pub(super) fn limit<'a>(declared: &Declared<'a, AlertSpec>) -> (&'a File, Range<usize>) {
    let given = Form::of(&declared.layers).given();
    let limit = given.into_iter().find(|(key, ..)| *key != "ratio");
    limit.map_or_else(|| declared.place(), |(_, file, span)| (file, span.clone()))
}

pub(super) fn resolve(
    teller: &mut Teller<'_>,
    catalogue: &Catalogue<'_>,
    declared: &Declared<'_, AlertSpec>,
) -> Option<(Condition, Vec<Subject>)> {
    let form = Form::of(&declared.layers);
    let given = form.given();
    let keys: Vec<_> = given.iter().map(|(key, ..)| *key).collect();
    let mut resolver = Resolver {
        teller,
        catalogue,
        declared,
        subjects: Vec::new(),
    };
    let condition = match keys.as_slice() {
        ["expression"] => resolver.expression(form.expression?)?,
        ["below"] => resolver.compare(form.below?, Comparison::Below)?,
        ["above"] => resolver.compare(form.above?, Comparison::Above)?,
        ["absent_for"] => resolver.absent(form.absent_for?)?,
        ["no_increase_for"] => resolver.no_increase(form.no_increase_for?)?,
        ["below", "ratio"] => resolver.ratio(form.ratio?, form.below?, Comparison::Below)?,
        ["above", "ratio"] => resolver.ratio(form.ratio?, form.above?, Comparison::Above)?,
        [] => {
            let (file, span) = declared.place();
            let message = format!("the alert `{}` does not say when it fires", declared.name);
            resolver
                .teller
                .mistake(file, &span, message, format!("give it {FORMS}"));
            return None;
        }
        ["ratio"] => {
            let (_, file, span) = given[0];
            let message = "the ratio has no threshold";
            resolver
                .teller
                .mistake(file, span, message, "add `below: 0.5`, or `above`");
            return None;
        }
        _ => {
            let (_, file, span) = *given.last()?;
            let message = format!("an alert fires for one reason, and here are {}", keys.join(", "));
            resolver
                .teller
                .mistake(file, span, message, format!("give it one: {FORMS}"));
            return None;
        }
    };
    Some((condition, resolver.subjects))
}

impl<'a> Resolver<'_, '_, 'a, AlertSpec> {
    fn compare(&mut self, threshold: (&'a File, &'a Entry<Number>), comparison: Comparison) -> Option<Condition> {
        let value = self.selection()?;
        let subject = &self.subjects[value.term.subject.0];
        if subject.counter {
            let message = format!("`{}` is a counter: where it stands says nothing", subject.metric);
            let help = "look at how it moves: `no_increase_for`, a `ratio` over a `window`, or an `expression` with `increase`";
            self.teller.mistake(threshold.0, &threshold.1.span, message, help);
            return None;
        }
        Some(Condition::Compare {
            value,
            comparison,
            threshold: threshold.1.get()?.0,
        })
    }

    fn absent(&mut self, (file, window): (&'a File, &'a Entry<DurationText>)) -> Option<Condition> {
        let subject = self.home()?;
        if let Some((file, by)) = self.declared.field(|spec| &spec.by) {
            let message = "what is not there has no labels to be added up by";
            self.teller.mistake(
                file,
                &by.span,
                message,
                "remove `by`; `where` says which series are meant",
            );
        }
        let mut filters = self.filters(subject, self.declared.field(|spec| &spec.filters))?;
        if self.subjects[subject.0].external {
            let (label, value) = EXTERNAL_PURPOSE;
            filters.push((label.to_owned(), value.to_owned()));
        }
        let window = self.window(file, window, subject)?;
        Some(Condition::Absent {
            term: Term { subject, filters },
            window,
        })
    }

    fn no_increase(&mut self, (file, window): (&'a File, &'a Entry<DurationText>)) -> Option<Condition> {
        let value = self.selection()?;
        let subject = &self.subjects[value.term.subject.0];
        if !subject.counter {
            let message = format!("`{}` is a gauge, which need not increase", subject.metric);
            let help = "use `below`; or say `type: counter`, if it only goes up";
            self.teller.mistake(file, &window.span, message, help);
            return None;
        }
        let window = self.window(file, window, value.term.subject)?;
        Some(Condition::NoIncrease { value, window })
    }

    /// A window in which something has not happened. One that is no longer than a pusher takes to be called dead would call it
    /// bad news.
    fn window(&mut self, file: &File, entry: &Entry<DurationText>, subject: SubjectId) -> Option<Duration> {
        let DurationText(window) = *entry.get()?;
        let subject = &self.subjects[subject.0];
        let least = subject.freshness.least_window();
        if window < least {
            let message = format!(
                "{} is too short: the job `{}` counts as dead after {}, and until then it would look as if nothing happened",
                duration(window),
                subject.job,
                duration(subject.freshness.limit())
            );
            let help = format!("write {} or more, or let the job run more often", duration(least));
            self.teller.mistake(file, &entry.span, message, help);
            return None;
        }
        Some(window)
    }

    fn ratio(
        &mut self,
        (file, entry): (&'a File, &'a Entry<RatioSpec>),
        threshold: (&'a File, &'a Entry<Number>),
        comparison: Comparison,
    ) -> Option<Condition> {
        let spec = entry.get()?;
        if let Some((file, filters)) = self.declared.field(|spec| &spec.filters) {
            let message = "of a ratio, `of` and `to` have a `where` each";
            self.teller.mistake(file, &filters.span, message, "move it there");
        }
        let part = self.term(file, entry, "of", spec.of.as_ref());
        let whole = self.term(file, entry, "to", spec.to.as_ref());
        let minimum = self.minimum(file, entry, spec);
        let (part, whole, minimum) = (part?, whole?, minimum?);
        let by = self.by(&[&part, &whole])?.unwrap_or_default();
        let subject = |term: &Term| &self.subjects[term.subject.0];
        let (counters, longest) = (
            (subject(&part).counter, subject(&whole).counter),
            subject(&part).freshness.limit().max(subject(&whole).freshness.limit()),
        );
        if subject(&part).external != subject(&whole).external {
            let message =
                "one of the metrics is external and the other is not, so that they have no organisation in common";
            self.teller.mistake(
                file,
                &entry.span,
                message,
                "make the ratio of two metrics of the same kind",
            );
            return None;
        }
        let window = match (counters, &spec.window) {
            ((false, false), None) => None,
            ((false, false), Some(window)) => {
                let message = "gauges are looked at as they are, without a `window`";
                self.teller.mistake(
                    file,
                    &window.span,
                    message,
                    "remove it; what a gauge counts, its query says",
                );
                return None;
            }
            ((true, true), None) => {
                let message = "a ratio of counters needs a `window`";
                let help = format!("say over which time they are looked at, {} or more", duration(longest));
                self.teller.mistake(file, &entry.span, message, help);
                return None;
            }
            ((true, true), Some(window)) => {
                let DurationText(length) = *window.get()?;
                if length < longest {
                    let message = format!("{} is too short for what is pushed so rarely", duration(length));
                    let help = format!("write {} or more, so that a lost run is no news", duration(longest));
                    self.teller.mistake(file, &window.span, message, help);
                    return None;
                }
                Some(length)
            }
            _ => {
                let message = "a counter and a gauge have no ratio";
                self.teller
                    .mistake(file, &entry.span, message, "use two counters, or two gauges");
                return None;
            }
        };
        let help = "write `of: {where: {status: failed}}` and `to: {}`, `by` another label; or `where` with other values in both";
        self.check_parts(file, &entry.span, &part, &whole, &by, help)?;
        let limit = self.share(threshold, comparison, part.is_within(&whole))?;
        Some(Condition::Ratio {
            part,
            whole,
            by,
            window,
            minimum,
            comparison,
            threshold: limit,
        })
    }

    /// The threshold of a ratio; `is_some_of` where the part is some of its whole.
    fn share(
        &mut self,
        (file, entry): (&'a File, &'a Entry<Number>),
        comparison: Comparison,
        is_some_of: bool,
    ) -> Option<f64> {
        let Number(limit) = *entry.get()?;
        let problem = match comparison {
            Comparison::Below if limit <= 0.0 => "a ratio of counts is never below 0".to_owned(),
            Comparison::Above if limit < 0.0 => "a ratio of counts is never negative".to_owned(),
            Comparison::Below if is_some_of && limit > 1.0 => {
                format!("a part of its own whole is always below {limit}")
            }
            Comparison::Above if is_some_of && limit >= 1.0 => {
                format!("a part of its own whole is never above {limit}")
            }
            _ => return Some(limit),
        };
        let help = if is_some_of && limit > 1.0 && limit < 100.0 {
            format!("a ratio is a part of 1: for {limit} % write {}", limit / 100.0)
        } else {
            "write a part of 1, such as 0.5 for 50 %".to_owned()
        };
        self.teller.mistake(file, &entry.span, problem, help);
        None
    }

    fn minimum(&mut self, file: &File, entry: &Entry<RatioSpec>, spec: &RatioSpec) -> Option<f64> {
        let Some(minimum) = &spec.minimum else {
            let message = "the ratio has no `minimum`: one of two is 50 %, and no news";
            self.teller.mistake(
                file,
                &entry.span,
                message,
                "add `minimum: 50`, the least whole that says anything",
            );
            return None;
        };
        let Number(least) = *minimum.get()?;
        if least <= 0.0 {
            let message = "the least whole is more than 0: nothing has no parts";
            self.teller.mistake(file, &minimum.span, message, "write 1 or more");
            return None;
        }
        Some(least)
    }

    fn term(
        &mut self,
        file: &'a File,
        ratio: &Entry<RatioSpec>,
        key: &str,
        entry: Option<&'a Entry<TermSpec>>,
    ) -> Option<Term> {
        let Some(entry) = entry else {
            let message = format!("the ratio has no `{key}`");
            self.teller.mistake(
                file,
                &ratio.span,
                message,
                "it has the part under `of` and the whole under `to`",
            );
            return None;
        };
        self.some_series(file, entry)
    }

    fn selection(&mut self) -> Option<Selection> {
        let subject = self.home()?;
        let filters = self.filters(subject, self.declared.field(|spec| &spec.filters))?;
        let term = Term { subject, filters };
        let by = self.by(&[&term])?;
        Some(Selection { term, by })
    }

    /// The labels to add up by, with those by which customers find their own.
    #[expect(clippy::option_option, reason = "the outer one is whether to go on")]
    fn by(&mut self, terms: &[&Term]) -> Option<Option<Vec<String>>> {
        let field = self.declared.field(|spec| &spec.by);
        let is_ratio = terms.len() > 1;
        if field.is_none() && !is_ratio {
            return Some(None);
        }
        self.labels_kept(field, terms).map(Some)
    }

    fn expression(&mut self, (file, entry): (&'a File, &'a Entry<String>)) -> Option<Condition> {
        for (file, span, key) in [
            self.declared
                .field(|spec| &spec.filters)
                .map(|(file, entry)| (file, &entry.span, "where")),
            self.declared
                .field(|spec| &spec.by)
                .map(|(file, entry)| (file, &entry.span, "by")),
        ]
        .into_iter()
        .flatten()
        {
            let message = format!("`{key}` says nothing beside an `expression`");
            self.teller.mistake(file, span, message, "write it into the expression");
        }
        let text = entry.get()?;
        let written = Written {
            file,
            entry,
            origin: query::origin(file, &entry.span, text),
        };
        let tree = match promql::parse(text, &Limits::default()) {
            Ok(tree) => tree,
            Err(error) => {
                let (at, message) = match &error {
                    ParseError::Syntax(error) => (error.position, error.to_string()),
                    ParseError::TooLarge(error) => (error.position, error.to_string()),
                };
                let message = message
                    .split_once(": ")
                    .map_or(message.as_str(), |(_, message)| message);
                let span = written.span(self.teller, Some((at.line, at.column)));
                self.teller.mistake(
                    file,
                    &span,
                    format!("this is no PromQL: {message}"),
                    "write it as Prometheus' query page takes it",
                );
                return None;
            }
        };
        if !tree.yields_series() {
            let message = "an alert's expression yields series, and this yields a number";
            self.teller.mistake(
                file,
                &entry.span,
                message,
                "compare a metric with it, or write `vector(..)`",
            );
            return None;
        }
        if self.declared.home.is_some() || self.declared.field(|spec| &spec.metric).is_some() {
            self.home()?;
        }
        let mut right = true;
        for reading in tree.readings() {
            right &= self.reading(&written, &reading).is_some();
        }
        if !right {
            return None;
        }
        if self.subjects.is_empty() {
            let message = "the expression reads no metric of a job, so that nothing would tell whether it is fresh";
            self.teller.mistake(
                file,
                &entry.span,
                message,
                "read one, or put the alert beside the metric that it is about",
            );
            return None;
        }
        Some(Condition::Expression {
            promql: text.clone(),
            tells_of_absence: tree.may_tell_of_absence(),
        })
    }

    /// A selector of an expression: its metric is one of ours, or nobody can say how fresh it is.
    fn reading(&mut self, written: &Written<'_>, reading: &Reading) -> Option<()> {
        let span = written.span(self.teller, Some((reading.position.line, reading.position.column)));
        let file = written.file;
        let Some(name) = &reading.metric else {
            let message = "which metric this reads cannot be told";
            self.teller.mistake(file, &span, message, "name it before the braces");
            return None;
        };
        if self_metrics::NAMES.contains(&name.as_str()) {
            return Some(());
        }
        let of_job = |known: &&Known| {
            let mut jobs = reading.matchers.iter().filter(|matcher| matcher.label == "job");
            jobs.all(|matcher| matcher.equals.as_ref().is_none_or(|job| *job == known.subject.job))
        };
        let catalogue = self.catalogue;
        let known: Vec<_> = catalogue.named(name).iter().filter(of_job).collect();
        if known.is_empty() {
            return self.unknown(written, name, &span);
        }
        for known in &known {
            self.add(file, &span, known)?;
        }
        let mut right = Some(());
        for matcher in &reading.matchers {
            let with_label: Vec<_> = known.iter().filter(|known| known.subject.has(&matcher.label)).collect();
            if with_label.is_empty() {
                self.unknown_label(written, matcher, known[0]);
                right = None;
            } else if let Some(value) = matcher.equals.as_deref().filter(|value| !value.is_empty()) {
                self.unlikely_value(written, matcher, value, &with_label);
            }
        }
        right
    }

    /// Asks about a value that none of the jobs gives the label, as far as that is known.
    fn unlikely_value(&mut self, written: &Written<'_>, matcher: &Matched, value: &str, known: &[&&Known]) {
        let label = &matcher.label;
        let mut values: Vec<&str> = Vec::new();
        let mut others_may_come = false;
        for known in known {
            let all = known.allowed(label).filter(|all| !all.is_empty());
            let Some(likely) = all.or_else(|| known.filled(label)) else {
                return;
            };
            others_may_come |= all.is_none();
            values.extend(likely.iter().map(String::as_str));
        }
        if values.contains(&value) {
            return;
        }
        let message = if others_may_come {
            format!("`{value}` is not among the values that the metric fills `{label}` with")
        } else {
            format!("the label `{label}` is never `{value}`")
        };
        let span = written.span(self.teller, Some((matcher.position.line, matcher.position.column)));
        let help = suggest::remedy(value, values.iter().copied(), "values", "it has no values");
        self.teller.warning(written.file, &span, message, help);
    }

    fn unknown_label(&mut self, written: &Written<'_>, matcher: &Matched, known: &Known) {
        let span = written.span(self.teller, Some((matcher.position.line, matcher.position.column)));
        let subject = &known.subject;
        let names: Vec<_> = subject.labels().map(|(name, _)| name).collect();
        let label = &matcher.label;
        let help = suggest::remedy(label, names.iter().copied(), "metric's labels", "it has none");
        self.teller.mistake(
            written.file,
            &span,
            format!("`{}` has no label `{label}`", subject.metric),
            help,
        );
    }

    fn unknown(&mut self, written: &Written<'_>, name: &str, span: &Range<usize>) -> Option<()> {
        let file = written.file;
        if let [first, ..] = self.catalogue.named(name) {
            let jobs = self
                .catalogue
                .named(name)
                .iter()
                .map(|known| known.subject.job.as_str());
            let jobs: BTreeSet<_> = jobs.collect();
            let message = format!("`{}` is pushed by no such job", first.subject.metric);
            self.teller
                .mistake(file, span, message, format!("its jobs are {}", listed(&jobs)));
            return None;
        }
        if self.catalogue.is_of_flawed_job(name) {
            return None;
        }
        let ours = self.catalogue.names().chain(self_metrics::NAMES);
        if let Some(near) = suggest::closest(name, ours) {
            self.teller.mistake(
                file,
                span,
                format!("there is no metric `{name}`"),
                format!("did you mean `{near}`?"),
            );
            return None;
        }
        if name.starts_with("fanlight_") {
            let help = suggest::remedy(name, self_metrics::NAMES.into_iter(), "metrics", "there are none");
            self.teller
                .mistake(file, span, format!("Fanlight has no metric `{name}`"), help);
            return None;
        }
        let message = format!("no job pushes `{name}`, so that nothing tells whether it is fresh");
        self.teller.warning(
            file,
            span,
            message,
            "make sure that something else scrapes it, and alerts when it stops",
        );
        Some(())
    }
}

/// PromQL as it stands in a file.
struct Written<'a> {
    file: &'a File,
    entry: &'a Entry<String>,
    origin: Origin,
}

impl Written<'_> {
    /// Where a line and column of it stand.
    fn span(&self, teller: &Teller<'_>, at: Option<(usize, usize)>) -> Range<usize> {
        let text = self.entry.get().map_or("", String::as_str);
        teller.report.span_in_query(&self.origin, text, at)
    }
}
