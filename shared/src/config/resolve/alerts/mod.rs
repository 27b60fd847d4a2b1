//! Alerts: the layers of each environment one over the other, then every name looked up and every field checked.

mod case;
mod catalogue;
mod condition;
mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Place, Resolved, span_or_start};
use crate::alerts::{Alert, Environment, Service};
use crate::config::document::AlertSpec;
use crate::config::folder::File;
use crate::config::layers::{self, LayerFile};
use crate::config::mistake::{Mistake, Report};
use crate::config::read::Entry;
use crate::suggest;
use catalogue::Catalogue;

pub(super) use catalogue::defaults;

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
    let mut declared = Declarations::default();
    for file in files {
        declared.add_file(&mut teller, &catalogue, file);
    }
    declared.add_layers(&mut teller, layers.iter().filter(|layer| layer.environment.is_none()));
    let environments: Vec<_> = environments
        .into_iter()
        .map(|name| {
            let mut declared = declared.clone();
            let own = |layer: &&LayerFile| layer.environment.as_ref() == Some(&name);
            declared.add_layers(&mut teller, layers.iter().filter(own));
            let services = declared.resolve(&mut teller, &catalogue);
            Environment { name, services }
        })
        .collect();
    environments
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

/// What one place says of an alert.
#[derive(Clone, Copy)]
struct Layer<'a> {
    file: &'a File,
    entry: &'a Entry<AlertSpec>,
    spec: &'a AlertSpec,
}

/// A field, and the file that it stands in.
type Field<'a, T> = Option<(&'a File, &'a Entry<T>)>;

/// An alert with all that is said of it.
#[derive(Clone)]
struct Declared<'a> {
    name: &'a str,
    service: String,
    /// The farthest first.
    layers: Vec<Layer<'a>>,
    /// The job and the metric that it stands beside.
    home: Option<(String, String)>,
}

impl<'a> Declared<'a> {
    /// The nearest layer's word on a field.
    fn field<T>(&self, field: impl Fn(&'a AlertSpec) -> &'a Option<Entry<T>>) -> Field<'a, T> {
        let mut layers = self.layers.iter().rev();
        layers.find_map(|layer| Some((layer.file, field(layer.spec).as_ref()?)))
    }

    fn value<T>(&self, field: impl Fn(&'a AlertSpec) -> &'a Option<Entry<T>>) -> Option<&'a T> {
        self.field(field).and_then(|(_, entry)| entry.get())
    }

    fn is_enabled(&self) -> bool {
        self.value(|spec| &spec.enabled).copied().unwrap_or(true)
    }

    /// Where to tell of something that no layer says: at its name in the first of them.
    fn place(&self) -> (&'a File, Range<usize>) {
        // A declaration is made with its first layer.
        let first = self.layers[0];
        (first.file, span_or_start(first.spec.name.as_ref(), &first.entry.span))
    }
}

#[derive(Default, Clone)]
struct Declarations<'a>(Vec<Declared<'a>>);

impl<'a> Declarations<'a> {
    /// The alerts of a team's file: beside metrics, and for the file.
    fn add_file(&mut self, teller: &mut Teller<'_>, catalogue: &Catalogue<'_>, file: &'a File) {
        let mut seen = BTreeMap::new();
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
                for entry in metric.alerts.iter().filter_map(Entry::get).flatten() {
                    if let Some(spec) = entry.get()
                        && let Some(place) = spec.metric.as_ref().map(|metric| &metric.span)
                    {
                        let message = "the alert stands beside its metric and names another";
                        teller.mistake(
                            file,
                            place,
                            message,
                            "remove `metric`, or put the alert under the file's `alerts`",
                        );
                    }
                    self.declare(teller, file, entry, layers::service(file), home.clone(), &mut seen);
                }
            }
        }
        for entry in file.document.alerts.iter().filter_map(Entry::get).flatten() {
            self.declare(teller, file, entry, layers::service(file), None, &mut seen);
        }
    }

    fn declare(
        &mut self,
        teller: &mut Teller<'_>,
        file: &'a File,
        entry: &'a Entry<AlertSpec>,
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
        });
    }

    /// What the folders of environments say: more of an alert that there is, or one that there is only here.
    fn add_layers(&mut self, teller: &mut Teller<'_>, layers: impl Iterator<Item = &'a LayerFile>) {
        let mut seen: BTreeMap<&str, BTreeMap<&str, Place<'a>>> = BTreeMap::new();
        for LayerFile { service, file, .. } in layers {
            let seen = seen.entry(service).or_default();
            for entry in file.document.alerts.iter().filter_map(Entry::get).flatten() {
                let Some((name, layer)) = named(teller, file, entry, seen) else {
                    continue;
                };
                let same = |declared: &&mut Declared<'_>| declared.service == *service && declared.name == name;
                match self.0.iter_mut().find(same) {
                    Some(declared) => declared.layers.push(layer),
                    None => self.0.push(Declared {
                        name,
                        service: service.clone(),
                        layers: vec![layer],
                        home: None,
                    }),
                }
            }
        }
    }

    /// The alerts, by service.
    fn resolve(&self, teller: &mut Teller<'_>, catalogue: &Catalogue<'_>) -> Vec<Service> {
        let mut names: BTreeMap<&str, Place<'_>> = BTreeMap::new();
        let mut services: BTreeMap<&str, Vec<Alert>> = BTreeMap::new();
        for declared in &self.0 {
            let (file, span) = declared.place();
            let place = Place {
                file,
                span: span.clone(),
            };
            if let Some(first) = names.insert(declared.name, place) {
                let message = format!("the alert `{}` is declared a second time", declared.name);
                let help = format!("the first stands at {}; rename one of them", first.position());
                teller.mistake(file, &span, message, help);
                continue;
            }
            let readable = declared.layers.iter().all(|layer| layer.entry.problems == 0);
            let before = teller.told();
            let alert = self.resolve_one(teller, catalogue, declared);
            if let Some(alert) = alert
                && readable
                && teller.told() == before
            {
                services.entry(&declared.service).or_default().push(alert);
            }
        }
        let services = services.into_iter().map(|(name, mut alerts)| {
            alerts.sort_by(|one, other| one.name.cmp(&other.name));
            Service {
                name: name.to_owned(),
                alerts,
            }
        });
        services.collect()
    }

    fn resolve_one(
        &self,
        teller: &mut Teller<'_>,
        catalogue: &Catalogue<'_>,
        declared: &Declared<'_>,
    ) -> Option<Alert> {
        if catalogue.is_left_out(declared) {
            // Its job has a mistake, which has been told.
            return None;
        }
        let alert = fields::resolve(teller, catalogue, declared, || self.near(declared))?;
        declared.is_enabled().then_some(alert)
    }

    /// The name of the same service that was meant, where an alert of an environment's folder is not whole.
    fn near(&self, declared: &Declared<'_>) -> Option<&'a str> {
        let others = self
            .0
            .iter()
            .filter(|other| other.service == declared.service && other.name != declared.name);
        suggest::closest(declared.name, others.map(|other| other.name))
    }
}

/// An entry with its name; one that stands twice in the same layer is a mistake.
fn named<'a>(
    teller: &mut Teller<'_>,
    file: &'a File,
    entry: &'a Entry<AlertSpec>,
    seen: &mut BTreeMap<&'a str, Place<'a>>,
) -> Option<(&'a str, Layer<'a>)> {
    let spec = entry.get()?;
    let Some(name) = &spec.name else {
        let start = entry.span.start..entry.span.start;
        teller.mistake(
            file,
            &start,
            "the alert has no `name`",
            "add `name: ..`, such as `NoLeads`",
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
        teller.mistake(
            file,
            &name.span,
            format!("the alert `{text}` is declared a second time"),
            help,
        );
        return None;
    }
    Some((text, Layer { file, entry, spec }))
}

/// `a, b and c`, of names in a set.
fn listed(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
