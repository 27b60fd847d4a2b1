//! "Did you mean": the known word that an unknown one most resembles.

/// Longer words are not compared: nobody mistypes them, and comparing costs the product of two lengths.
const LONGEST: usize = 64;

/// The candidate nearest to `word`, if one is near enough to be what was meant; of equally near ones, the first.
///
/// Upper and lower case count as alike, and so do `-` and `_`. One letter in three, counted on the longer word, may be
/// missing, added, wrong or swapped with its neighbour.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = comparable(word)?;
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = comparable(candidate)?;
            let distance = strsim::damerau_levenshtein(&word, &other);
            let allowed = word.chars().count().max(other.chars().count()) / 3;
            (distance <= allowed).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn comparable(word: &str) -> Option<String> {
    (word.len() <= LONGEST).then(|| word.to_lowercase().replace('-', "_"))
}

/// Names that are looked through or listed in a message at most; a hostile file can declare very many.
const LOOKED_THROUGH: usize = 500;
const LISTED: usize = 10;

/// What to do about a name that is not known: the nearest one, or the names that there are (`kind` says of what), or
/// `none` where there are none.
pub(crate) fn remedy<'a>(word: &str, names: impl Iterator<Item = &'a str> + Clone, kind: &str, none: &str) -> String {
    if let Some(near) = closest(word, names.clone().take(LOOKED_THROUGH)) {
        return format!("did you mean `{near}`?");
    }
    let listed: Vec<_> = names.clone().take(LISTED).collect();
    match names.skip(LISTED).count() {
        _ if listed.is_empty() => none.to_owned(),
        0 => format!("the {kind} are {}", listed.join(", ")),
        more => format!("the {kind} are {} and {more} more", listed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 8] = [
        "name", "schedule", "source", "metrics", "labels", "label", "on_error", "on_empty",
    ];

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        for (word, expected) in [
            ("shedule", "schedule"),
            ("schdeule", "schedule"),
            ("Schedule", "schedule"),
            ("sorce", "source"),
            ("metric", "metrics"),
            ("lables", "labels"),
            ("on-error", "on_error"),
            ("onerror", "on_error"),
            ("on_empyt", "on_empty"),
            ("nmae", "name"),
        ] {
            assert_eq!(closest(word, KEYS), Some(expected), "{word}");
        }
    }

    #[test]
    fn the_exact_word_wins_over_its_neighbours() {
        assert_eq!(closest("label", KEYS), Some("label"));
        assert_eq!(closest("labels", KEYS), Some("labels"));
    }

    #[test]
    fn an_unrelated_word_finds_nothing() {
        for word in ["", "x", "query", "timeout", "organisation", "日本語"] {
            assert_eq!(closest(word, KEYS), None, "{word}");
        }
        assert_eq!(closest("schedule", []), None);
    }

    #[test]
    fn a_hostile_word_is_not_compared() {
        let word = "schedule".repeat(1_000_000);
        assert_eq!(closest(&word, [word.as_str()]), None);
    }
}
