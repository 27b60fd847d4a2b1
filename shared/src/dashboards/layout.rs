//! Where panels stand: a grid of 24 columns, of which 24 rows fit one page.

use super::grafana::GridPos;

/// Columns of Grafana's grid.
pub(super) const COLUMNS: u32 = 24;
/// Rows that a screen shows at once.
pub(super) const ROWS: u32 = 24;
/// Of panels with axes: lower ones show nothing, higher ones are wasted.
const LEAST: u32 = 4;
const COMFORTABLE: u32 = 7;
const MOST: u32 = 10;
const MOST_ABREAST: u32 = 4;

/// How many panels fit into so many rows.
pub(super) fn capacity(rows: u32) -> usize {
    (rows / LEAST * MOST_ABREAST) as usize
}

/// Places for `count` panels in `rows` rows from `top` on, line by line; the last line's share the width among them. What is
/// beyond the [`capacity`] gets no place.
pub(super) fn grid(count: usize, top: u32, rows: u32) -> Vec<GridPos> {
    let count = u32::try_from(count.min(capacity(rows))).unwrap_or_default();
    if count == 0 {
        return Vec::new();
    }
    let height = |abreast: u32| (rows / count.div_ceil(abreast)).min(MOST);
    let abreast = (1..=MOST_ABREAST)
        .skip(usize::from(count > 1))
        .find(|abreast| height(*abreast) >= COMFORTABLE)
        .unwrap_or(MOST_ABREAST)
        .min(count);
    let h = height(abreast);
    (0..count)
        .map(|number| {
            let (line, place) = (number / abreast, number % abreast);
            let in_line = abreast.min(count - line * abreast);
            let w = COLUMNS / in_line;
            GridPos {
                h,
                w,
                x: place * w,
                y: top + line * h,
            }
        })
        .collect()
}

/// A line of panels of one height; each is as wide as its part of the weights.
pub(super) fn line(weights: &[u32], y: u32, h: u32) -> Vec<GridPos> {
    let all: u32 = weights.iter().sum::<u32>().max(1);
    let mut before = 0;
    weights
        .iter()
        .map(|weight| {
            let x = COLUMNS * before / all;
            before += weight;
            let w = COLUMNS * before / all - x;
            GridPos { h, w, x, y }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_panels_are_large_and_many_small() {
        let shape = |count| {
            let places = grid(count, 4, 20);
            (places.first().map(|place| (place.w, place.h)), places.len())
        };
        for (count, size) in [
            (1, (24, 10)),
            (2, (12, 10)),
            (3, (12, 10)),
            (4, (12, 10)),
            (6, (8, 10)),
            (8, (6, 10)),
            (9, (6, 6)),
            (20, (6, 4)),
        ] {
            assert_eq!(shape(count), (Some(size), count), "{count}");
        }
        assert_eq!(shape(0), (None, 0));
        assert_eq!(shape(30).1, 20);
    }

    proptest! {
        #[test]
        fn panels_never_overlap_and_always_fit(count in 0_usize..60, top in 1_u32..16, weights in prop::collection::vec(1_u32..6, 0..5)) {
            let mut places = line(&weights, 0, top);
            places.extend(grid(count, top, ROWS - top));
            let mut taken = std::collections::BTreeSet::new();
            for place in places {
                prop_assert!(place.w > 0 && place.x + place.w <= COLUMNS && place.y + place.h <= ROWS, "{place:?}");
                for x in place.x..place.x + place.w {
                    for y in place.y..place.y + place.h {
                        prop_assert!(taken.insert((x, y)), "{place:?}");
                    }
                }
            }
        }
    }
}
