//! What only others have, and what must therefore never stand in a byte that is sent to A.

/// A metric of others.
pub(super) const METRIC: &str = "zyzzyva_orders_total";
/// A metric that belongs to no organisation.
pub(super) const INTERNAL_METRIC: &str = "zyzzyva_internal_seconds";
/// A label of others.
pub(super) const LABEL: &str = "zyzzyva_ring";
/// A value of others' labels.
pub(super) const VALUE: &str = "zyzzyva-7";
/// What each of others' names and values has, and nobody else's has.
const WORD: &str = "zyzzyva";
/// The digits that each of others' numbers begins with. A calculation of A's comes upon them once in 10^11 times.
const DIGITS: &str = "86753091234";
/// What the counts of others' native histograms are multiples of.
pub(super) const COUNT: i64 = 867_530_912;

/// A number of others: large enough to be told by its digits, and growing with `value` as that does.
pub(super) fn number(value: f64) -> f64 {
    const BASE: f64 = 8_675_309_123_400_000.0;
    if value.is_finite() {
        BASE + value.clamp(-1e4, 9e4).round().abs()
    } else {
        BASE
    }
}

/// The first thing of others that stands in `answer` though the request did not say it.
pub(super) fn find(answer: &[u8], request: &str) -> Option<&'static str> {
    let others = super::data::OTHERS.iter().copied();
    // A name is found where it ends as well as begins: `acme-lab` stands in `acme-labs`.
    let quoted = |name: &&'static str| {
        let found = memchr::memmem::find_iter(answer, name);
        let ends = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte));
        found.into_iter().any(|at| {
            ends(at.checked_sub(1).and_then(|before| answer.get(before))) && ends(answer.get(at + name.len()))
        })
    };
    [WORD, DIGITS]
        .into_iter()
        .filter(|word| memchr::memmem::find(answer, word.as_bytes()).is_some())
        .chain(others.filter(quoted))
        .find(|word| !request.contains(word))
}

#[cfg(test)]
mod tests {
    use super::{find, number};

    #[test]
    fn what_others_have_is_found_and_what_a_has_is_not() {
        for (answer, found) in [
            (r#"{"metric":{"__name__":"zyzzyva_orders_total"}}"#, Some("zyzzyva")),
            (r#"{"value":[1,"8675309123400012"]}"#, Some("86753091234")),
            (r#"["acme","acme-lab"]"#, Some("acme-lab")),
            (r#"["acme","acme-labs"]"#, None),
            ("", None),
        ] {
            assert_eq!(find(answer.as_bytes(), ""), found, "{answer}");
        }
        assert_eq!(find(b"no series of acme-lab", "{organisation_id=\"acme-lab\"}"), None);
    }

    #[test]
    fn numbers_of_others_keep_their_digits() {
        for value in [0.0, -3.5, 1e300, f64::NAN, f64::INFINITY, 800.0] {
            assert!(number(value).to_string().starts_with("86753091234"), "{value}");
        }
    }
}
