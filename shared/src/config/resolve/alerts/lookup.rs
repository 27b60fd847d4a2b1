//! What the parts of an alert or an SLO name, looked up: metrics, labels and the values that these may have.

use std::ops::Range;

use super::catalogue::{Catalogue, Known};
use super::spec::Spec;
use super::{Declared, Field, Teller, listed};
use crate::alerts::{Subject, SubjectId, Term};
use crate::config::document::TermSpec;
use crate::config::folder::File;
use crate::config::job::{EXTERNAL_PURPOSE, ORGANISATION_LABEL};
use crate::config::read::{Entry, Mapping};
use crate::suggest;

/// Looks up what one alert or SLO names.
pub(super) struct Resolver<'r, 'c, 'a, S> {
    pub(super) teller: &'r mut Teller<'c>,
    pub(super) catalogue: &'r Catalogue<'r>,
    pub(super) declared: &'r Declared<'a, S>,
    /// The metrics that it reads; the one that it stands beside first.
    pub(super) subjects: Vec<Subject>,
}

impl<'a, S: Spec> Resolver<'_, '_, 'a, S> {
    /// The metric that it is about, where a part of it names none.
    pub(super) fn home(&mut self) -> Option<SubjectId> {
        if let Some((file, entry)) = self.declared.common(|common| common.metric) {
            let name = entry.get()?;
            return self.metric(file, &entry.span, name);
        }
        if let Some((job, metric)) = &self.declared.home {
            let known = self
                .catalogue
                .named(metric)
                .iter()
                .find(|known| known.subject.job == *job)?;
            let (file, span) = self.declared.place();
            return self.add(file, &span, known);
        }
        let (file, span) = self.declared.place();
        let message = format!(
            "the {} `{}` does not say which metric it is about",
            S::KIND,
            self.declared.name
        );
        let help = format!(
            "add `metric: ..` with its full name, or put the {} under `{}` of a metric",
            S::KIND,
            S::SECTION
        );
        self.teller.mistake(file, &span, message, help);
        None
    }

    /// A metric by its full name.
    pub(super) fn metric(&mut self, file: &File, span: &Range<usize>, name: &str) -> Option<SubjectId> {
        let own_job = self.declared.home.as_ref().map(|(job, _)| job.as_str());
        let known = match self.catalogue.named(name) {
            [] => {
                if !self.catalogue.is_of_flawed_job(name) {
                    let help = suggest::remedy(name, self.catalogue.names(), "metrics", "no job has any");
                    self.teller
                        .mistake(file, span, format!("there is no metric `{name}`"), help);
                }
                return None;
            }
            [only] => only,
            several => match several.iter().find(|known| Some(known.subject.job.as_str()) == own_job) {
                Some(own) => own,
                None => {
                    let jobs = several.iter().map(|known| known.subject.job.as_str()).collect();
                    let message = format!("several jobs push `{name}`: {}", listed(&jobs));
                    let help = format!("put the {} beside the metric of one of them", S::KIND);
                    self.teller.mistake(file, span, message, help);
                    return None;
                }
            },
        };
        self.add(file, span, known)
    }

    pub(super) fn add(&mut self, file: &File, span: &Range<usize>, known: &Known) -> Option<SubjectId> {
        if !known.enabled && self.declared.is_enabled() {
            let job = &known.subject.job;
            let message = format!("the job `{job}` is not enabled, so that its metrics are always stale");
            let help = format!("say `enabled: false` for the {} as well, or enable the job", S::KIND);
            self.teller.mistake(file, span, message, help);
            return None;
        }
        let position = self.subjects.iter().position(|subject| *subject == known.subject);
        Some(SubjectId(position.unwrap_or_else(|| {
            self.subjects.push(known.subject.clone());
            self.subjects.len() - 1
        })))
    }

    fn known(&self, subject: SubjectId) -> Option<&Known> {
        let subject = &self.subjects[subject.0];
        let named = self.catalogue.named(&subject.metric);
        named.iter().find(|known| known.subject == *subject)
    }

    /// Some series of the metric that is named, or of the one that it is about.
    pub(super) fn some_series(&mut self, file: &'a File, entry: &'a Entry<TermSpec>) -> Option<Term> {
        let spec = entry.get()?;
        let subject = match &spec.metric {
            Some(metric) => self.metric(file, &metric.span, metric.get()?)?,
            None => self.home()?,
        };
        let filters = self.filters(subject, spec.filters.as_ref().map(|filters| (file, filters)))?;
        Some(Term { subject, filters })
    }

    /// The labels to add up by, with those by which customers find their own.
    pub(super) fn labels_kept(&mut self, by: Field<'_, Vec<Entry<String>>>, terms: &[&Term]) -> Option<Vec<String>> {
        let mut kept = Vec::new();
        if let Some((file, entry)) = by {
            for label in entry.get()? {
                let name = label.get()?;
                for term in terms {
                    self.check_label(file, &label.span, name, term.subject)?;
                }
                if !kept.contains(name) {
                    kept.push(name.clone());
                }
            }
        }
        if terms.iter().any(|term| self.subjects[term.subject.0].external) {
            for label in [EXTERNAL_PURPOSE.0, ORGANISATION_LABEL] {
                if !kept.iter().any(|name| name == label) {
                    kept.push(label.to_owned());
                }
            }
        }
        Some(kept)
    }

    /// A part is some of its whole, or something else altogether; and it is not told apart by what makes it the part.
    pub(super) fn check_parts(
        &mut self,
        file: &File,
        span: &Range<usize>,
        part: &Term,
        whole: &Term,
        by: &[String],
        help: &str,
    ) -> Option<()> {
        let message = if whole.is_within(part) {
            "the part is all of the whole, or more".to_owned()
        } else if !part.is_within(whole) && !part.is_apart_from(whole) {
            "some of the part is in the whole, and some is not".to_owned()
        } else {
            let same = part.subject == whole.subject;
            let fixed = part
                .filters
                .iter()
                .filter(|filter| same && !whole.filters.contains(filter));
            let Some((label, _)) = fixed.into_iter().find(|(label, _)| by.contains(label)) else {
                return Some(());
            };
            format!("`{label}` makes the part, so that the ratio cannot be told apart by it")
        };
        self.teller.mistake(file, span, message, help);
        None
    }

    pub(super) fn filters(
        &mut self,
        subject: SubjectId,
        field: Field<'_, Mapping<String>>,
    ) -> Option<Vec<(String, String)>> {
        let Some((file, entry)) = field else {
            return Some(Vec::new());
        };
        let mut filters = std::collections::BTreeMap::new();
        for (name, value) in &entry.get()?.0 {
            let (label, text) = (name.get()?, value.get()?);
            self.check_label(file, &name.span, label, subject)?;
            let known = self.known(subject);
            let allowed = known.and_then(|known| known.allowed(label)).unwrap_or_default();
            if !allowed.is_empty() && !allowed.contains(text) {
                let message = format!("the label `{label}` is never `{text}`");
                let help = suggest::remedy(text, allowed.iter().map(String::as_str), "values", "it has no values");
                self.teller.mistake(file, &value.span, message, help);
                return None;
            }
            let filled = known.and_then(|known| known.filled(label)).unwrap_or_default();
            if allowed.is_empty() && !filled.is_empty() && !filled.contains(text) {
                let message = format!("`{text}` is not among the values that the metric fills `{label}` with");
                let help = suggest::remedy(text, filled.iter().map(String::as_str), "values", "it has no values");
                self.teller.warning(file, &value.span, message, help);
            }
            filters.insert(label.clone(), text.clone());
        }
        Some(filters.into_iter().collect())
    }

    fn check_label(&mut self, file: &File, span: &Range<usize>, label: &str, subject: SubjectId) -> Option<()> {
        let subject = &self.subjects[subject.0];
        if subject.has(label) {
            return Some(());
        }
        let message = format!("`{}` has no label `{label}`", subject.metric);
        let names: Vec<_> = subject.labels().map(|(name, _)| name).collect();
        let help = suggest::remedy(label, names.iter().copied(), "metric's labels", "it has none");
        self.teller.mistake(file, span, message, help);
        None
    }
}
