//! One metric's rows become its family.

use std::borrow::Cow;
use std::collections::HashSet;

use super::columns::{label_position, value_position};
use super::error::{ExternalError, MAX_LABEL_BYTES, MetricError};
use super::grid::Grid;
use super::index::{SeriesHash, SeriesHasher, SeriesIndex};
use super::text::{EncodedText, Form, TextWriter};
use crate::config::job::{Duplicates, Metric, NullValue, ORGANISATION_LABEL, OnEmpty, Values};
use crate::exposition::{Encoder, LabelText};
use crate::rows::{Column, Row, UnreadableCell};

/// What became of a metric whose query succeeded.
#[derive(Debug)]
pub enum Outcome {
    /// The family as it is now; it takes the place of what stands in the gateway, also when it has no series.
    Family(Family),
    /// The query gave no rows, and `on_empty: keep` leaves the family in the gateway as it stands.
    Keep,
}

/// A metric's series as text, and the count of what they were made from.
#[derive(Debug)]
pub struct Family {
    /// The metric's full name.
    pub name: String,
    /// How many series it has.
    pub series: usize,
    /// How many rows the query gave.
    pub rows: u64,
    /// How many cells of value columns were NULL.
    pub nulls: u64,
    /// How many rows of an external metric were left out because they name no organisation.
    pub without_organisation: u64,
    /// The family in the text format; nothing at all if it has no series.
    pub text: EncodedText,
}

/// Makes one metric's family from rows as they stream by.
///
/// After an error it must be dropped, and what it has written goes with it.
#[derive(Debug)]
pub struct Assembler<'a> {
    metric: &'a Metric,
    form: Form,
    labels: Vec<LabelColumn<'a>>,
    values: Vec<ValueColumn<'a>>,
    encoder: Encoder<TextWriter>,
    hasher: SeriesHasher,
    /// The labels of the row at hand, behind the static ones.
    text: LabelText,
    static_len: usize,
    /// Series that are written already.
    written: SeriesIndex<()>,
    /// Series whose value may still change.
    held: Held,
    /// The grid, and those of its cells that no row has given yet.
    grid: Option<(Grid<'a>, SeriesIndex<()>)>,
    rows: u64,
    nulls: u64,
    without_organisation: u64,
}

#[derive(Debug)]
struct LabelColumn<'a> {
    name: &'a str,
    column: usize,
    column_name: &'a str,
    allowed: Option<Allowed<'a>>,
    /// Whether a row without a value here is nobody's.
    organisation: bool,
}

#[derive(Debug)]
struct Allowed<'a> {
    values: HashSet<&'a str>,
    other: &'a str,
}

#[derive(Debug)]
struct ValueColumn<'a> {
    column: usize,
    name: &'a str,
    /// The label that tells this column's series from the others'.
    label: Option<(&'a str, &'a str)>,
}

/// Series whose value may still change, in the order of their first row.
#[derive(Debug)]
struct Held {
    slots: SeriesIndex<u32>,
    /// Each series' value, and where its labels end in `labels`.
    series: Vec<(f64, usize)>,
    labels: Vec<u8>,
}

impl<'a> Assembler<'a> {
    /// Finds the metric's columns in the query's result.
    ///
    /// # Errors
    /// A column that is missing or not of the kind that is needed, a grid of more series than the metric may have, and
    /// an external metric that does not say whose its series are.
    pub fn new(metric: &'a Metric, columns: &[Column], form: Form) -> Result<Self, MetricError> {
        if metric.external {
            check_organisation(metric)?;
        }
        let labels = label_columns(metric, columns)?;
        let values = value_columns(metric, columns)?;
        if metric.on_empty == OnEmpty::Zero && !labels.is_empty() && metric.fill.is_empty() {
            return Err(MetricError::ZeroWithoutFill);
        }
        let mut text = LabelText::default();
        for (name, value) in &metric.static_labels {
            text.push(name, value);
        }
        let static_len = text.len();
        let hasher = SeriesHasher::new();
        let grid = if metric.fill.is_empty() {
            None
        } else {
            let grid = grid(metric);
            let cells = grid.cells(&mut text, &hasher, metric.max_series)?;
            Some((grid, cells))
        };
        let mut encoder = Encoder::new(TextWriter::new(form));
        encoder.family(&metric.name, &metric.help, metric.kind);
        Ok(Self {
            metric,
            form,
            labels,
            values,
            encoder,
            hasher,
            text,
            static_len,
            written: SeriesIndex::new(),
            held: Held {
                slots: SeriesIndex::new(),
                series: Vec::new(),
                labels: Vec::new(),
            },
            grid,
            rows: 0,
            nulls: 0,
            without_organisation: 0,
        })
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// A cell that cannot be read, or what the metric's policies do not allow; the row's number is named.
    pub fn row(&mut self, row: &(impl Row + ?Sized)) -> Result<(), MetricError> {
        self.rows += 1;
        let number = self.rows;
        let unreadable = |cell: UnreadableCell| MetricError::Cell { row: number, cell };
        self.text.truncate(self.static_len);
        let mut in_bucket = false;
        for label in &self.labels {
            let cell = row.text(label.column).map_err(unreadable)?;
            if label.organisation && cell.as_deref().unwrap_or_default().is_empty() {
                self.without_organisation += 1;
                return Ok(());
            }
            let value = match (&cell, &label.allowed) {
                (Some(value), Some(allowed)) if !allowed.values.contains(value.as_ref()) => allowed.other,
                (Some(value), _) => value,
                (None, _) => &self.metric.null_label,
            };
            if value.len() > MAX_LABEL_BYTES {
                return Err(MetricError::LabelTooLong {
                    row: number,
                    column: label.column_name.to_owned(),
                    bytes: value.len(),
                });
            }
            in_bucket |= label.allowed.as_ref().is_some_and(|allowed| value == allowed.other);
            self.text.push(label.name, value);
        }
        let labels_len = self.text.len();
        for at in 0..self.values.len() {
            let ValueColumn { column, name, label } = self.values[at];
            if let Some((name, value)) = label {
                self.text.truncate(labels_len);
                self.text.push(name, value);
            }
            let value = row.number(column).map_err(unreadable)?;
            let value = match value {
                Some(value) => Some(value),
                None => self.null(name)?,
            };
            self.value(value, in_bucket)?;
        }
        Ok(())
    }

    /// What a NULL in the value column stands for.
    fn null(&mut self, column: &str) -> Result<Option<f64>, MetricError> {
        self.nulls += 1;
        match self.metric.null_value {
            NullValue::Skip => Ok(None),
            NullValue::Zero => Ok(Some(0.0)),
            NullValue::Nan => Ok(Some(f64::NAN)),
            NullValue::Error => Err(MetricError::NullValue {
                row: self.rows,
                column: column.to_owned(),
            }),
        }
    }

    /// Takes the value of the series whose labels stand in `self.text`.
    fn value(&mut self, value: Option<f64>, in_bucket: bool) -> Result<(), MetricError> {
        let hash = self.hasher.hash(self.text.as_bytes());
        if let Some((_, open)) = &mut self.grid {
            // Also when the value is NULL and skipped: that something is unknown does not make it 0.
            open.remove(hash);
        }
        let Some(value) = value else { return Ok(()) };
        if in_bucket {
            return self.hold(hash, value, |sum, value| sum + value);
        }
        match self.metric.duplicates {
            Duplicates::Error => self.write(hash, value),
            Duplicates::Sum => self.hold(hash, value, |sum, value| sum + value),
            Duplicates::Max => self.hold(hash, value, f64::max),
            Duplicates::Last => self.hold(hash, value, |_, last| last),
        }
    }

    fn write(&mut self, hash: SeriesHash, value: f64) -> Result<(), MetricError> {
        if self.written.insert(hash, ()).is_some() {
            return Err(MetricError::Duplicate {
                row: self.rows,
                labels: shown(&self.text),
            });
        }
        self.check_limit()?;
        self.encoder.sample(self.text.as_bytes(), value)?;
        Ok(())
    }

    fn hold(&mut self, hash: SeriesHash, value: f64, combine: fn(f64, f64) -> f64) -> Result<(), MetricError> {
        let limit = self.metric.max_series;
        let slot = u32::try_from(self.held.series.len()).map_err(|_| MetricError::TooManySeries { limit })?;
        if let Some(known) = self.held.slots.insert(hash, slot) {
            let (held, _) = &mut self.held.series[known as usize];
            *held = combine(*held, value);
            return Ok(());
        }
        self.check_limit()?;
        self.held
            .labels
            .extend_from_slice(&self.text.as_bytes()[self.static_len..]);
        self.held.series.push((value, self.held.labels.len()));
        Ok(())
    }

    /// Cells of the grid count before they are written, so that the limit is found at the first series too many.
    fn check_limit(&self) -> Result<(), MetricError> {
        let open = self.grid.as_ref().map_or(0, |(_, open)| open.len());
        let limit = self.metric.max_series;
        if self.written.len() + self.held.slots.len() + open > limit {
            return Err(MetricError::TooManySeries { limit });
        }
        Ok(())
    }

    /// Writes what is still to be written. To be called only when the query has given all of its rows.
    ///
    /// A grid is written also when there are no rows, unless `on_empty` is `keep` or `error`.
    ///
    /// # Errors
    /// No rows under `on_empty: error`; temporary storage that takes no more text.
    pub fn finish(mut self) -> Result<Outcome, MetricError> {
        if self.rows == 0 {
            match self.metric.on_empty {
                OnEmpty::Keep => return Ok(Outcome::Keep),
                OnEmpty::Error => return Err(MetricError::NoRows),
                OnEmpty::Zero if self.grid.is_none() => {
                    let grid = grid(self.metric);
                    self.text.truncate(self.static_len);
                    let cells = grid.cells(&mut self.text, &self.hasher, self.metric.max_series)?;
                    self.grid = Some((grid, cells));
                }
                OnEmpty::Zero | OnEmpty::Clear => {}
            }
        }
        let mut series = self.written.len();
        self.text.truncate(self.static_len);
        series += self.write_held()?;
        if let Some((grid, mut open)) = self.grid.take() {
            series += open.len();
            let encoder = &mut self.encoder;
            let hasher = &self.hasher;
            grid.visit(&mut self.text, &mut |labels| {
                if open.remove(hasher.hash(labels)) {
                    encoder.sample(labels, 0.0)
                } else {
                    Ok(())
                }
            })?;
        }
        let text = if series == 0 {
            EncodedText::empty(self.form)
        } else {
            self.encoder.finish()?.finish()?
        };
        Ok(Outcome::Family(Family {
            name: self.metric.name.clone(),
            series,
            rows: self.rows,
            nulls: self.nulls,
            without_organisation: self.without_organisation,
            text,
        }))
    }

    fn write_held(&mut self) -> Result<usize, MetricError> {
        let mut line = self.text.as_bytes()[..self.static_len].to_vec();
        let mut start = 0;
        for &(value, end) in &self.held.series {
            line.truncate(self.static_len);
            line.extend_from_slice(&self.held.labels[start..end]);
            self.encoder.sample(&line, value)?;
            start = end;
        }
        Ok(self.held.series.len())
    }
}

fn check_organisation(metric: &Metric) -> Result<(), ExternalError> {
    if let Some(label) = metric.labels.iter().find(|label| label.name == ORGANISATION_LABEL) {
        return if label.allowed.is_some() {
            Err(ExternalError::OrganisationBucket)
        } else {
            Ok(())
        };
    }
    let is_static = |(name, value): &(String, String)| name == ORGANISATION_LABEL && !value.is_empty();
    if metric.static_labels.iter().any(is_static) {
        Ok(())
    } else {
        Err(ExternalError::NoOrganisation)
    }
}

fn label_columns<'a>(metric: &'a Metric, columns: &[Column]) -> Result<Vec<LabelColumn<'a>>, MetricError> {
    let label_column = |label: &'a crate::config::job::Label| {
        let allowed = label.allowed.as_ref().map(|allowed| Allowed {
            values: allowed.values.iter().map(String::as_str).collect(),
            other: &allowed.other,
        });
        Ok(LabelColumn {
            name: &label.name,
            column: label_position(columns, label)?,
            column_name: &label.column,
            allowed,
            organisation: metric.external && label.name == ORGANISATION_LABEL,
        })
    };
    metric.labels.iter().map(label_column).collect()
}

fn value_columns<'a>(metric: &'a Metric, columns: &[Column]) -> Result<Vec<ValueColumn<'a>>, MetricError> {
    match &metric.values {
        Values::Column(name) => Ok(vec![ValueColumn {
            column: value_position(columns, name, None)?,
            name,
            label: None,
        }]),
        Values::Columns { label, columns: wanted } => {
            let value_column = |(name, value): &'a (String, String)| {
                let column = value_position(columns, name, Some((label, value)))?;
                Ok(ValueColumn {
                    column,
                    name,
                    label: Some((label, value)),
                })
            };
            wanted.iter().map(value_column).collect()
        }
    }
}

/// The grid in the order in which [`Assembler::row`] encodes labels.
fn grid(metric: &Metric) -> Grid<'_> {
    let mut grid = Grid::new();
    for (label, values) in metric.labels.iter().zip(&metric.fill) {
        let nobody = |value: &&str| metric.external && label.name == ORGANISATION_LABEL && value.is_empty();
        grid.axis(
            &label.name,
            values.iter().map(String::as_str).filter(|value| !nobody(value)),
        );
    }
    if let Values::Columns { label, columns } = &metric.values {
        grid.axis(label, columns.iter().map(|(_, value)| value.as_str()));
    }
    grid
}

/// Labels for an error, shortened when long. What is encoded holds no line feeds, so it cannot forge a log line.
fn shown(labels: &LabelText) -> String {
    const MOST: usize = 256;
    let text = String::from_utf8_lossy(labels.as_bytes());
    let shortened = if text.chars().count() > MOST {
        Cow::Owned(text.chars().take(MOST).chain(['…']).collect::<String>())
    } else {
        text
    };
    format!("{{{shortened}}}")
}
