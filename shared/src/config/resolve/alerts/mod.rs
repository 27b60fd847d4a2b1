//! Alerts and SLOs: the layers of each environment one over the other, then every name looked up and every field checked.

mod case;
mod catalogue;
mod condition;
mod fields;
mod lookup;
mod order;
mod slo;
mod spec;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Place, Resolved, span_or_start};
use crate::alertmanager;
use crate::alerts::{Environment, Service};
use crate::config::document::{AlertSpec, SloSpec};
use crate::config::folder::File;
use crate::config::layers::{self, LayerFile};
use crate::config::mistake::{Mistake, Report};
use crate::config::read::Entry;
use crate::suggest;
use catalogue::Catalogue;
pub(super) use fields::is_channel;
use spec::{Common, Spec};

pub(super) use catalogue::defaults;

/// What the names of the files of a service's SLOs have after its own.
const SLO_FILES: &str = ".slos";

/// Resolves the alerts of all environments; those with mistakes are told and left out.
pub(crate) fn resolve(
    files: &[File],
    layers: &[LayerFile],
    environments: Vec<String>,
    resolved: &Resolved,
    report: &mut Report,
) -> Vec<Environment> {
    let mut teller = Teller { report };
    let catalogue = Catalogue::new(files, resolved);
    let mut alerts = Declarations::<AlertSpec>::default();
    let mut slos = Declarations::<SloSpec>::default();
    for file in files {
        alerts.add_file(&mut teller, &catalogue, file);
        slos.add_file(&mut teller, &catalogue, file);
    }
    let common = || layers.iter().filter(|layer| layer.environment.is_none());
    alerts.add_layers(&mut teller, common());
    slos.add_layers(&mut teller, common());
    let environments: Vec<_> = environments
        .into_iter()
        .map(|name| {
            let own = || {
                layers
                    .iter()
                    .filter(|layer| layer.environment.as_deref() == Some(name.as_str()))
            };
            let (mut alerts, mut slos) = (alerts.clone(), slos.clone());
            alerts.add_layers(&mut teller, own());
            slos.add_layers(&mut teller, own());
            let services = services(&mut teller, &catalogue, &alerts, &slos);
            Environment {
                name,
                services,
                alerting: None,
            }
        })
        .collect();
    environments
}

/// What there is of each service, in the order of names.
fn services(
    teller: &mut Teller<'_>,
    catalogue: &Catalogue<'_>,
    alerts: &Declarations<'_, AlertSpec>,
    slos: &Declarations<'_, SloSpec>,
) -> Vec<Service> {
    let resolve_alert =
        |teller: &mut Teller<'_>, declared: &Declared<'_, AlertSpec>| fields::resolve(teller, catalogue, declared);
    let resolve_slo =
        |teller: &mut Teller<'_>, declared: &Declared<'_, SloSpec>| slo::resolve(teller, catalogue, declared);
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    let service = |name: &str| Service {
        name: name.to_owned(),
        alerts: Vec::new(),
        slos: Vec::new(),
    };
    for (name, alert) in alerts.resolve(teller, catalogue, resolve_alert) {
        let found = services.entry(name.to_owned()).or_insert_with(|| service(name));
        found.alerts.push(alert);
    }
    order::check(teller, alerts, &services.values().flat_map(|service| &service.alerts));
    slo::check_names(teller, alerts, slos);
    for (name, slo) in slos.resolve(teller, catalogue, resolve_slo) {
        let found = services.entry(name.to_owned()).or_insert_with(|| service(name));
        found.slos.push(slo);
    }
    let services = services.into_values().map(|mut service| {
        service.alerts.sort_by(|one, other| one.name.cmp(&other.name));
        service.slos.sort_by(|one, other| one.name.cmp(&other.name));
        service
    });
    services.collect()
}

/// Refuses a service whose rules would be written into files that other rules have: told at what a place declares first.
fn check_service<S: Spec>(teller: &mut Teller<'_>, first: &Declared<'_, S>) {
    let service = &first.service;
    let (taken, without) = if service == alertmanager::SERVICE {
        ("the watchdog's rules have", String::new())
    } else if service.contains(SLO_FILES) {
        (
            "those of another service's SLOs may have",
            format!(", without `{SLO_FILES}` in it"),
        )
    } else if let Some(step) = step_of_tests(service) {
        (
            "another service's tests may have",
            format!(", which does not end in `.{step}`"),
        )
    } else {
        return;
    };
    let (file, span) = first.place();
    let message = format!("the rules of `{service}` would be written into files that {taken}");
    let help = format!("give {service}.yaml another name{without}");
    teller.mistake(file, &span, message, help);
}

/// What the names of files of tests end in that have another step than a minute, such as `10m`.
fn step_of_tests(service: &str) -> Option<&str> {
    let (_, step) = service.rsplit_once('.')?;
    let minutes = step.strip_suffix('m')?;
    (!minutes.is_empty() && minutes.bytes().all(|byte| byte.is_ascii_digit())).then_some(step)
}

/// Tells what is wrong.
struct Teller<'r> {
    report: &'r mut Report,
}

impl Teller<'_> {
    fn mistake(&mut self, file: &File, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.report
            .add(Mistake::new(&file.path, span.clone(), message).help(help));
    }

    fn warning(&mut self, file: &File, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.report
            .add(Mistake::warning(&file.path, span.clone(), message).help(help));
    }

    fn told(&self) -> usize {
        self.report.mistakes_told()
    }
}

/// What one place says of an alert or an SLO.
struct Layer<'a, S> {
    file: &'a File,
    entry: &'a Entry<S>,
    spec: &'a S,
}

// Derived, these would ask for the same of what is only referred to.
impl<S> Clone for Layer<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Layer<'_, S> {}

/// A field, and the file that it stands in.
type Field<'a, T> = Option<(&'a File, &'a Entry<T>)>;

/// An alert or an SLO with all that is said of it.
struct Declared<'a, S> {
    name: &'a str,
    service: String,
    /// The farthest first.
    layers: Vec<Layer<'a, S>>,
    /// The job and the metric that it stands beside.
    home: Option<(String, String)>,
    /// Whether nothing but the folders of environments says anything of it.
    only_in_folders: bool,
}

impl<S> Clone for Declared<'_, S> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            service: self.service.clone(),
            layers: self.layers.clone(),
            home: self.home.clone(),
            only_in_folders: self.only_in_folders,
        }
    }
}

impl<'a, S: Spec> Declared<'a, S> {
    /// The nearest layer's word on a field.
    fn field<T>(&self, field: impl Fn(&'a S) -> &'a Option<Entry<T>>) -> Field<'a, T> {
        let mut layers = self.layers.iter().rev();
        layers.find_map(|layer| Some((layer.file, field(layer.spec).as_ref()?)))
    }

    /// The nearest layer's word on a field that alerts and SLOs have in common.
    fn common<T>(&self, field: impl Fn(&Common<'a>) -> Option<&'a Entry<T>>) -> Field<'a, T> {
        let mut layers = self.layers.iter().rev();
        layers.find_map(|layer| Some((layer.file, field(&layer.spec.common())?)))
    }

    fn is_enabled(&self) -> bool {
        let enabled = self.common(|common| common.enabled);
        enabled.and_then(|(_, entry)| entry.get()).copied().unwrap_or(true)
    }

    /// Where to tell of something that no layer says: at its name in the first of them.
    fn place(&self) -> (&'a File, Range<usize>) {
        // A declaration is made with its first layer.
        let first = self.layers[0];
        (first.file, span_or_start(first.spec.common().name, &first.entry.span))
    }
}

struct Declarations<'a, S>(Vec<Declared<'a, S>>);

impl<S> Default for Declarations<'_, S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S> Clone for Declarations<'_, S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<'a, S: Spec + 'a> Declarations<'a, S> {
    /// What a team's file declares: beside metrics, and for the file.
    fn add_file(&mut self, teller: &mut Teller<'_>, catalogue: &Catalogue<'_>, file: &'a File) {
        let mut seen = BTreeMap::new();
        let before = self.0.len();
        let defaults = catalogue::defaults(file, catalogue.shared(file));
        for job in file.document.jobs().filter_map(Entry::get) {
            let name = job.name.as_ref().and_then(Entry::get);
            for metric in job
                .metrics
                .iter()
                .filter_map(Entry::get)
                .flatten()
                .filter_map(Entry::get)
            {
                let full_name = super::metric::name_of(&defaults, job, metric);
                let home = name.cloned().zip(full_name);
                for entry in S::beside(metric).into_iter().filter_map(Entry::get).flatten() {
                    let named = entry.get().and_then(|spec| spec.common().metric);
                    if let Some(place) = named.map(|metric| &metric.span) {
                        let message = format!("the {} stands beside its metric and names another", S::KIND);
                        let help = format!(
                            "remove `metric`, or put the {} under the file's `{}`",
                            S::KIND,
                            S::SECTION
                        );
                        teller.mistake(file, place, message, help);
                    }
                    self.declare(teller, file, entry, layers::service(file), home.clone(), &mut seen);
                }
            }
        }
        for entry in S::of_file(&file.document).into_iter().filter_map(Entry::get).flatten() {
            self.declare(teller, file, entry, layers::service(file), None, &mut seen);
        }
        if let Some(first) = self.0.get(before) {
            check_service(teller, first);
        }
    }

    fn declare(
        &mut self,
        teller: &mut Teller<'_>,
        file: &'a File,
        entry: &'a Entry<S>,
        service: String,
        home: Option<(String, String)>,
        seen: &mut BTreeMap<&'a str, Place<'a>>,
    ) {
        let Some((name, layer)) = named(teller, file, entry, seen) else {
            return;
        };
        self.0.push(Declared {
            name,
            service,
            layers: vec![layer],
            home,
            only_in_folders: false,
        });
    }

    /// What the folders of environments say: more of what there is, or something that there is only here.
    fn add_layers(&mut self, teller: &mut Teller<'_>, layers: impl Iterator<Item = &'a LayerFile>) {
        let mut seen: BTreeMap<&str, BTreeMap<&str, Place<'a>>> = BTreeMap::new();
        for LayerFile {
            service,
            environment,
            file,
        } in layers
        {
            let seen = seen.entry(service).or_default();
            for entry in S::of_file(&file.document).into_iter().filter_map(Entry::get).flatten() {
                let Some((name, layer)) = named(teller, file, entry, seen) else {
                    continue;
                };
                let same = |declared: &&mut Declared<'_, S>| declared.service == *service && declared.name == name;
                match self.0.iter_mut().find(same) {
                    Some(declared) => {
                        if let Some(environment) = environment {
                            stays_off(teller, declared, &layer, environment);
                        }
                        declared.layers.push(layer);
                    }
                    None => {
                        let declared = Declared {
                            name,
                            service: service.clone(),
                            layers: vec![layer],
                            home: None,
                            only_in_folders: true,
                        };
                        check_service(teller, &declared);
                        self.0.push(declared);
                    }
                }
            }
        }
    }

    /// Those that are enabled and have no mistakes, each with its service.
    fn resolve<T>(
        &self,
        teller: &mut Teller<'_>,
        catalogue: &Catalogue<'_>,
        resolve: impl Fn(&mut Teller<'_>, &Declared<'a, S>) -> Option<T>,
    ) -> Vec<(&str, T)> {
        let mut names: BTreeMap<&str, Place<'_>> = BTreeMap::new();
        let mut found = Vec::new();
        for declared in &self.0 {
            let (file, span) = declared.place();
            let place = Place {
                file,
                span: span.clone(),
            };
            if let Some(first) = names.insert(declared.name, place) {
                let message = format!("the {} `{}` is declared a second time", S::KIND, declared.name);
                let help = format!("the first stands at {}; rename one of them", first.position());
                teller.mistake(file, &span, message, help);
                continue;
            }
            if catalogue.is_left_out(declared.home.as_ref()) {
                // Its job has a mistake, which has been told.
                continue;
            }
            if self.changes_nothing(teller, declared) {
                continue;
            }
            let readable = declared.layers.iter().all(|layer| layer.entry.problems == 0);
            let before = teller.told();
            let resolved = resolve(teller, declared);
            if let Some(resolved) = resolved
                && readable
                && teller.told() == before
                && declared.is_enabled()
            {
                found.push((declared.service.as_str(), resolved));
            }
        }
        found
    }

    /// Tells of what an environment's folder changes where there is no such thing (any more): it is of another name, and no new one
    /// either while more than one key of that is lacking. The keys one by one would be no news.
    fn changes_nothing(&self, teller: &mut Teller<'_>, declared: &Declared<'a, S>) -> bool {
        let lacking = S::lacking(declared);
        if !declared.only_in_folders || lacking.len() < 2 {
            return false;
        }
        let Declared { name, service, .. } = declared;
        let others = self.0.iter().filter(|other| other.service == *service);
        let others = others.map(|other| other.name).filter(|other| other != name);
        let help = match suggest::closest(name, others.clone()) {
            Some(near) => format!("did you mean the {} `{near}`? Or add what is lacking", S::KIND),
            None => format!("remove it, or add what is lacking; {}", {
                let kind = format!("service's {}", S::SECTION);
                suggest::remedy(name, others, &kind, &format!("the service has no other {}", S::SECTION))
            }),
        };
        let message = format!(
            "there is no {} `{name}` of {service} to change here, and a new one lacks {}",
            S::KIND,
            and(&lacking)
        );
        let (file, span) = declared.place();
        teller.mistake(file, &span, message, help);
        true
    }
}

/// Warns of what an environment's folder changes of something that is off, and stays so.
fn stays_off<S: Spec>(teller: &mut Teller<'_>, declared: &Declared<'_, S>, layer: &Layer<'_, S>, environment: &str) {
    let Common { name, enabled, .. } = layer.spec.common();
    if declared.is_enabled() || enabled.is_some() {
        return;
    }
    let message = format!(
        "the {} `{}` stays off in {environment}, whatever is changed here: `enabled: false` stands in an earlier layer",
        S::KIND,
        declared.name
    );
    let span = span_or_start(name, &layer.entry.span);
    teller.warning(layer.file, &span, message, "add `enabled: true`, or remove it here");
}

/// An entry with its name; one that stands twice in the same layer is a mistake.
fn named<'a, S: Spec>(
    teller: &mut Teller<'_>,
    file: &'a File,
    entry: &'a Entry<S>,
    seen: &mut BTreeMap<&'a str, Place<'a>>,
) -> Option<(&'a str, Layer<'a, S>)> {
    let spec = entry.get()?;
    let Some(name) = spec.common().name else {
        let start = entry.span.start..entry.span.start;
        let message = format!("the {} has no `name`", S::KIND);
        teller.mistake(
            file,
            &start,
            message,
            format!("add `name: ..`, such as `{}`", S::EXAMPLE),
        );
        return None;
    };
    let text = name.get()?.as_str();
    let place = Place {
        file,
        span: name.span.clone(),
    };
    if let Some(first) = seen.insert(text, place) {
        let help = format!("the first stands at {}; rename one of them", first.position());
        let message = format!("the {} `{text}` is declared a second time", S::KIND);
        teller.mistake(file, &name.span, message, help);
        return None;
    }
    Some((text, Layer { file, entry, spec }))
}

/// a, b and c.
fn and(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// a, b, c, of names in a set.
fn listed(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
