//! The Metrics API: its upstream, what every selector carries, its plans, and who may call.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;

use super::{Scope, first};
use crate::config::Declared;
use crate::config::document::{
    AuthorizerSpec, Count, DurationText, IssuerSpec, LabelSpec, MetricsApiSpec, PlanSpec, SigV4Spec, UpstreamSpec,
};
use crate::config::folder::File;
use crate::config::metrics_api::{
    Algorithm, Authorizer, Claim, ClientCertificate, Conflict, DEFAULT_PLAN, Issuer, LabelRule, LabelSource,
    MetricsApi, Plan, UpstreamAuth, UpstreamSettings,
};
use crate::config::mistake::Mistake;
use crate::config::read::{Entry, Mapping};
use crate::promql::{Characters, EnforcedLabel, Limits, OnConflict};
use crate::suggest;

/// What `sigv4` signs for where nothing else is said: Amazon Managed Service for Prometheus.
const SIGNED_SERVICE: &str = "aps";
const UPSTREAM_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(25);
pub(super) fn resolve(scope: &mut Scope<'_>, files: &[File]) -> Declared {
    let mut declared = Declared::Nothing;
    for file in files {
        if file.is_shared() && file.flawed {
            // It may be what could not be read.
            declared = Declared::Flawed;
        }
        let Some(entry) = &file.document.metrics_api else {
            continue;
        };
        if !file.is_shared() {
            scope.mistake(
                file,
                &entry.span,
                "only `fanlight.yaml` says what the Metrics API serves",
                |mistake| mistake.help("move `metrics_api` there"),
            );
            declared = Declared::Flawed;
            continue;
        }
        let before = scope.report.mistakes_told();
        let metrics_api = entry.get().and_then(|spec| api(scope, file, &entry.span, spec));
        declared = match metrics_api {
            Some(api) if !file.flawed && entry.problems == 0 && scope.report.mistakes_told() == before => {
                Declared::Right(Box::new(api))
            }
            _ => Declared::Flawed,
        };
    }
    declared
}

/// Resolves every part before it gives up, so that all mistakes are told at once.
fn api(scope: &mut Scope<'_>, file: &File, span: &Range<usize>, spec: &MetricsApiSpec) -> Option<MetricsApi> {
    let upstream = required(scope, file, span, "metrics_api", "upstream", spec.upstream.as_ref())
        .and_then(|entry| upstream(scope, file, entry));
    let labels = required(scope, file, span, "metrics_api", "labels", spec.labels.as_ref())
        .and_then(|entry| labels(scope, file, entry));
    let plans = plans(scope, file, spec.plans.as_ref());
    let authorizer = required(scope, file, span, "metrics_api", "authorizer", spec.authorizer.as_ref())
        .and_then(|entry| authorizer(scope, file, entry, &plans));
    Some(MetricsApi {
        upstream: upstream?,
        labels: labels?,
        exemplars: first([spec.exemplars.as_ref()]).copied().unwrap_or_default(),
        plans,
        authorizer: authorizer?,
    })
}

/// A key that must be there.
fn required<'e, T>(
    scope: &mut Scope<'_>,
    file: &File,
    owner: &Range<usize>,
    what: &str,
    key: &str,
    entry: Option<&'e Entry<T>>,
) -> Option<&'e Entry<T>> {
    if entry.is_none() {
        let message = format!("`{what}` needs `{key}`");
        scope.mistake(file, &(owner.start..owner.start), message, |mistake| mistake);
    }
    entry
}

fn upstream(scope: &mut Scope<'_>, file: &File, entry: &Entry<UpstreamSpec>) -> Option<UpstreamSettings> {
    let spec = entry.get()?;
    let url = required(scope, file, &entry.span, "upstream", "url", spec.url.as_ref())?;
    scope.check_http_url(file, url, "an upstream's URL");
    if let Some(base) = url.get().and_then(|text| text.find("/api/v1").map(|at| &text[..at])) {
        let message = "an upstream's URL ends before `/api/v1`, which is added with each request";
        let help = format!("write `{base}`");
        scope.mistake(file, &url.span, message, |mistake| mistake.help(help));
    }
    let url = scope.template(file, url);
    let auth = upstream_auth(scope, file, entry, spec);
    let headers = scope.headers(file, spec.headers.as_ref());
    let ca_file = scope.optional_path(file, spec.ca_file.as_ref());
    let client_certificate = client_certificate(scope, file, spec);
    let timeout = first([spec.timeout.as_ref()]).map_or(UPSTREAM_TIMEOUT, |DurationText(timeout)| *timeout);
    Some(UpstreamSettings {
        url: url?,
        auth: auth?,
        headers: headers?,
        ca_file: ca_file?,
        client_certificate: client_certificate?,
        timeout,
    })
}

fn upstream_auth(
    scope: &mut Scope<'_>,
    file: &File,
    entry: &Entry<UpstreamSpec>,
    spec: &UpstreamSpec,
) -> Option<UpstreamAuth> {
    match (&spec.basic, &spec.bearer, &spec.sigv4) {
        (None, None, None) => Some(UpstreamAuth::None),
        (Some(basic), None, None) => {
            let (username, password) = scope.basic(file, basic)?;
            Some(UpstreamAuth::Basic { username, password })
        }
        (None, Some(token), None) => scope.secret(file, token, "the token").map(UpstreamAuth::Bearer),
        (None, None, Some(sigv4)) => {
            let SigV4Spec { region, service, role } = sigv4.get()?;
            let text = |entry: &Option<Entry<String>>| first([entry.as_ref()]).cloned();
            Some(UpstreamAuth::SigV4 {
                region: text(region),
                service: text(service).unwrap_or_else(|| SIGNED_SERVICE.to_owned()),
                role: text(role),
            })
        }
        _ => {
            let message = "the upstream has more than one of `basic`, `bearer` and `sigv4`";
            scope.mistake(file, &entry.span, message, |mistake| mistake.help("keep one of them"));
            None
        }
    }
}

#[expect(clippy::option_option, reason = "the outer one is whether to go on")]
fn client_certificate(scope: &mut Scope<'_>, file: &File, spec: &UpstreamSpec) -> Option<Option<ClientCertificate>> {
    match (&spec.client_certificate, &spec.client_key) {
        (None, None) => Some(None),
        (Some(certificate), Some(key)) => {
            let certificate = scope.template(file, certificate);
            let key = scope.secret(file, key, "the private key");
            Some(Some(ClientCertificate {
                certificate: certificate?,
                key: key?,
            }))
        }
        (Some(only), None) | (None, Some(only)) => {
            let message = "`client_certificate` and `client_key` go together";
            scope.mistake(file, &only.span, message, |mistake| mistake);
            None
        }
    }
}

fn labels(scope: &mut Scope<'_>, file: &File, entry: &Entry<Vec<Entry<LabelSpec>>>) -> Option<Vec<LabelRule>> {
    let mut rules: Vec<(String, LabelRule)> = Vec::new();
    let mut whole = true;
    for spec in entry.get()? {
        let Some((name, rule)) = label(scope, file, spec) else {
            whole = false;
            continue;
        };
        if rules.iter().any(|(other, _)| *other == name) {
            let message = format!("the label `{name}` is enforced twice");
            scope.mistake(file, &spec.span, message, |mistake| mistake.help("give it one rule"));
        }
        rules.push((name, rule));
    }
    let rules: Vec<LabelRule> = rules.into_iter().map(|(_, rule)| rule).collect();
    if whole && !rules.iter().any(|rule| matches!(rule, LabelRule::Organisations { .. })) {
        let message = "no label has its values from the caller's organisations, so every caller could read the same";
        scope.mistake(file, &entry.span, message, |mistake| {
            mistake.help("add one such as `{name: organisation_id, from: organisations}`")
        });
    }
    whole.then_some(rules)
}

fn label(scope: &mut Scope<'_>, file: &File, entry: &Entry<LabelSpec>) -> Option<(String, LabelRule)> {
    let spec = entry.get()?;
    let name = required(scope, file, &entry.span, "labels", "name", spec.name.as_ref())?;
    let text = name.get()?.clone();
    let rule = match (&spec.value, &spec.from) {
        (Some(value), None) => {
            unused(scope, file, spec.characters.as_ref(), "characters", "from");
            let on_conflict = match first([spec.on_conflict.as_ref()]).copied().unwrap_or_default() {
                Conflict::Refuse => OnConflict::Refuse,
                Conflict::Override => OnConflict::Override,
            };
            told(
                scope,
                file,
                &value.span,
                EnforcedLabel::fixed(&text, value.get()?, on_conflict),
            )
            .map(LabelRule::Fixed)
        }
        (None, Some(source)) => {
            unused(scope, file, spec.on_conflict.as_ref(), "on_conflict", "value");
            let LabelSource::Organisations = source.get()?;
            let characters = match &spec.characters {
                Some(added) => told(scope, file, &added.span, Characters::with(added.get()?))?,
                None => Characters::default(),
            };
            // With no organisation at all: what may be wrong is the name.
            let nobody = EnforcedLabel::one_of(&text, [""; 0], characters.clone());
            told(scope, file, &name.span, nobody).map(|_| LabelRule::Organisations {
                name: text.clone(),
                characters,
            })
        }
        _ => {
            let message = format!("the label `{text}` needs either `value` or `from`");
            scope.mistake(file, &entry.span, message, |mistake| {
                mistake.help("say `value: external` for a fixed one, or `from: organisations` for the caller's")
            });
            None
        }
    };
    rule.map(|rule| (text, rule))
}

fn unused<T>(scope: &mut Scope<'_>, file: &File, entry: Option<&Entry<T>>, key: &str, needs: &str) {
    if let Some(entry) = entry {
        let message = format!("`{key}` means something only beside `{needs}`");
        scope.mistake(file, &entry.span, message, |mistake| mistake.help("remove it"));
    }
}

/// What a part makes of its value; what it has against it becomes a mistake.
fn told<T, E: Display>(scope: &mut Scope<'_>, file: &File, span: &Range<usize>, result: Result<T, E>) -> Option<T> {
    result
        .map_err(|error| scope.mistake(file, span, error.to_string(), |mistake| mistake))
        .ok()
}

fn plans(scope: &mut Scope<'_>, file: &File, entry: Option<&Entry<Mapping<PlanSpec>>>) -> BTreeMap<String, Plan> {
    let Some(entry) = entry else {
        return BTreeMap::from([(DEFAULT_PLAN.to_owned(), Plan::default())]);
    };
    let mut plans = BTreeMap::new();
    for (name, spec) in entry.get().map(|Mapping(entries)| entries).into_iter().flatten() {
        let (Some(text), Some(spec)) = (name.get(), spec.get()) else {
            continue;
        };
        if plans.insert(text.clone(), plan(scope, file, spec)).is_some() {
            let message = format!("the plan `{text}` is declared a second time");
            scope.mistake(file, &name.span, message, |mistake| mistake);
        }
    }
    if plans.is_empty() {
        scope.mistake(file, &entry.span, "there is no plan", |mistake| {
            mistake.help("declare one, or leave `plans` out for `default` with every limit's default")
        });
    }
    plans
}

fn plan(scope: &mut Scope<'_>, file: &File, spec: &PlanSpec) -> Plan {
    let default = Plan::default();
    let count = |entry: &Option<Entry<Count>>, default: u64| first([entry.as_ref()]).map_or(default, |count| count.0);
    let duration = |entry: &Option<Entry<DurationText>>, default| {
        first([entry.as_ref()]).map_or(default, |DurationText(duration)| *duration)
    };
    let mut small = |entry: &Option<Entry<Count>>, default: u32, most: u32| {
        let value = count(entry, default.into());
        u32::try_from(value)
            .ok()
            .filter(|value| *value <= most)
            .unwrap_or_else(|| {
                let span = entry.as_ref().map_or(0..0, |entry| entry.span.clone());
                let message = format!("{value} is more than the most there may be, {most}");
                scope.mistake(file, &span, message, |mistake| mistake);
                default
            })
    };
    // No plan lets more through than the enforcement is made for, and the upstream's parser endures.
    let most = Limits::default();
    Plan {
        query_bytes: small(&spec.query_bytes, default.query_bytes, most.bytes),
        depth: small(&spec.depth, default.depth, most.depth),
        selectors: small(&spec.selectors, default.selectors, most.selectors),
        requests_per_second: small(&spec.requests_per_second, default.requests_per_second, u32::MAX),
        burst: small(&spec.burst, default.burst, u32::MAX),
        range: duration(&spec.range, default.range),
        reach: duration(&spec.reach, default.reach),
        points: count(&spec.points, default.points),
        step: duration(&spec.step, default.step),
        response_bytes: count(&spec.response_bytes, default.response_bytes),
        time: duration(&spec.time, default.time),
    }
}

fn authorizer(
    scope: &mut Scope<'_>,
    file: &File,
    entry: &Entry<AuthorizerSpec>,
    plans: &BTreeMap<String, Plan>,
) -> Option<Authorizer> {
    let spec = entry.get()?;
    let tokens = match &spec.tokens {
        Some(tokens) => Some(scope.template(file, tokens)?),
        None => None,
    };
    let dashboards = match &spec.dashboards {
        Some(dashboards) => Some(scope.template(file, dashboards)?),
        None => None,
    };
    if let Some(entry) = &spec.dashboards
        && spec.tokens.as_ref().and_then(Entry::get) == entry.get()
    {
        let message = "the records of customers and those of readers of dashboards are the same";
        scope.mistake(file, &entry.span, message, |mistake| {
            mistake.help("give `dashboards` a secret of its own: no customer's token opens them")
        });
    }
    let mut issuers: Vec<Issuer> = Vec::new();
    for entry in spec.issuers.iter().filter_map(Entry::get).flatten() {
        let Some(issuer) = issuer(scope, file, entry, plans) else {
            continue;
        };
        if issuers.iter().any(|other| other.issuer == issuer.issuer) {
            let message = format!("the issuer `{}` is declared a second time", issuer.issuer);
            scope.mistake(file, &entry.span, message, |mistake| mistake);
        }
        issuers.push(issuer);
    }
    if tokens.is_none() && spec.issuers.is_none() {
        scope.mistake(file, &entry.span, "nobody may call", |mistake| {
            mistake.help("add `tokens: '{{API_TOKENS}}'`, or `issuers` of JWTs")
        });
        return None;
    }
    Some(Authorizer {
        tokens,
        dashboards,
        issuers,
    })
}

fn issuer(
    scope: &mut Scope<'_>,
    file: &File,
    entry: &Entry<IssuerSpec>,
    plans: &BTreeMap<String, Plan>,
) -> Option<Issuer> {
    let spec = entry.get()?;
    let issuer = required(scope, file, &entry.span, "issuers", "issuer", spec.issuer.as_ref());
    let audience = required(scope, file, &entry.span, "issuers", "audience", spec.audience.as_ref());
    for url in [issuer, spec.jwks_url.as_ref()].into_iter().flatten() {
        scope.check_http_url(file, url, "an issuer's URL");
        if url.get().is_some_and(|text| text.starts_with("http://")) {
            let message = "whoever sits between can put keys of his own in the place of the issuer's";
            let warning = Mistake::warning(&file.path, url.span.clone(), message);
            scope.report.add(warning.help("use `https://`"));
        }
    }
    if let Some(audience) = audience
        && audience.get().is_some_and(Vec::is_empty)
    {
        scope.mistake(file, &audience.span, "the list names no audience", |mistake| mistake);
    }
    let plan = match &spec.plan {
        Some(plan) => plan.get()?.clone(),
        None => DEFAULT_PLAN.to_owned(),
    };
    if !plans.contains_key(&plan) {
        let span = spec.plan.as_ref().map_or(&entry.span, |plan| &plan.span);
        let help = suggest::remedy(
            &plan,
            plans.keys().map(String::as_str),
            "plans",
            "declare it under `plans`",
        );
        scope.mistake(file, span, format!("there is no plan `{plan}`"), |mistake| {
            mistake.help(help)
        });
    }
    let algorithms = match &spec.algorithms {
        None => vec![Algorithm::RS256, Algorithm::ES256],
        Some(algorithms) => algorithms.get()?.iter().filter_map(Entry::get).copied().collect(),
    };
    if let Some(written) = &spec.algorithms
        && written.get().is_some_and(Vec::is_empty)
    {
        scope.mistake(file, &written.span, "the list names no algorithm", |mistake| mistake);
    }
    let texts = audience.and_then(Entry::get).into_iter().flatten();
    let claims = [&spec.organisations_claim, &spec.client_claim, &spec.plan_claim];
    for entry in texts.chain(claims.into_iter().flatten()) {
        if entry.get().is_some_and(String::is_empty) {
            scope.mistake(file, &entry.span, "a name is missing here", |mistake| mistake);
        }
    }
    let claim = |entry: &Option<Entry<String>>, default: &str| {
        Claim::parse(first([entry.as_ref()]).map_or(default, String::as_str))
    };
    let text = |entry: &Option<Entry<String>>| first([entry.as_ref()]).cloned();
    let ca_file = scope.optional_path(file, spec.ca_file.as_ref())?;
    Some(Issuer {
        issuer: issuer?.get()?.clone(),
        audience: audience?.get()?.iter().filter_map(Entry::get).cloned().collect(),
        jwks_url: text(&spec.jwks_url),
        ca_file,
        algorithms,
        organisations_claim: claim(&spec.organisations_claim, "organisations"),
        client_claim: claim(&spec.client_claim, "sub"),
        plan,
        plan_claim: spec.plan_claim.is_some().then(|| claim(&spec.plan_claim, "")),
    })
}
