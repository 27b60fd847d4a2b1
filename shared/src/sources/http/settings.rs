//! The source's settings, from the YAML to what runs.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Auth, OAuth2, Source, Target};
use crate::config::{BasicSpec, Count, DurationText, Entry, File, Mapping, Mistake, Scope};
use crate::placeholders::Template;

const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BYTES: u64 = 1024 * 1024;
/// The tree of a page takes several times its bytes, and a function has little memory.
const MOST_BYTES: u64 = 32 * 1024 * 1024;
const CONCURRENCY: u64 = 4;
const MOST_CONCURRENCY: u64 = 32;
/// Each target has series of its own among the job's self-metrics.
const MOST_TARGETS: usize = 100;
const CREDENTIALS: &str = "one of `basic`, `bearer` and `oauth2`";

/// Services that answer over HTTP: with a health page, or with JSON.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HttpSpec")]
pub(crate) struct SourceSpec {
    /// `https://host:port/prefix` of the one service, with placeholders.
    url: Option<Entry<String>>,
    /// Several services instead of one: the URL of each by its name, which is the column `target` of its rows.
    targets: Option<Entry<Mapping<String>>>,
    /// Basic authentication.
    basic: Option<Entry<BasicSpec>>,
    /// A bearer token, normally a placeholder.
    bearer: Option<Entry<String>>,
    /// A bearer token from an OAuth 2.0 token endpoint, by the client credentials grant.
    oauth2: Option<Entry<OAuth2Spec>>,
    /// Headers with a fixed value, such as an API key.
    headers: Option<Entry<Mapping<String>>>,
    /// A file with certificates to trust besides the public ones, relative to this one.
    ca_file: Option<Entry<String>>,
    /// The most that a page may take, to its last byte. Default: 10s.
    timeout: Option<Entry<DurationText>>,
    /// A page of more bytes fails. Default: 1048576; 33554432 at most.
    max_bytes: Option<Entry<Count>>,
    /// How many pages are fetched at the same time. Default: 4; 32 at most.
    concurrency: Option<Entry<Count>>,
}

/// OAuth 2.0 client credentials.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OAuth2Spec {
    /// The token endpoint, `https://host/path`, with placeholders.
    #[schemars(required)]
    token_url: Option<Entry<String>>,
    /// The client's identifier.
    #[schemars(required)]
    client_id: Option<Entry<String>>,
    /// The client's secret, normally a placeholder.
    #[schemars(required)]
    client_secret: Option<Entry<String>>,
    /// What the token is to allow, separated by spaces.
    scope: Option<Entry<String>>,
    /// Further parameters that the token endpoint wants, such as `audience`.
    parameters: Option<Entry<Mapping<String>>>,
    /// Where identifier and secret go: into the Authorization `header` (default), or into the `body`.
    client_auth: Option<Entry<ClientAuth>>,
}

/// Where a client's identifier and secret go (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientAuth {
    /// Into the Authorization header, as basic authentication.
    #[default]
    Header,
    /// Into the body.
    Body,
}

/// One service without credentials.
pub(super) fn from_url(scope: &mut Scope<'_>, file: &File, url: &Entry<String>) -> Option<Source> {
    Some(Source {
        targets: vec![target(scope, file, None, url)?],
        auth: Auth::None,
        headers: Vec::new(),
        ca_file: None,
        timeout: TIMEOUT,
        max_bytes: to_size(MAX_BYTES),
        concurrency: to_size(CONCURRENCY),
    })
}

/// Resolves every part before it gives up, so that all mistakes are told at once.
pub(super) fn resolve(scope: &mut Scope<'_>, file: &File, entry: &Entry<SourceSpec>) -> Option<Source> {
    let spec = entry.get()?;
    let targets = targets(scope, file, entry, spec);
    let auth = auth(scope, file, spec);
    let headers = scope.headers(file, spec.headers.as_ref());
    let ca_file = scope.optional_path(file, spec.ca_file.as_ref());
    let max_bytes = at_most(scope, file, spec.max_bytes.as_ref(), MOST_BYTES).unwrap_or(MAX_BYTES);
    let concurrency = at_most(scope, file, spec.concurrency.as_ref(), MOST_CONCURRENCY).unwrap_or(CONCURRENCY);
    if !matches!(auth, Some(Auth::None)) || spec.headers.is_some() {
        let several = spec.targets.as_ref().and_then(Entry::get);
        let urls = several
            .into_iter()
            .flat_map(|Mapping(entries)| entries.iter().map(|(_, url)| url));
        for url in urls.chain(&spec.url) {
            warn_of_clear_text(scope, file, url);
        }
    }
    Some(Source {
        targets: targets?,
        auth: auth?,
        headers: headers?,
        ca_file: ca_file?,
        timeout: spec
            .timeout
            .as_ref()
            .map_or(Some(TIMEOUT), |entry| entry.get().map(|length| length.0))?,
        max_bytes: to_size(max_bytes),
        concurrency: to_size(concurrency),
    })
}

fn targets(scope: &mut Scope<'_>, file: &File, entry: &Entry<SourceSpec>, spec: &SourceSpec) -> Option<Vec<Target>> {
    let (entry, Mapping(entries)) = match (&spec.url, &spec.targets) {
        (Some(url), None) => return Some(vec![target(scope, file, None, url)?]),
        (None, Some(targets)) => (targets, targets.get()?),
        (None, None) => {
            scope.mistake(
                file,
                &entry.span,
                "an HTTP source needs a `url`, or `targets`",
                |mistake| {
                    mistake
                        .help("add `url: 'https://service.example'`, or `targets: {NAME: 'https://service.example'}`")
                },
            );
            return None;
        }
        (Some(_), Some(targets)) => {
            scope.mistake(file, &targets.span, "there is both a `url` and `targets`", |mistake| {
                mistake.help("give the one service a name among the `targets`")
            });
            return None;
        }
    };
    if entries.is_empty() || entries.len() > MOST_TARGETS {
        let message = format!("a source has from 1 to {MOST_TARGETS} targets");
        scope.mistake(file, &entry.span, message, |mistake| {
            mistake.help("put the others into another source, and into a job of their own")
        });
        return None;
    }
    let mut targets: BTreeMap<&str, Target> = BTreeMap::new();
    for (name, url) in entries {
        let text = name.get()?;
        if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
            let message = "a target's name has from 1 to 128 bytes and no control characters";
            scope.mistake(file, &name.span, message, |mistake| mistake);
        }
        targets.insert(text, target(scope, file, Some(text), url)?);
    }
    Some(targets.into_values().collect())
}

fn target(scope: &mut Scope<'_>, file: &File, name: Option<&str>, url: &Entry<String>) -> Option<Target> {
    scope.check_http_url(file, url, "a target's URL");
    Some(Target {
        name: name.map(str::to_owned),
        url: scope.template(file, url)?,
    })
}

fn auth(scope: &mut Scope<'_>, file: &File, spec: &SourceSpec) -> Option<Auth> {
    match (&spec.basic, &spec.bearer, &spec.oauth2) {
        (None, None, None) => Some(Auth::None),
        (Some(basic), None, None) => {
            let (username, password) = scope.basic(file, basic)?;
            Some(Auth::Basic { username, password })
        }
        (None, Some(token), None) => scope.secret(file, token, "the token").map(Auth::Bearer),
        (None, None, Some(oauth2)) => self::oauth2(scope, file, oauth2).map(Auth::OAuth2),
        (basic, bearer, oauth2) => {
            let spans = [
                basic.as_ref().map(|entry| &entry.span),
                bearer.as_ref().map(|entry| &entry.span),
                oauth2.as_ref().map(|entry| &entry.span),
            ];
            if let Some(second) = spans.into_iter().flatten().nth(1) {
                scope.mistake(file, second, format!("a source has {CREDENTIALS}"), |mistake| {
                    mistake.help("remove the others")
                });
            }
            None
        }
    }
}

fn oauth2(scope: &mut Scope<'_>, file: &File, entry: &Entry<OAuth2Spec>) -> Option<OAuth2> {
    let spec = entry.get()?;
    let (Some(token_url), Some(client_id), Some(client_secret)) =
        (&spec.token_url, &spec.client_id, &spec.client_secret)
    else {
        let message = "`oauth2` needs `token_url`, `client_id` and `client_secret`";
        scope.mistake(file, &entry.span, message, |mistake| mistake);
        return None;
    };
    scope.check_http_url(file, token_url, "a token endpoint's URL");
    warn_of_clear_text(scope, file, token_url);
    let token_url = scope.template(file, token_url);
    let client_id = scope.template(file, client_id);
    let client_secret = scope.secret(file, client_secret, "the client's secret");
    let mut parameters: BTreeMap<String, Template> = BTreeMap::new();
    if let Some(text) = &spec.scope {
        parameters.insert("scope".to_owned(), scope.template(file, text)?);
    }
    if let Some(further) = &spec.parameters {
        for (name, value) in &further.get()?.0 {
            let text = name.get()?;
            if matches!(text.as_str(), "grant_type" | "client_id" | "client_secret" | "scope") {
                let message = format!("`{text}` is not among the further parameters");
                scope.mistake(file, &name.span, message, |mistake| {
                    mistake.help("`client_id`, `client_secret` and `scope` are keys of `oauth2`; the grant is fixed")
                });
            }
            parameters.insert(text.clone(), scope.template(file, value)?);
        }
    }
    Some(OAuth2 {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        parameters: parameters.into_iter().collect(),
        client_auth: spec
            .client_auth
            .as_ref()
            .map_or(Some(ClientAuth::default()), |entry| entry.get().copied())?,
    })
}

/// A number that may not be larger than `most`; `None` where it is not given, or has a mistake.
fn at_most(scope: &mut Scope<'_>, file: &File, entry: Option<&Entry<Count>>, most: u64) -> Option<u64> {
    let entry = entry?;
    let Count(number) = *entry.get()?;
    if number > most {
        scope.mistake(file, &entry.span, format!("{most} is the most here"), |mistake| mistake);
    }
    Some(number)
}

fn warn_of_clear_text(scope: &mut Scope<'_>, file: &File, url: &Entry<String>) {
    let Some(host) = url.get().and_then(|text| text.strip_prefix("http://")) else {
        return;
    };
    if ["localhost", "127.", "[::1]"].iter().any(|own| host.starts_with(own)) {
        return;
    }
    let warning = Mistake::warning(&file.path, url.span.clone(), "credentials travel there in clear text");
    scope.report(warning.help("use `https://`"));
}

fn to_size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
