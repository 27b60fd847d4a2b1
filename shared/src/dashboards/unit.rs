//! Grafana's unit of a metric, by what its name ends in.

/// What a metric is measured in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// Grafana's id of it.
    pub(super) id: String,
    /// Whether values of several series may be added up: counts and sums may, times and shares may not.
    pub(super) adds_up: bool,
}

/// What names end in, Grafana's ids (`getValueFormats` of @grafana/data), and whether gauges of it add up.
const UNITS: [(&str, &str, bool); 22] = [
    ("seconds", "s", false),
    ("milliseconds", "ms", false),
    ("minutes", "m", false),
    ("hours", "h", false),
    ("days", "d", false),
    ("bytes", "bytes", true),
    ("bits", "bits", true),
    ("ratio", "percentunit", false),
    ("percent", "percent", false),
    ("euros", "currencyEUR", true),
    ("dollars", "currencyUSD", true),
    ("pounds", "currencyGBP", true),
    ("francs", "currencyCHF", true),
    ("yen", "currencyJPY", true),
    ("celsius", "celsius", false),
    ("kelvin", "kelvin", false),
    ("meters", "lengthm", true),
    ("grams", "massg", true),
    ("joules", "joule", true),
    ("watts", "watt", true),
    ("volts", "volt", false),
    ("hertz", "hertz", false),
];

const COUNT: &str = "short";

impl Unit {
    /// That of a metric; `named` is the unit that the configuration gives it, in which the name ends.
    pub(super) fn of(name: &str, named: Option<&str>) -> Self {
        let stem = name.strip_suffix("_total").unwrap_or(name);
        let word = named.or_else(|| stem.rsplit_once('_').map(|(_, last)| last));
        let known = word.and_then(|word| UNITS.iter().find(|(end, ..)| *end == word));
        match (known, named) {
            (Some((_, id, adds_up)), _) => Self::new(id, *adds_up),
            // Grafana writes whatever follows this behind the number.
            (None, Some(named)) => Self::new(&format!("suffix: {named}"), true),
            (None, None) => Self::new(COUNT, true),
        }
    }

    fn new(id: &str, adds_up: bool) -> Self {
        Self {
            id: id.to_owned(),
            adds_up,
        }
    }

    pub(super) fn seconds() -> Self {
        Self::new("s", false)
    }

    /// Of a part of a whole, 1 being all.
    pub(super) fn ratio() -> Self {
        Self::new("percentunit", false)
    }

    pub(super) fn count() -> Self {
        Self::new(COUNT, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_follow_from_names() {
        for (name, named, id, adds_up) in [
            ("growth_leads", None, "short", true),
            ("transfers_oldest_waiting_seconds", None, "s", false),
            ("transfers_oldest_waiting_seconds", Some("seconds"), "s", false),
            ("mails_sent_bytes_total", None, "bytes", true),
            ("mails_total", None, "short", true),
            ("share_ratio", None, "percentunit", false),
            ("customer_transfers_amount_euros", Some("euros"), "currencyEUR", true),
            ("stock_pallets", Some("pallets"), "suffix: pallets", true),
            ("seconds", None, "short", true),
        ] {
            let unit = Unit::of(name, named);
            assert_eq!((unit.id.as_str(), unit.adds_up), (id, adds_up), "{name}");
        }
    }
}
