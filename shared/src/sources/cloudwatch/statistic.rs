//! Statistics as CloudWatch names them.
//!
//! [CloudWatch statistics definitions](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html).

use crate::suggest;

/// The statistics that are words.
const WORDS: [&str; 6] = ["SampleCount", "Sum", "Average", "Minimum", "Maximum", "IQM"];
/// Those that cut off values at one percentile: `tm90`.
const CUT_SHORT: [&str; 5] = ["p", "tm", "wm", "tc", "ts"];
/// Those between two bounds: `TM(5%:95%)`.
const BETWEEN: [&str; 5] = ["TM", "WM", "TC", "TS", "PR"];

/// What is wrong with a statistic's name, and what to do.
pub(super) fn problem(text: &str) -> Option<(String, String)> {
    if WORDS.contains(&text) || is_short(text) || is_between(text) {
        return None;
    }
    let help = match suggest::closest(text, WORDS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "write {}, a percentile such as `p99`, or such as `tm90` or `TM(5%:95%)`",
            WORDS.join(", ")
        ),
    };
    Some((format!("`{text}` is not a statistic of CloudWatch"), help))
}

fn is_short(text: &str) -> bool {
    let digits = |prefix: &&str| text.strip_prefix(prefix).is_some_and(is_percentage);
    CUT_SHORT.iter().any(digits)
}

fn is_between(text: &str) -> bool {
    let Some((name, bounds)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) else {
        return false;
    };
    let Some((low, high)) = bounds.split_once(':').filter(|_| BETWEEN.contains(&name)) else {
        return false;
    };
    if low.is_empty() && high.is_empty() {
        return false;
    }
    // A rank's bounds are values; the others' are both percentages or both values.
    let of_values = |bound: &str| bound.is_empty() || is_decimal(bound);
    let of_percentages = |bound: &str| bound.is_empty() || bound.strip_suffix('%').is_some_and(is_percentage);
    of_values(low) && of_values(high) || name != "PR" && of_percentages(low) && of_percentages(high)
}

/// From 0 to 100, with at most ten digits behind the point.
fn is_percentage(text: &str) -> bool {
    is_decimal(text) && text.parse::<f64>().is_ok_and(|number| (0.0..=100.0).contains(&number))
}

fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && fraction.len() <= 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_cloudwatch() {
        for text in [
            "SampleCount",
            "Sum",
            "Average",
            "Minimum",
            "Maximum",
            "IQM",
            "p0",
            "p50",
            "p99",
            "p99.9",
            "p99.9999999999",
            "p100",
            "tm90",
            "wm98",
            "tc99",
            "ts100",
            "TM(5%:95%)",
            "TM(:95%)",
            "TM(10%:)",
            "WM(80:500)",
            "TC(0.005:0.030)",
            "TS(80%:)",
            "PR(:300)",
            "PR(100:2000)",
        ] {
            assert_eq!(problem(text), None, "{text}");
        }
        for text in [
            "",
            "p",
            "p101",
            "p-1",
            "p1e1",
            "p99.",
            "p.9",
            "p99.99999999999",
            "P99",
            "pr90",
            "TM()",
            "TM(:)",
            "TM(5%:95)",
            "TM(5%)",
            "PR(10%:90%)",
            "XX(1:2)",
            "TM(5%:101%)",
            "Sum ",
            "nan",
        ] {
            assert!(problem(text).is_some(), "{text}");
        }
        assert_eq!(problem("average").unwrap().1, "did you mean `Average`?");
        assert!(problem("median").unwrap().1.contains("`p99`"));
    }
}
