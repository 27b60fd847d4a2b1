//! How long ago something was, in words.

use jiff::{SignedDuration, Timestamp};

/// `3 min`, `2 h`, `5 days`: the largest unit that there are two of, or nearly.
pub(crate) fn age(of: Timestamp, now: Timestamp) -> String {
    words(now.duration_since(of))
}

/// A length of time in its largest unit.
pub(crate) fn words(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6_000 => format!("{} min", (seconds + 30) / 60),
        6_000..172_800 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_told_in_one_unit() {
        for (seconds, expected) in [
            (-5, "0 s"),
            (0, "0 s"),
            (99, "99 s"),
            (100, "2 min"),
            (3_600, "60 min"),
            (6_000, "2 h"),
            (86_400, "24 h"),
            (172_800, "2 days"),
            (864_000, "10 days"),
        ] {
            assert_eq!(words(SignedDuration::from_secs(seconds)), expected, "{seconds}");
        }
    }
}
