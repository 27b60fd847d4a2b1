//! Series for unit tests: a value for each step of a test, and promtool's notation of them.

/// What a step has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sample {
    /// Nothing.
    Missing,
    /// The marker by which Prometheus knows that a series has ended.
    Ended,
    /// A value.
    Value(f64),
}

impl Sample {
    fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Missing, Self::Missing) | (Self::Ended, Self::Ended) => true,
            (Self::Value(one), Self::Value(other)) => one.to_bits() == other.to_bits(),
            _ => false,
        }
    }
}

/// A value for each step up to and with the one at or after `end`, from its minute.
pub(crate) fn each_step(end: u64, step: u64, value: impl Fn(u64) -> Sample) -> Vec<Sample> {
    let step = step.max(1);
    (0..=end.div_ceil(step)).map(|count| value(count * step)).collect()
}

/// promtool's notation: `5x3` is four times 5, `0+60x3` is 0, 60, 120, 180, `_` nothing.
pub(super) fn notation(samples: &[Sample]) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = samples;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|sample| sample.same(*first)).count();
        let taken = match *first {
            Sample::Ended => {
                words.push("stale".to_owned());
                1
            }
            Sample::Missing => {
                words.push(format!("_x{run}"));
                run
            }
            Sample::Value(value) => match progression(rest) {
                Some((step, length)) if length > run => {
                    words.push(format!(
                        "{value}{}{}x{}",
                        if step < 0.0 { "" } else { "+" },
                        step,
                        length - 1
                    ));
                    length
                }
                _ if run > 1 => {
                    words.push(format!("{value}x{}", run - 1));
                    run
                }
                _ => {
                    words.push(format!("{value}"));
                    1
                }
            },
        };
        rest = &rest[taken..];
    }
    words.join(" ")
}

/// The step and length of the arithmetic progression of whole numbers at the beginning, of three or more.
fn progression(samples: &[Sample]) -> Option<(f64, usize)> {
    let value = |sample: &Sample| match sample {
        Sample::Value(value) if value.fract() == 0.0 => Some(*value),
        _ => None,
    };
    let first = value(samples.first()?)?;
    let step = value(samples.get(1)?)? - first;
    if step == 0.0 {
        return None;
    }
    let mut expected = first;
    let fits = |sample: &&Sample| {
        let fits = value(sample).is_some_and(|value| value.to_bits() == expected.to_bits());
        expected += step;
        fits
    };
    let length = samples.iter().take_while(fits).count();
    (length >= 3).then_some((step, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_promtool_reads_them() {
        let values = |values: &[f64]| values.iter().map(|value| Sample::Value(*value)).collect::<Vec<_>>();
        for (samples, text) in [
            (values(&[5.0, 5.0, 5.0]), "5x2"),
            (values(&[0.0, 60.0, 120.0, 180.0]), "0+60x3"),
            (values(&[0.0, 0.0, 120.0, 120.0]), "0x1 120x1"),
            (values(&[1.5, 1.5, -2.0]), "1.5x1 -2"),
            (values(&[3.0, 2.0, 1.0]), "3-1x2"),
            (
                vec![Sample::Value(1.0), Sample::Ended, Sample::Missing, Sample::Missing],
                "1 stale _x2",
            ),
        ] {
            assert_eq!(notation(&samples), text);
        }
    }
}
