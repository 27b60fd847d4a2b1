//! A token's record: by what it is known, whose series it opens, from where and until when.
//!
//! As JSON, with `origins` and `plan` optional:
//! `{"id": "2026-11-21-k7Qw2L", "sha256": "<64 hexadecimal digits>", "client": "acme", "organisations": ["acme-fr"],
//! "origins": ["203.0.113.0/24"], "expires": "2027-06-30T00:00:00Z", "plan": "standard"}`.
//!
//! Every record says when it ends: a token that nobody has to think of again is one that nobody misses when it is lost.
//! The record of a reader of dashboards has no `organisations` and no `plan`.
//!
//! A field that is not known makes a record unusable, since a misspelt `origins` must not mean "from anywhere".

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::object::{Object, Repeated};
use super::origin::Origin;
use super::records::Opens;
use super::token::TokenHash;
use crate::config::metrics_api::DEFAULT_PLAN;
use crate::suggest::closest;

const FIELDS: [&str; 7] = ["id", "sha256", "client", "organisations", "origins", "expires", "plan"];
/// Of these, the ones that a reader of dashboards has not: he may read no series.
const OF_SERIES: [&str; 2] = ["organisations", "plan"];
/// What is logged must not fill the log.
const LONGEST_ID: usize = 64;
const LONGEST_CLIENT: usize = 128;

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// A name for the token that may be logged: letters, digits, `.`, `_` and `-`.
    pub id: String,
    /// By what the token is known.
    pub hash: TokenHash,
    /// Whom it was made for.
    pub client: String,
    /// Whose series it opens; at least one, and none where it opens the dashboards.
    pub organisations: Vec<String>,
    /// From where it may be used; `None` for anywhere.
    pub origins: Option<Vec<Origin>>,
    /// From when on it is worth nothing, in whole seconds.
    pub expires: Timestamp,
    /// The name of its plan; empty where it opens the dashboards.
    pub plan: String,
}

/// What is wrong with a record. Shows names of fields, never their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Not a JSON object.
    #[error("is no JSON object")]
    NotAnObject,
    /// A field that nobody reads.
    #[error("has an unknown field{name}{}", suggestion.map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    Unknown {
        /// Its name with a space before it; nothing where it might be something else than a name.
        name: String,
        /// The field that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// A field of a customer's record where a reader of dashboards is meant.
    #[error("has a field `{0}`, which opens series, and a reader of dashboards may read none: remove it")]
    OfSeries(&'static str),
    /// A field that stands there twice.
    #[error("has the field `{0}` twice")]
    Repeated(&'static str),
    /// A field that must be there and is not.
    #[error("has no field `{0}`")]
    Missing(&'static str),
    /// A field with something that it cannot hold.
    #[error("has a field `{field}` that is not {expected}")]
    Malformed {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A value that another record has too, so that neither can be used.
    #[error("has the same `{0}` as another record")]
    Shared(&'static str),
}

/// A flaw, and the text in which it lies.
pub(super) struct Found<'t> {
    pub(super) flaw: Flaw,
    pub(super) at: &'t str,
}

impl Record {
    /// Reads the text of one record.
    pub(super) fn read<'t>(text: &'t RawValue, opens: Opens, id: &mut Option<String>) -> Result<Self, Found<'t>> {
        let whole = |flaw| Found { flaw, at: text.get() };
        let object: Object<&RawValue> = serde_json::from_str(text.get()).map_err(|_| whole(Flaw::NotAnObject))?;
        let fields = match object.fields() {
            Ok(fields) => Fields { fields, record: text },
            Err(Repeated(name)) => {
                return Err(whole(match FIELDS.into_iter().find(|field| *field == name) {
                    Some(field) => Flaw::Repeated(field),
                    None => unknown(opens, &name),
                }));
            }
        };
        // First, so that whatever is wrong with the others can be told with it.
        let known = fields.get("id", "1 to 64 letters, digits, `.`, `_` or `-`", |id: String| {
            is_id(&id).then_some(id)
        })?;
        *id = Some(known.clone());
        if let Some((name, value)) = fields.fields.iter().find(|(name, _)| !has(opens, name)) {
            return Err(Found {
                flaw: unknown(opens, name),
                at: value.get(),
            });
        }
        let of_series = opens == Opens::Series;
        let origins = "a list of addresses and networks such as [\"203.0.113.0/24\"], \
                       at least one (leave it out for anywhere)";
        Ok(Self {
            id: known,
            hash: fields.get("sha256", "64 hexadecimal digits", |hex: String| TokenHash::parse(&hex))?,
            client: fields.get(
                "client",
                "a text of 1 to 128 characters without `:`",
                |client: String| is_client(&client).then_some(client),
            )?,
            organisations: if of_series {
                fields.get(
                    "organisations",
                    "a list of texts, at least one",
                    |names: Vec<String>| {
                        let usable = !names.is_empty() && names.iter().all(|name| !name.is_empty());
                        usable.then_some(names)
                    },
                )?
            } else {
                Vec::new()
            },
            origins: fields.optional("origins", origins, |origins: Vec<String>| {
                let origins: Option<Vec<Origin>> = origins.iter().map(|origin| origin.parse().ok()).collect();
                origins.filter(|origins| !origins.is_empty())
            })?,
            expires: fields.get(
                "expires",
                "a point in time such as \"2027-06-30T00:00:00Z\"",
                |time: String| Timestamp::from_second(time.parse::<Timestamp>().ok()?.as_second()).ok(),
            )?,
            plan: fields
                .optional("plan", "a plan's name", |plan: String| {
                    (!plan.is_empty()).then_some(plan)
                })?
                .unwrap_or_else(|| {
                    if of_series {
                        DEFAULT_PLAN.to_owned()
                    } else {
                        String::new()
                    }
                }),
        })
    }

    /// The record as it is stored.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut record = json!({
            "id": self.id,
            "sha256": self.hash.to_hex(),
            "client": self.client,
            "expires": self.expires.to_string(),
        });
        if !self.organisations.is_empty() {
            record["organisations"] = self.organisations.as_slice().into();
            record["plan"] = self.plan.as_str().into();
        }
        if let Some(origins) = &self.origins {
            record["origins"] = origins.iter().map(ToString::to_string).collect();
        }
        record
    }

    /// Whether the token may be used from there.
    pub(super) fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        match (&self.origins, address) {
            (None, _) => true,
            (Some(origins), Some(address)) => origins.iter().any(|origin| origin.contains(address)),
            (Some(_), None) => false,
        }
    }
}

/// Whether a text may be a record's name.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(plain)
}

/// Whether a text may be a client's name, which is also the user name of basic authentication (RFC 7617 has no `:` in
/// it).
#[must_use]
pub fn is_client(text: &str) -> bool {
    is_name(text) && !text.contains(':')
}

/// Whether a text can name somebody, in a log too.
pub(super) fn is_name(text: &str) -> bool {
    (1..=LONGEST_CLIENT).contains(&text.chars().count()) && !text.contains(char::is_control)
}

/// Whether a record of this kind has such a field.
fn has(opens: Opens, field: &str) -> bool {
    FIELDS.contains(&field) && (opens == Opens::Series || !OF_SERIES.contains(&field))
}

fn unknown(opens: Opens, name: &str) -> Flaw {
    if let Some(field) = OF_SERIES.into_iter().find(|field| *field == name) {
        return Flaw::OfSeries(field);
    }
    // Somebody may have pasted a token where a name belongs.
    let shown = name.len() <= 24 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let known = || FIELDS.into_iter().filter(|field| has(opens, field));
    Flaw::Unknown {
        name: if shown { format!(" `{name}`") } else { String::new() },
        suggestion: closest(name, known()).and_then(|near| known().find(|field| *field == near)),
    }
}

struct Fields<'t> {
    fields: BTreeMap<String, &'t RawValue>,
    record: &'t RawValue,
}

impl<'t> Fields<'t> {
    fn get<T: DeserializeOwned, U>(
        &self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(T) -> Option<U>,
    ) -> Result<U, Found<'t>> {
        self.optional(field, expected, read)?.ok_or(Found {
            flaw: Flaw::Missing(field),
            at: self.record.get(),
        })
    }

    /// The field's value; one that is `null` is there, and malformed.
    fn optional<T: DeserializeOwned, U>(
        &self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(T) -> Option<U>,
    ) -> Result<Option<U>, Found<'t>> {
        let Some(value) = self.fields.get(field) else {
            return Ok(None);
        };
        match serde_json::from_str(value.get()).ok().and_then(read) {
            Some(value) => Ok(Some(value)),
            None => Err(Found {
                flaw: Flaw::Malformed { field, expected },
                at: value.get(),
            }),
        }
    }
}
