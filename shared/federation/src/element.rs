//! One element of an instant vector, read from its complete JSON.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Broken;
use super::union::HELPER;

/// What an element of the vector is to a format that knows floats with names alone.
#[derive(Debug)]
pub(super) enum Element<'a> {
    Sample(Sample<'a>),
    /// A native histogram.
    Histogram,
    /// A series without a name.
    Nameless,
}

/// A float sample.
#[derive(Debug)]
pub(super) struct Sample<'a> {
    pub(super) name: Cow<'a, str>,
    /// In the order of the answer, without the name.
    pub(super) labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The time as the answer has it.
    pub(super) time: &'a str,
    /// A JSON number, `NaN`, `+Inf` or `-Inf`.
    pub(super) value: Cow<'a, str>,
}

impl Sample<'_> {
    pub(super) fn is_finite(&self) -> bool {
        !matches!(&*self.value, "NaN" | "+Inf" | "-Inf")
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    metric: Labels<'a>,
    #[serde(borrow)]
    value: Option<(&'a RawValue, Text<'a>)>,
    histogram: Option<IgnoredAny>,
}

/// Reads an element from JSON that is known to be valid.
pub(super) fn read(json: &[u8]) -> Result<Element<'_>, Broken> {
    // A struct could be read from an array, too.
    if json.first() != Some(&b'{') {
        return Err(Broken::Sample);
    }
    let fields: Fields<'_> = serde_json::from_slice(json).map_err(|_| Broken::Sample)?;
    let Some((time, Text(value))) = fields.value else {
        return fields.histogram.map(|_| Element::Histogram).ok_or(Broken::Sample);
    };
    if !time
        .get()
        .starts_with(|first: char| first == '-' || first.is_ascii_digit())
    {
        return Err(Broken::Sample);
    }
    if !is_float(&value) {
        return Err(Broken::Value);
    }
    let Labels { name, labels } = fields.metric;
    // An empty label is an absent one to Prometheus.
    Ok(match name.filter(|name| !name.is_empty()) {
        None => Element::Nameless,
        Some(name) => Element::Sample(Sample {
            name,
            labels,
            time: time.get(),
            value,
        }),
    })
}

/// Whether the text is what Prometheus writes for a float. It must be a number in JSON, and one that floats can hold.
fn is_float(text: &str) -> bool {
    matches!(text, "NaN" | "+Inf" | "-Inf")
        || text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
            && text.ends_with(|last: char| last.is_ascii_digit())
            && serde_json::from_str::<f64>(text).is_ok_and(f64::is_finite)
}

/// Milliseconds since 1970 of a JSON number of seconds.
pub(super) fn milliseconds(seconds: &str) -> Result<i64, Broken> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits = |text: &str, most| text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    let milliseconds = if digits(whole, 12) && digits(fraction, 3) {
        format!("{whole}{fraction:0<3}").parse().map_err(|_| Broken::Time)?
    } else {
        let seconds: f64 = seconds.parse().map_err(|_| Broken::Time)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the cast saturates, and the end of the range is refused"
        )]
        let milliseconds = (seconds * 1e3).round() as i64;
        milliseconds
    };
    // The last millisecond of the year 9999.
    if (0..=253_402_300_799_999).contains(&milliseconds) {
        Ok(milliseconds)
    } else {
        Err(Broken::Time)
    }
}

#[derive(Default)]
struct Labels<'a> {
    name: Option<Cow<'a, str>>,
    labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Labels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seed;
        impl<'de> Visitor<'de> for Seed {
            type Value = Labels<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels<'de>, A::Error> {
                let mut read = Labels::default();
                while let Some((Text(label), Text(value))) = map.next_entry()? {
                    match &*label {
                        "__name__" if read.name.is_some() => {
                            return Err(serde::de::Error::duplicate_field("__name__"));
                        }
                        "__name__" => read.name = Some(value),
                        HELPER => {}
                        "" => return Err(serde::de::Error::custom("empty label name")),
                        _ => read.labels.push((label, value)),
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Seed)
    }
}

/// A string, in which a surrogate without its other half is U+FFFD as in Go.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seed;
        impl<'de> Visitor<'de> for Seed {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_bytes<E: serde::de::Error>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
                let text = std::str::from_utf8(bytes).map_err(E::custom)?;
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
                let text = String::from_utf8(bytes.to_vec()).or_else(|_| String::from_utf8(without_surrogates(bytes)));
                Ok(Text(Cow::Owned(text.map_err(E::custom)?)))
            }
        }
        // As a string, serde_json would refuse lone surrogates.
        deserializer.deserialize_bytes(Seed)
    }
}

/// Replaces surrogates, which stand there encoded like other code points, by U+FFFD, which is as long.
fn without_surrogates(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(char) = bytes.get_mut(at..at + 3) {
        // No other character starts so: U+D7FF is ED 9F BF.
        if let [0xed, 0xa0..=0xbf, _] = char {
            char.copy_from_slice("\u{fffd}".as_bytes());
        }
        at += 1;
    }
    bytes
}
