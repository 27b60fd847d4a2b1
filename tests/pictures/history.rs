//! A past for series that have only a present: each goes up and down by the hour, and something breaks.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::time::{SystemTime, UNIX_EPOCH};

const STEP: u64 = 60;
const HOUR: f64 = 3600.0;
/// When, before the end, the identity step on Android breaks and no lead comes by search.
const BROKEN: std::ops::Range<f64> = 1.2..2.6;

/// `OpenMetrics` text of these series (of a Pushgateway's page) over so many hours, and the second at which it ends.
pub(crate) fn of(page: &str, hours: u64) -> (String, u64) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let end = now / STEP * STEP;
    let mut families: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let name = series.split('{').next().unwrap_or_default();
        // What the gateway tells of itself is on no dashboard.
        let ours = ["fanlight_", "growth_", "core_", "customer_", "transfers_", "aws_"];
        if let Ok(value) = value.parse()
            && ours.iter().any(|start| name.starts_with(start))
        {
            families.entry(name).or_default().push((series, value));
        }
    }
    let times = || (end - hours * 3600..=end).step_by(60);
    let mut text = String::new();
    // Writing to a String does not fail.
    for (name, series) in &families {
        let _ = writeln!(text, "# TYPE {name} gauge");
        for (series, value) in series {
            for time in times() {
                let _ = writeln!(text, "{series} {} {time}", at(series, *value, time, end));
            }
        }
    }
    // What rules record: an hour in which a promise is broken, and the budget that it costs.
    let slo = r#"sloth_id="transfers-transfers-not-failed",sloth_service="transfers",sloth_slo="transfers-not-failed""#;
    let burn = |time: u64| {
        let wave = 0.3 * (TAU * time as f64 / HOUR / 2.6).sin();
        if BROKEN.contains(&before(time, end)) {
            5.6 + wave
        } else {
            0.5 + wave
        }
    };
    text += "# TYPE slo:current_burn_rate:ratio gauge\n";
    for time in times() {
        let _ = writeln!(text, "slo:current_burn_rate:ratio{{{slo}}} {} {time}", burn(time));
    }
    text += "# TYPE slo:period_error_budget_remaining:ratio gauge\n";
    let mut left = 0.74;
    for time in times() {
        left -= burn(time) * STEP as f64 / HOUR / 720.0;
        let _ = writeln!(text, "slo:period_error_budget_remaining:ratio{{{slo}}} {left} {time}");
    }
    text += "# TYPE ALERTS gauge\n";
    for (labels, delay) in [
        (
            r#"alertname="SignUpConversionDropped",step="identity",os="android",severity="critical",team="growth""#,
            0.2,
        ),
        (
            r#"alertname="NoLeads",campaign_group="search",severity="warning",team="growth""#,
            0.05,
        ),
    ] {
        let fires = |time: &u64| (BROKEN.start..BROKEN.end - delay).contains(&before(*time, end));
        for time in times().filter(fires) {
            let _ = writeln!(text, "ALERTS{{alertstate=\"firing\",{labels}}} 1 {time}");
        }
    }
    text += "# EOF\n";
    (text, end)
}

/// Hours from a time to the end.
fn before(time: u64, end: u64) -> f64 {
    (end - time) as f64 / HOUR
}

fn at(series: &str, value: f64, time: u64, end: u64) -> f64 {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(series);
    let phase = (hash % 1000) as f64 / 1000.0;
    let is = |part: &str| series.contains(part);
    let broken = BROKEN.contains(&before(time, end));
    // Each job runs at its times, and pushes what it found until it runs again.
    let every: u64 = if is("transfers-status") {
        600
    } else if is("leads") || is("cards") || is("functions") {
        300
    } else {
        60
    };
    let ran = time / every * every;
    if is("_timestamp_seconds") {
        return ran as f64;
    }
    if is("build_info") || is("_up{") {
        let failed = is(r#"fanlight_job="leads""#) && (3.9..4.3).contains(&before(time, end));
        return if failed { 0.0 } else { value };
    }
    let hours = ran as f64 / HOUR;
    let wave = 0.22 * (TAU * (hours / 5.0 + phase)).sin() + 0.08 * (TAU * (hours * 1.7 + phase * 7.0)).sin();
    let noise = {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((series, ran));
        ((hash % 1000) as f64 / 1000.0 - 0.5) * 0.12
    };
    let mut varied = value * (1.0 + wave + noise);
    if is("sign_up_people") {
        // What depends on each other varies together, as a day does.
        let day = 1.0 + 0.3 * (TAU * hours / 6.0).sin();
        let together = (TAU * hours * 2.3).sin() * 0.04 + (TAU * hours * 11.0).sin() * 0.02;
        varied = value * day * (1.0 + together);
        if is("completed") {
            varied *= 0.97 + 0.02 * (TAU * (hours / 2.0 + phase)).sin();
        }
        if broken && is("identity") && is("android") && is("completed") {
            varied *= 0.35;
        }
    }
    if broken && is("growth_leads") && is("search") {
        return 0.0;
    }
    let seconds = is("seconds");
    if seconds { varied } else { varied.round().max(0.0) }
}
