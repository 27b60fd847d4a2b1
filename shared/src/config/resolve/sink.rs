//! Sinks: where series go, by name.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Scope, declarations, first};
use crate::collect::self_metrics::JOB_LABEL;
use crate::config::document::{DurationText, JobSpec, PushgatewaySpec};
use crate::config::folder::File;
use crate::config::job::{PushgatewaySink, Sink, SinkAuth};
use crate::config::names;
use crate::config::read::{Entry, Mapping, list};
use crate::placeholders::Template;
use crate::sinks::{self, SinkSettings};
use crate::suggest;

/// The sink of jobs that name none.
const DEFAULT: &str = "default";
/// The URL of that sink where none is declared.
const DEFAULT_URL: &str = "{{PUSHGATEWAY_URL}}";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The records that one endpoint may hold by default: Prometheus' `sample_limit` fails a whole scrape, not a job's share.
const DEFAULT_SERIES_BUDGET: usize = 5_000;

pub(super) fn declare<'a>(scope: &mut Scope<'a>, files: &'a [File]) {
    let mut places = BTreeMap::new();
    for (file, name, spec) in declarations(files, |document| &document.sinks) {
        let Some(text) = name.value.as_deref() else { continue };
        scope.declare_once(&mut places, "sink", file, name);
        let before = scope.report.mistakes_told();
        let mut is_known = false;
        let further = match spec.get() {
            Some(settings) => match (settings.given().as_slice(), &settings.pushgateway) {
                ([_], Some(pushgateway)) => {
                    let sink = resolve_pushgateway(scope, file, text, pushgateway);
                    let right = spec.problems == 0 && scope.report.mistakes_told() == before;
                    scope.sinks.insert(text, sink.filter(|_| right));
                    continue;
                }
                ([_], None) => {
                    is_known = true;
                    settings.resolve(scope, file)
                }
                ([], _) => {
                    let message = format!("the sink `{text}` does not say of which kind it is");
                    scope.mistake(file, &spec.span, message, |mistake| {
                        mistake.help(format!("give it its settings under {}", list(SinkSettings::KEYS)))
                    });
                    None
                }
                ([_, second, ..], _) => {
                    scope.mistake(file, second, "a sink is of one kind", |mistake| {
                        mistake.help("remove the other, or declare two sinks")
                    });
                    None
                }
            },
            None => None,
        };
        let right = spec.problems == 0 && scope.report.mistakes_told() == before;
        if !is_known {
            // It may be either, and whoever names it has no mistake of his own.
            scope.sinks.insert(text, None);
        }
        let further = further.filter(|_| right).map(|kind| sinks::Sink {
            name: text.to_owned(),
            kind,
        });
        scope.further_sinks.insert(text, further);
    }
}

/// The sink of a job: the one it names, the one its defaults name, `default`, or the only one.
pub(super) fn resolve(
    scope: &mut Scope<'_>,
    file: &File,
    spec: &JobSpec,
    defaults: Option<(&File, &Entry<String>)>,
) -> Option<Sink> {
    let named = spec.sink.as_ref().map(|entry| (file, entry)).or(defaults);
    let Some((file, entry)) = named else {
        return implied(scope, file, spec);
    };
    let name = entry.get()?;
    if let Some(declared) = scope.sinks.get(name.as_str()) {
        return declared.clone().map(Sink::Pushgateway);
    }
    if scope.further_sinks.contains_key(name.as_str()) {
        let message = format!("`{name}` is not a Pushgateway, which a job's `sink` is");
        scope.mistake(file, &entry.span, message, |mistake| {
            mistake.help(format!("write `also_to: [{name}]`, and a Pushgateway for `sink`"))
        });
        return None;
    }
    scope.unknown(file, entry.span.clone(), "sink", name, |scope| {
        suggest::remedy(name, scope.sinks.keys().copied(), "sinks", "declare it under `sinks`")
    });
    None
}

/// Where a job's series also go: what it says itself, or what its defaults say.
pub(super) fn further(
    scope: &mut Scope<'_>,
    file: &File,
    spec: &JobSpec,
    defaults: Option<(&File, &Entry<Vec<Entry<String>>>)>,
) -> Vec<sinks::Sink> {
    let Some((file, entry)) = spec.also_to.as_ref().map(|entry| (file, entry)).or(defaults) else {
        return Vec::new();
    };
    let mut further: Vec<sinks::Sink> = Vec::new();
    for entry in entry.get().into_iter().flatten() {
        let Some(name) = entry.get() else { continue };
        if let Some(declared) = scope.further_sinks.get(name.as_str()) {
            let twice = further.iter().any(|sink| sink.name == *name);
            further.extend(declared.clone().filter(|_| !twice));
            if twice {
                let message = format!("the series go to `{name}` already");
                scope.mistake(file, &entry.span, message, |mistake| mistake.help("remove one of them"));
            }
        } else if scope.sinks.contains_key(name.as_str()) {
            let message = format!("`{name}` is a Pushgateway, of which a job has one");
            scope.mistake(file, &entry.span, message, |mistake| {
                mistake.help("name it as the job's `sink`, or remove it")
            });
        } else {
            scope.unknown(file, entry.span.clone(), "sink", name, |scope| {
                let names = scope.further_sinks.keys().copied();
                suggest::remedy(name, names, "sinks besides Pushgateways", "declare it under `sinks`")
            });
        }
    }
    further
}

fn implied(scope: &mut Scope<'_>, file: &File, spec: &JobSpec) -> Option<Sink> {
    if let Some(declared) = scope.sinks.get(DEFAULT) {
        return declared.clone().map(Sink::Pushgateway);
    }
    let mut sinks = scope.sinks.values();
    match (sinks.next(), sinks.next()) {
        (Some(only), None) => only.clone().map(Sink::Pushgateway),
        (None, _) => {
            let span = spec.name.as_ref().map_or(0..0, |name| name.span.clone());
            let url = scope.template(file, &Entry::new(span, DEFAULT_URL.to_owned()))?;
            Some(Sink::Pushgateway(undeclared(url)))
        }
        (Some(_), Some(_)) => {
            let names: Vec<_> = scope.sinks.keys().copied().collect();
            let span = spec.name.as_ref().map_or(0..0, |name| name.span.clone());
            let help = format!(
                "say `sink: NAME`, or name one of them `{DEFAULT}`; the sinks are {}",
                names.join(", ")
            );
            scope.mistake(file, &span, "the job does not say which sink it pushes to", |mistake| {
                mistake.help(help)
            });
            None
        }
    }
}

/// The sink where none is declared.
fn undeclared(url: Template) -> PushgatewaySink {
    PushgatewaySink {
        name: DEFAULT.to_owned(),
        url,
        auth: SinkAuth::None,
        ca_file: None,
        timeout: DEFAULT_TIMEOUT,
        grouping: Vec::new(),
        series_budget: DEFAULT_SERIES_BUDGET,
    }
}

/// Every sink, whether a job uses it or not.
pub(super) fn all(scope: &Scope<'_>) -> Vec<PushgatewaySink> {
    if scope.sinks.is_empty() {
        return Template::parse(DEFAULT_URL).map(undeclared).into_iter().collect();
    }
    scope.sinks.values().flatten().cloned().collect()
}

fn resolve_pushgateway(
    scope: &mut Scope<'_>,
    file: &File,
    name: &str,
    entry: &Entry<PushgatewaySpec>,
) -> Option<PushgatewaySink> {
    let spec = entry.get()?;
    let Some(url) = &spec.url else {
        scope.mistake(
            file,
            &entry.span,
            format!("the sink `{name}` needs a `url`"),
            |mistake| mistake.help("add `url: 'https://pushgateway.example.com'`, or one with placeholders"),
        );
        return None;
    };
    scope.check_http_url(file, url, "a Pushgateway's URL");
    let url = scope.template(file, url)?;
    let auth = auth(scope, file, name, entry)?;
    let ca_file = scope.optional_path(file, spec.ca_file.as_ref())?;
    let timeout = first([spec.timeout.as_ref()]).map_or(DEFAULT_TIMEOUT, |DurationText(timeout)| *timeout);
    let grouping = grouping(scope, file, spec)?;
    let series_budget = first([spec.series_budget.as_ref()]).map_or(DEFAULT_SERIES_BUDGET, |budget| {
        usize::try_from(budget.0).unwrap_or(usize::MAX)
    });
    Some(PushgatewaySink {
        name: name.to_owned(),
        url,
        auth,
        ca_file,
        timeout,
        grouping,
        series_budget,
    })
}

fn auth(scope: &mut Scope<'_>, file: &File, name: &str, entry: &Entry<PushgatewaySpec>) -> Option<SinkAuth> {
    let spec = entry.get()?;
    match (&spec.basic, &spec.bearer) {
        (None, None) => Some(SinkAuth::None),
        (None, Some(token)) => scope.secret(file, token, "the token").map(SinkAuth::Bearer),
        (Some(basic), None) => {
            let (username, password) = scope.basic(file, basic)?;
            Some(SinkAuth::Basic { username, password })
        }
        (Some(basic), Some(_)) => {
            let message = format!("the sink `{name}` has both `basic` and `bearer`");
            scope.mistake(file, &basic.span, message, |mistake| mistake.help("remove one of them"));
            None
        }
    }
}

fn grouping(scope: &mut Scope<'_>, file: &File, spec: &PushgatewaySpec) -> Option<Vec<(String, String)>> {
    let Some(entry) = &spec.grouping else {
        return Some(Vec::new());
    };
    let Mapping(entries) = entry.get()?;
    let mut grouping = BTreeMap::new();
    for (label, value) in entries {
        let name = label.get()?;
        let problem = if name == JOB_LABEL {
            Some(format!(
                "`{name}` tells Fanlight's own groups apart and cannot be part of the grouping key"
            ))
        } else {
            names::label_name_problem(name, &[])
        };
        if let Some(problem) = problem {
            scope.mistake(file, &label.span, problem, |mistake| mistake);
        }
        grouping.insert(name.clone(), value.get()?.clone());
    }
    Some(grouping.into_iter().collect())
}
