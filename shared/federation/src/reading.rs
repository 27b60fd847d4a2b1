//! Readers of the formats that share nothing with the writers, for tests to hold them against.

use std::collections::BTreeMap;

use super::Format;

/// A sample as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Read {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    /// Milliseconds.
    pub(super) time: Option<i64>,
    pub(super) value: String,
}

/// All samples; an error where a strict reader would refuse the text.
pub(super) fn read(format: Format, text: &str) -> Result<Vec<Read>, String> {
    match format {
        Format::Text(_) => text_lines(text)?.iter().map(|line| sample(line, 1.0)).collect(),
        Format::OpenMetrics(..) => {
            let body = text.strip_suffix("# EOF\n").ok_or("no # EOF")?;
            text_lines(body)?.iter().map(|line| sample(line, 1e3)).collect()
        }
        Format::Csv => csv(text),
        Format::NdJson => text.lines().map(object).collect(),
    }
}

fn text_lines(text: &str) -> Result<Vec<&str>, String> {
    let text = text.strip_suffix('\n').ok_or("no final line feed")?;
    Ok(text.split('\n').filter(|line| !line.starts_with("# TYPE ")).collect())
}

fn sample(line: &str, unit: f64) -> Result<Read, String> {
    let mut scan = Scan(line);
    let mut name = scan.word();
    let mut labels = BTreeMap::new();
    if scan.eat('{') {
        loop {
            if scan.0.starts_with('"') {
                let quoted = scan.quoted()?;
                if !scan.eat('=') {
                    if !std::mem::replace(&mut name, quoted).is_empty() {
                        return Err(format!("two names: {line}"));
                    }
                } else if labels.insert(quoted, scan.quoted()?).is_some() {
                    return Err(format!("a label twice: {line}"));
                }
            } else {
                let label = scan.word();
                if label.is_empty() || label.contains(':') || !scan.eat('=') {
                    return Err(format!("no label: {line}"));
                }
                if labels.insert(label, scan.quoted()?).is_some() {
                    return Err(format!("a label twice: {line}"));
                }
            }
            if scan.eat('}') {
                break;
            }
            if !scan.eat(',') {
                return Err(format!("no comma: {line}"));
            }
        }
    }
    let mut fields = scan.0.split(' ');
    let (Some(""), Some(value), time, None) = (fields.next(), fields.next(), fields.next(), fields.next()) else {
        return Err(format!("no value: {line}"));
    };
    value.parse::<f64>().map_err(|error| format!("{error}: {line}"))?;
    if name.is_empty() {
        return Err(format!("no name: {line}"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "the tests' times are small")]
    let time = time
        .map(|time| time.parse::<f64>().map(|time| (time * unit).round() as i64))
        .transpose()
        .map_err(|error| format!("{error}: {line}"))?;
    let value = value.to_owned();
    Ok(Read {
        name,
        labels,
        time,
        value,
    })
}

struct Scan<'a>(&'a str);

impl Scan<'_> {
    fn eat(&mut self, expected: char) -> bool {
        let rest = self.0.strip_prefix(expected);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// A name without quotes, empty if there is none.
    fn word(&mut self) -> String {
        let is = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | ':');
        let end = self.0.find(|char| !is(char)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        if word.starts_with(|char: char| char.is_ascii_digit()) {
            return String::new();
        }
        self.0 = rest;
        word.to_owned()
    }

    fn quoted(&mut self) -> Result<String, String> {
        if !self.eat('"') {
            return Err(format!("no quote: {}", self.0));
        }
        let mut text = String::new();
        let mut chars = self.0.chars();
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => text.push(match chars.next() {
                    Some('n') => '\n',
                    Some(char @ ('"' | '\\')) => char,
                    other => return Err(format!("an unknown escape: {other:?}")),
                }),
                Some(char) => text.push(char),
                None => return Err("an unterminated string".to_owned()),
            }
        }
        self.0 = chars.as_str();
        Ok(text)
    }
}

fn csv(text: &str) -> Result<Vec<Read>, String> {
    let mut rows = vec![vec![]];
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        let mut cell = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next().ok_or("an unterminated cell")? {
                    '"' if chars.next_if_eq(&'"').is_some() => cell.push('"'),
                    '"' => break,
                    char => cell.push(char),
                }
            }
        } else {
            while let Some(char) = chars.next_if(|char| !matches!(char, ',' | '\r' | '\n' | '"')) {
                cell.push(char);
            }
        }
        rows.last_mut().unwrap().push(cell);
        match (chars.next(), chars.peek()) {
            (Some(','), _) => {}
            (Some('\r'), Some('\n')) => {
                chars.next();
                rows.push(vec![]);
            }
            other => return Err(format!("neither a comma nor an end of line: {other:?}")),
        }
    }
    if rows.pop() != Some(vec![])
        || rows
            .first()
            .is_none_or(|row| *row != ["name", "labels", "time", "value"])
    {
        return Err("no header, or no end of the last line".to_owned());
    }
    rows.into_iter()
        .skip(1)
        .map(|row| {
            let [name, labels, time, value] = &row[..] else {
                return Err(format!("not four cells: {row:?}"));
            };
            Ok(Read {
                name: name.clone(),
                labels: serde_json::from_str(labels).map_err(|error| error.to_string())?,
                time: (!time.is_empty()).then(|| moment(time)).transpose()?,
                value: value.clone(),
            })
        })
        .collect()
}

fn object(line: &str) -> Result<Read, String> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        name: String,
        labels: BTreeMap<String, String>,
        time: Option<String>,
        value: Box<serde_json::value::RawValue>,
    }
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    Ok(Read {
        name: line.name,
        labels: line.labels,
        time: line.time.as_deref().map(moment).transpose()?,
        value: line.value.get().trim_matches('"').to_owned(),
    })
}

fn moment(text: &str) -> Result<i64, String> {
    let moment: jiff::Timestamp = text.parse().map_err(|error| format!("{error}: {text}"))?;
    Ok(moment.as_millisecond())
}
