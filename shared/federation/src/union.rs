//! One PromQL expression for several selectors.

/// The label that keeps series of different names apart in a union. It is dropped when the answer is converted.
pub(super) const HELPER: &str = "__fanlight_name__";

/// An expression that has every series of the selectors once.
///
/// `or` compares labels without the metric's name, and so would drop `b{x="1"}` beside `a{x="1"}`. The name is
/// therefore copied into a label that [`Converter`](super::Converter) drops. Selectors that are written alike count once;
/// of none there is no expression, and the result is empty.
///
/// `label_replace` leaves the name and native histograms as they are, except that Prometheus 2.42 and older make zeros
/// of native histograms, which these have only behind a feature flag.
///
/// The selectors are taken as they are: they must have been enforced.
///
/// ```
/// use federation::union;
///
/// let selectors = [r#"up{org="a"}"#, r#"{org="a",job="b"}"#, r#"up{org="a"}"#].map(String::from);
/// assert_eq!(union(&selectors[..1]), r#"up{org="a"}"#);
/// assert_eq!(
///     union(&selectors),
///     r#"label_replace(up{org="a"},"__fanlight_name__","$1","__name__","(.*)") "#.to_owned()
///         + r#"or label_replace({org="a",job="b"},"__fanlight_name__","$1","__name__","(.*)")"#,
/// );
/// ```
#[must_use]
pub fn union(selectors: &[String]) -> String {
    let mut distinct: Vec<&str> = Vec::with_capacity(selectors.len());
    for selector in selectors {
        if !distinct.contains(&selector.as_str()) {
            distinct.push(selector);
        }
    }
    match distinct[..] {
        [] => String::new(),
        [only] => only.to_owned(),
        _ => distinct
            .iter()
            .map(|selector| format!(r#"label_replace({selector},"{HELPER}","$1","__name__","(.*)")"#))
            .collect::<Vec<_>>()
            .join(" or "),
    }
}
