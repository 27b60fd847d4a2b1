//! The `fill` grid: series that are 0 when no row gives them.

use super::error::MetricError;
use super::index::{SeriesHasher, SeriesIndex};
use crate::exposition::LabelText;

/// The labels and the values that a grid is made of: every combination is a cell.
#[derive(Debug)]
pub(super) struct Grid<'a> {
    axes: Vec<Axis<'a>>,
}

/// A label and the values it takes in the grid.
#[derive(Debug)]
struct Axis<'a> {
    label: &'a str,
    values: Vec<&'a str>,
}

impl<'a> Grid<'a> {
    /// A grid without labels: it has one cell.
    pub(super) fn new() -> Self {
        Self { axes: Vec::new() }
    }

    /// Adds a label and its values; they are encoded in the order they are added.
    pub(super) fn axis(&mut self, label: &'a str, values: impl Iterator<Item = &'a str>) {
        self.axes.push(Axis {
            label,
            values: values.collect(),
        });
    }

    /// All cells by their hash, as long as they are within the limit.
    pub(super) fn cells(
        &self,
        labels: &mut LabelText,
        hasher: &SeriesHasher,
        limit: usize,
    ) -> Result<SeriesIndex<()>, MetricError> {
        let mut cells = SeriesIndex::new();
        self.visit(labels, &mut |labels| {
            cells.insert(hasher.hash(labels), ());
            if cells.len() > limit {
                Err(MetricError::TooManySeries { limit })
            } else {
                Ok(())
            }
        })?;
        Ok(cells)
    }

    /// Visits the labels of every cell, each behind what `labels` holds already.
    pub(super) fn visit<E>(
        &self,
        labels: &mut LabelText,
        visitor: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        visit(&self.axes, labels, visitor)
    }
}

fn visit<E>(
    axes: &[Axis<'_>],
    labels: &mut LabelText,
    visitor: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let Some((first, rest)) = axes.split_first() else {
        return visitor(labels.as_bytes());
    };
    let before = labels.len();
    for value in &first.values {
        labels.push(first.label, value);
        visit(rest, labels, visitor)?;
        labels.truncate(before);
    }
    Ok(())
}
