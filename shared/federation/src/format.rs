//! The formats an answer can have, and which of them a client asks for.

/// How names are written that are not made of letters, digits, underscores and colons alone.
///
/// The [schemes](https://prometheus.io/docs/instrumenting/escaping_schemes/) are Prometheus' own. Names of the classic
/// characters are never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escaping {
    /// As they are, in quotes: `{"my.metric","a b"="c"}`.
    AllowUtf8,
    /// Every other character is an underscore. Two names may become one.
    #[default]
    Underscores,
    /// A dot is `_dot_`, an underscore `__`, any other character `__`.
    Dots,
    /// `U__` in front, and every other character as its code point in underscores.
    Values,
}

impl Escaping {
    /// The scheme as the `escaping` parameter names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values]
            .into_iter()
            .find(|scheme| scheme.as_str() == name)
    }
}

/// The version of `OpenMetrics` a client reads. What is written is the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMetricsVersion {
    /// 0.0.1, which is meant where no version is given.
    V0_0_1,
    /// 1.0.0.
    V1_0_0,
}

/// What samples are converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Text(Escaping),
    /// `OpenMetrics` text.
    OpenMetrics(OpenMetricsVersion, Escaping),
    /// RFC 4180 with the columns `name,labels,time,value`: the labels as JSON, the time as RFC 3339 in UTC.
    ///
    /// Names are as they are, but one that a spreadsheet could take for a formula, since it begins with `=`, `+`, `-`,
    /// `@` or a control character, has an apostrophe in front. No other cell that the upstream fills can begin so,
    /// apart from negative numbers and `+Inf`. The last row is `fanlight_federate_samples`, without a time.
    Csv,
    /// An object a line: `{"name":..,"labels":{..},"time":..,"value":..}`, with `"NaN"`, `"+Inf"` and `"-Inf"` as
    /// strings. The last line is `fanlight_federate_samples`, whose time is `null`.
    NdJson,
}

impl Default for Format {
    fn default() -> Self {
        Self::Text(Escaping::default())
    }
}

impl Format {
    /// The `Content-Type` of an answer in this format, worded as Prometheus words it.
    #[must_use]
    pub fn content_type(self) -> String {
        match self {
            Self::Text(escaping) => format!(
                "text/plain; version=0.0.4; charset=utf-8; escaping={}",
                escaping.as_str()
            ),
            Self::OpenMetrics(version, escaping) => {
                let version = match version {
                    OpenMetricsVersion::V0_0_1 => "0.0.1",
                    OpenMetricsVersion::V1_0_0 => "1.0.0",
                };
                let escaping = escaping.as_str();
                format!("application/openmetrics-text; version={version}; charset=utf-8; escaping={escaping}")
            }
            Self::Csv => "text/csv; charset=utf-8; header=present".to_owned(),
            Self::NdJson => "application/x-ndjson".to_owned(),
        }
    }
}

/// One media range of an `Accept` header.
struct Range<'a> {
    kind: &'a str,
    version: Option<&'a str>,
    escaping: Option<Escaping>,
    /// Thousandths: RFC 9110 allows three digits.
    quality: u16,
}

impl<'a> Range<'a> {
    /// Reads one range; nothing if it is malformed.
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            kind: parts.next().filter(|kind| kind.contains('/'))?,
            version: None,
            escaping: None,
            quality: 1000,
        };
        for part in parts.filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=')?;
            let value = value.trim().trim_matches('"');
            match key.trim() {
                key if key.eq_ignore_ascii_case("q") => range.quality = quality(value)?,
                key if key.eq_ignore_ascii_case("version") => range.version = Some(value),
                // As in Prometheus, an unknown scheme counts as none.
                key if key.eq_ignore_ascii_case("escaping") => range.escaping = Escaping::named(value),
                _ => {}
            }
        }
        Some(range)
    }

    /// More particular ranges go first where the client likes them equally.
    fn specificity(&self) -> u8 {
        match self.kind.split_once('/') {
            Some(("*", _)) => 0,
            Some((_, "*")) => 1,
            _ => 2,
        }
    }

    fn format(&self, escaping: Escaping) -> Option<Format> {
        let is = |kind: &str| self.kind.eq_ignore_ascii_case(kind);
        let text = is("*/*") || is("text/*") || is("text/plain");
        match self.version {
            None | Some("0.0.4") if text => Some(Format::Text(escaping)),
            None | Some("0.0.1") if is("application/openmetrics-text") => {
                Some(Format::OpenMetrics(OpenMetricsVersion::V0_0_1, escaping))
            }
            Some("1.0.0") if is("application/openmetrics-text") => {
                Some(Format::OpenMetrics(OpenMetricsVersion::V1_0_0, escaping))
            }
            _ if is("text/csv") => Some(Format::Csv),
            _ if is("application/x-ndjson") => Some(Format::NdJson),
            _ => None,
        }
    }
}

/// A weight of RFC 9110, section 12.4.2, in thousandths.
fn quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse::<u16>().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// The format that an `Accept` header asks for.
///
/// The range with the highest weight that can be served wins, the first of equals. What is absent, malformed or unknown
/// leads to the text format 0.0.4, as in Prometheus: its scrapers' headers change with every release. As there too, an
/// `escaping` counts for the ranges after it, since it tells what the client understands.
///
/// ```
/// use federation::{Escaping, Format, negotiate};
///
/// assert_eq!(negotiate(None), Format::Text(Escaping::Underscores));
/// assert_eq!(negotiate(Some("text/html, text/csv;q=0.9")), Format::Csv);
/// assert_eq!(
///     negotiate(Some("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5")).content_type(),
///     "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
/// );
/// ```
#[must_use]
pub fn negotiate(accept: Option<&str>) -> Format {
    let mut ranges: Vec<_> = accept.unwrap_or_default().split(',').filter_map(Range::read).collect();
    ranges.retain(|range| range.quality > 0);
    ranges.sort_by_key(|range| std::cmp::Reverse((range.quality, range.specificity())));
    let mut escaping = Escaping::default();
    for range in ranges {
        escaping = range.escaping.unwrap_or(escaping);
        if let Some(format) = range.format(escaping) {
            return format;
        }
    }
    Format::Text(escaping)
}
