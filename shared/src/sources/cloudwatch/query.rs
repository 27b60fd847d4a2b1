//! What CloudWatch is asked: a metric or an expression over several, for one set of dimensions or for all that there are.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::expression::{Expression, Word};
use super::statistic;
use super::window::{Key, Reach};
use crate::cloudwatch::{MOST_DIMENSIONS, is_dimension_name, is_dimension_value, is_metric_name, namespace_problem};
use crate::config::{Count, DurationText, Entry, File, Mapping, OffsetText, Scope};
use crate::placeholders::Template;
use crate::rows::Column;
use crate::sources::Described;
use crate::suggest;

/// The value that stands for every value of a dimension.
const EVERY: &str = "*";
const VALUE: &str = "value";
const TIMESTAMP: &str = "timestamp";
const PERIOD: Duration = Duration::from_mins(5);
/// Services deliver their metrics minutes late, and a sum that is read too early is too small.
const DELAY: Duration = Duration::from_mins(5);
const MOST_METRICS: u64 = 500;
/// A request has 500 entries, of which an expression is one.
const MOST_INPUTS: usize = 20;
const LONGEST_INPUT_NAME: usize = 64;
/// CloudWatch's limit, with every input's name numbered.
const LONGEST_EXPRESSION: usize = 2048;
const LARGEST_NUMBER: usize = 999;

/// A metric of CloudWatch, or an expression over several.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CloudWatchQuerySpec")]
pub(crate) struct QuerySpec {
    /// The namespace, such as `AWS/ApplicationELB`.
    namespace: Option<Entry<String>>,
    /// The metric's name in CloudWatch.
    metric: Option<Entry<String>>,
    /// All dimensions that the metric has: the value of each, with placeholders, or `'*'` for every value that CloudWatch
    /// knows. Each is a column of that name.
    dimensions: Option<Entry<Mapping<String>>>,
    /// `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, a percentile such as `p99`, or such as `tm90`.
    statistic: Option<Entry<String>>,
    /// What one data point spans: 1, 5, 10, 20 or 30 seconds, or whole minutes. Default: 5m.
    period: Option<Entry<DurationText>>,
    /// How far back the newest data point may lie, in whole periods. Default: one period.
    length: Option<Entry<DurationText>>,
    /// How long before the scheduled time a period must have ended, for its data to have arrived. Default: 5m.
    #[schemars(with = "Option<String>")]
    delay: Option<Entry<OffsetText>>,
    /// Metric math over `inputs`, instead of `metric`: `errors / requests`.
    expression: Option<Entry<String>>,
    /// The metrics of the expression, by the names that they have in it.
    inputs: Option<Entry<Mapping<InputSpec>>>,
    /// More metrics than this, which AWS bills one by one, fail the query before they are asked for. Default: 500.
    max_metrics: Option<Entry<Count>>,
}

/// A metric of an expression. What it does not say is as the query says.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CloudWatchInputSpec")]
pub(crate) struct InputSpec {
    /// The namespace. Default: the query's.
    namespace: Option<Entry<String>>,
    /// The metric's name in CloudWatch.
    #[schemars(required)]
    metric: Option<Entry<String>>,
    /// The statistic. Default: the query's.
    statistic: Option<Entry<String>>,
    /// Dimensions that it has besides those of the query.
    dimensions: Option<Entry<Mapping<String>>>,
}

/// What is asked, with every default applied.
#[derive(Debug, Clone)]
pub struct Query {
    /// In the order of the file.
    pub(super) dimensions: Vec<(String, Wanted)>,
    /// One, or those of the expression.
    pub(super) inputs: Vec<Input>,
    pub(super) expression: Option<Expression>,
    pub(super) reach: Reach,
    pub(super) max_metrics: usize,
    pub(super) columns: Vec<Column>,
}

/// Which values of a dimension are asked.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    Every,
    Exactly(Template),
}

/// A metric by the name that it has in the expression.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) metric: String,
    pub(super) statistic: String,
    pub(super) dimensions: Vec<(String, Template)>,
}

impl Query {
    /// Whether CloudWatch must be asked which sets of dimensions there are.
    pub(super) fn is_open(&self) -> bool {
        self.dimensions
            .iter()
            .any(|(_, wanted)| matches!(wanted, Wanted::Every))
    }
}

impl Described for Query {
    type Spec = QuerySpec;

    /// Resolves every part before it gives up, so that all mistakes are told at once.
    fn resolve(scope: &mut Scope<'_>, file: &File, entry: &Entry<QuerySpec>) -> Option<Self> {
        let spec = entry.get()?;
        let dimensions = dimensions(scope, file, spec.dimensions.as_ref());
        let reach = reach(scope, file, entry, spec);
        let asked = asked(scope, file, entry, spec);
        let (dimensions, (inputs, expression)) = (dimensions?, asked?);
        for input in &inputs {
            let all = dimensions.len() + input.dimensions.len();
            let twice = input
                .dimensions
                .iter()
                .find(|(name, _)| dimensions.iter().any(|(known, _)| known == name));
            let span = spec.inputs.as_ref().map_or(&entry.span, |entry| &entry.span);
            if let Some((name, _)) = twice {
                let message = format!("`{}` has the query's dimension `{name}` already", input.name);
                scope.mistake(file, span, message, |mistake| mistake.help("remove one of them"));
            } else if all > MOST_DIMENSIONS {
                let message = format!("a metric has at most {MOST_DIMENSIONS} dimensions, not {all}");
                scope.mistake(file, span, message, |mistake| mistake);
            }
        }
        let text = |name: &str| Column {
            name: name.to_owned(),
            type_name: "text".to_owned(),
            numeric: false,
            label: true,
        };
        let number = |name: &str| Column {
            type_name: "number".to_owned(),
            numeric: true,
            ..text(name)
        };
        let columns = dimensions.iter().map(|(name, _)| text(name));
        let columns = columns.chain([number(VALUE), number(TIMESTAMP)]).collect();
        let max_metrics = spec
            .max_metrics
            .as_ref()
            .and_then(Entry::get)
            .map_or(MOST_METRICS, |count| count.0);
        Some(Self {
            dimensions,
            inputs,
            expression,
            reach: reach?,
            max_metrics: usize::try_from(max_metrics).unwrap_or(usize::MAX),
            columns,
        })
    }

    fn columns(&self) -> Option<&[Column]> {
        Some(&self.columns)
    }
}

fn dimensions(
    scope: &mut Scope<'_>,
    file: &File,
    entry: Option<&Entry<Mapping<String>>>,
) -> Option<Vec<(String, Wanted)>> {
    let Some(entry) = entry else { return Some(Vec::new()) };
    let mut dimensions = Vec::new();
    for (name, value) in &entry.get()?.0 {
        let text = dimension_name(scope, file, name)?;
        if [VALUE, TIMESTAMP].contains(&text) {
            let message = format!("a dimension `{text}` would be a second column of that name");
            scope.mistake(file, &name.span, message, |mistake| {
                mistake.help("`value` and `timestamp` are the data point's own columns")
            });
            return None;
        }
        let wanted = if value.get()? == EVERY {
            Wanted::Every
        } else {
            Wanted::Exactly(dimension_value(scope, file, value)?)
        };
        dimensions.push((text.to_owned(), wanted));
    }
    if dimensions.len() > MOST_DIMENSIONS {
        let message = format!(
            "a metric has at most {MOST_DIMENSIONS} dimensions, not {}",
            dimensions.len()
        );
        scope.mistake(file, &entry.span, message, |mistake| mistake);
    }
    Some(dimensions)
}

fn dimension_name<'e>(scope: &mut Scope<'_>, file: &File, entry: &'e Entry<String>) -> Option<&'e str> {
    let text = entry.get()?;
    if !is_dimension_name(text) {
        let message = "a dimension's name has from 1 to 255 characters of ASCII, and no `:` at its beginning";
        scope.mistake(file, &entry.span, message, |mistake| mistake);
    }
    Some(text)
}

fn dimension_value(scope: &mut Scope<'_>, file: &File, entry: &Entry<String>) -> Option<Template> {
    let template = scope.template(file, entry)?;
    if template.names().next().is_none() && !entry.get().is_some_and(|text| is_dimension_value(text)) {
        let message = "a dimension's value has from 1 to 1024 characters of ASCII";
        scope.mistake(file, &entry.span, message, |mistake| {
            mistake.help("write it as CloudWatch shows it, or `'*'` for every value")
        });
    }
    Some(template)
}

fn reach(scope: &mut Scope<'_>, file: &File, entry: &Entry<QuerySpec>, spec: &QuerySpec) -> Option<Reach> {
    let length = |entry: &Entry<DurationText>| entry.get().map(|length| length.0);
    let period = spec.period.as_ref().map_or(Some(PERIOD), length)?;
    let reach_length = match &spec.length {
        Some(entry) => Some(length(entry)?),
        None => None,
    };
    let delay = match &spec.delay {
        Some(entry) => {
            let OffsetText(written) = *entry.get()?;
            let Ok(delay) = Duration::try_from(written) else {
                let message = "a delay does not point into the future";
                scope.mistake(file, &entry.span, message, |mistake| {
                    mistake.help("write such as `delay: 2m`")
                });
                return None;
            };
            delay
        }
        None => DELAY,
    };
    match Reach::new(period, reach_length, delay) {
        Ok(reach) => Some(reach),
        Err(problem) => {
            let written = match problem.key {
                Key::Period => spec.period.as_ref().map(|entry| &entry.span),
                Key::Length => spec.length.as_ref().map(|entry| &entry.span),
                Key::Delay => spec.delay.as_ref().map(|entry| &entry.span),
            };
            scope.mistake(file, written.unwrap_or(&entry.span), problem.message, |mistake| {
                mistake.help(problem.help)
            });
            None
        }
    }
}

type Asked = (Vec<Input>, Option<Expression>);

fn asked(scope: &mut Scope<'_>, file: &File, entry: &Entry<QuerySpec>, spec: &QuerySpec) -> Option<Asked> {
    match (&spec.metric, &spec.expression, &spec.inputs) {
        (Some(_), None, None) => {
            let own = InputSpec::default();
            let input = input(scope, file, spec, &own, spec.metric.as_ref(), VALUE, &entry.span)?;
            Some((vec![input], None))
        }
        (None, Some(expression), Some(inputs)) => math(scope, file, spec, expression, inputs),
        (None, None, None) => {
            scope.mistake(file, &entry.span, "the query names no metric", |mistake| {
                mistake.help("add `metric: NAME`, or an `expression` and its `inputs`")
            });
            None
        }
        (Some(metric), ..) => {
            let message = "there is both a `metric` and an expression with `inputs`";
            scope.mistake(file, &metric.span, message, |mistake| {
                mistake.help("remove it, or put it among the `inputs`")
            });
            None
        }
        (None, Some(given), None) => {
            let message = "an `expression` needs `inputs`";
            scope.mistake(file, &given.span, message, |mistake| {
                mistake.help("add `inputs: {errors: {metric: NAME}}`")
            });
            None
        }
        (None, None, Some(given)) => {
            let message = "`inputs` need an `expression`";
            scope.mistake(file, &given.span, message, |mistake| {
                mistake.help("add `expression: errors / requests`")
            });
            None
        }
    }
}

fn math(
    scope: &mut Scope<'_>,
    file: &File,
    spec: &QuerySpec,
    expression: &Entry<String>,
    inputs: &Entry<Mapping<InputSpec>>,
) -> Option<Asked> {
    let Mapping(written) = inputs.get()?;
    if written.is_empty() || written.len() > MOST_INPUTS {
        let message = format!("an expression has from 1 to {MOST_INPUTS} inputs");
        scope.mistake(file, &inputs.span, message, |mistake| mistake);
        return None;
    }
    let names: BTreeSet<&str> = written
        .iter()
        .filter_map(|(name, _)| name.get())
        .map(String::as_str)
        .collect();
    let parsed = parse(scope, file, expression, &names);
    if let Some(parsed) = &parsed {
        let used = parsed.inputs();
        for (name, _) in written {
            let text = name.get()?;
            if is_input_name(text) && !used.contains(text.as_str()) {
                let message = format!("the expression does not use `{text}`, which would be paid for");
                scope.mistake(file, &name.span, message, |mistake| {
                    mistake.help("use it, or remove it")
                });
            }
        }
    }
    let mut resolved = Vec::new();
    for (name, value) in written {
        let text = name.get()?;
        if !is_input_name(text) {
            let message = "an input's name begins in lower case, and has up to 64 letters, digits and `_`";
            scope.mistake(file, &name.span, message, |mistake| {
                mistake.help("write such as `errors`")
            });
        }
        let own = value.get()?;
        resolved.push(input(scope, file, spec, own, own.metric.as_ref(), text, &value.span)?);
    }
    Some((resolved, Some(parsed?)))
}

fn is_input_name(text: &str) -> bool {
    text.len() <= LONGEST_INPUT_NAME
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

fn parse(scope: &mut Scope<'_>, file: &File, entry: &Entry<String>, names: &BTreeSet<&str>) -> Option<Expression> {
    let text = entry.get()?;
    let (message, help) = match Expression::parse(text, |word| names.contains(word)) {
        Ok(expression) if text.trim().is_empty() || expression.numbered(LARGEST_NUMBER).len() > LONGEST_EXPRESSION => (
            format!("an expression has from 1 to {LONGEST_EXPRESSION} characters, as it is asked"),
            "make two of it".to_owned(),
        ),
        Ok(expression) => return Some(expression),
        Err(Word::Unknown(word)) => (
            format!("there is no input `{word}`"),
            suggest::remedy(word, names.iter().copied(), "inputs", "add it under `inputs`"),
        ),
        Err(Word::OfMany(word)) => (
            format!("`{word}` gives series that have no dimensions to tell them apart"),
            "name the metrics as `inputs`, and write `'*'` for every value of a dimension".to_owned(),
        ),
    };
    scope.mistake(file, &entry.span, message, |mistake| mistake.help(help));
    None
}

/// An input, or the query's one metric.
fn input(
    scope: &mut Scope<'_>,
    file: &File,
    spec: &QuerySpec,
    own: &InputSpec,
    metric: Option<&Entry<String>>,
    name: &str,
    place: &std::ops::Range<usize>,
) -> Option<Input> {
    let mut needed = |entry: Option<&Entry<String>>, key: &str, example: &str| {
        if entry.is_none() {
            scope.mistake(file, place, format!("`{key}` is lacking here"), |mistake| {
                mistake.help(format!("add `{key}: {example}`"))
            });
        }
        entry.cloned()
    };
    let namespace = needed(
        own.namespace.as_ref().or(spec.namespace.as_ref()),
        "namespace",
        "AWS/ApplicationELB",
    );
    let metric = needed(metric, "metric", "RequestCount");
    let statistic = needed(own.statistic.as_ref().or(spec.statistic.as_ref()), "statistic", "Sum");
    let (namespace, metric, statistic) = (namespace?, metric?, statistic?);
    if let Some((message, help)) = namespace_problem(namespace.get()?) {
        scope.mistake(file, &namespace.span, message, |mistake| mistake.help(help));
    }
    if !is_metric_name(metric.get()?) {
        let message = "a metric's name has from 1 to 255 characters of ASCII";
        scope.mistake(file, &metric.span, message, |mistake| mistake);
    }
    if let Some((message, help)) = statistic::problem(statistic.get()?) {
        scope.mistake(file, &statistic.span, message, |mistake| mistake.help(help));
    }
    let mut dimensions = Vec::new();
    if let Some(written) = &own.dimensions {
        for (name, value) in &written.get()?.0 {
            let text = dimension_name(scope, file, name)?;
            if value.get()? == EVERY {
                let message = "an input has one value of each dimension of its own";
                scope.mistake(file, &value.span, message, |mistake| {
                    mistake.help("put `'*'` into the query's `dimensions`, which all of its inputs have")
                });
            }
            dimensions.push((text.to_owned(), dimension_value(scope, file, value)?));
        }
    }
    Some(Input {
        name: name.to_owned(),
        namespace: namespace.get()?.clone(),
        metric: metric.get()?.clone(),
        statistic: statistic.get()?.clone(),
        dimensions,
    })
}
