//! The demo's tables.

use comfy_table::{Table, presets};
use fanlight_tests::{Prometheus, Pushgateway, Series};

use crate::collector::Run;
use crate::shop::Shop;

/// So many series of one metric are shown; more are counted.
const SHOWN: usize = 4;

/// The series that the runs gave, as Prometheus has them; above each metric's series the labels that they share.
pub(crate) fn series(runs: &[Run<'_>]) -> Table {
    let mut table = table(["in Prometheus", "labels", "value"]);
    for run in runs {
        for metric in run.job.metrics() {
            let series: Vec<_> = run
                .series
                .iter()
                .filter(|series| series.metric == metric.name)
                .collect();
            let Some(first) = series.first() else { continue };
            let shared = |label: &str| {
                series
                    .iter()
                    .all(|other| other.labels.get(label) == first.labels.get(label))
            };
            if series.len() == 1 {
                table.add_row([metric.name.clone(), written(first, |_| true), first.value.to_string()]);
                continue;
            }
            table.add_row([metric.name.clone(), written(first, shared), String::new()]);
            for series in series.iter().take(SHOWN) {
                table.add_row([
                    String::new(),
                    written(series, |label| !shared(label)),
                    series.value.to_string(),
                ]);
            }
            if series.len() > SHOWN {
                table.add_row([
                    String::new(),
                    format!("and {} more", series.len() - SHOWN),
                    String::new(),
                ]);
            }
        }
    }
    table
}

/// Some of a series' labels.
fn written(series: &Series, wanted: impl Fn(&str) -> bool) -> String {
    let labels = series.labels.iter().filter(|(label, _)| wanted(label));
    labels
        .map(|(label, value)| format!("{label}={value:?}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What ran.
pub(crate) fn runs(runs: &[Run<'_>]) -> Table {
    let mut table = table(["job", "schedule", "ended", "took", "series"]);
    for run in runs {
        table.add_row([
            run.job.name.clone(),
            run.job.schedule.expression().to_owned(),
            if run.failure.is_some() { "failed" } else { "well" }.to_owned(),
            run.took(),
            run.series.len().to_string(),
        ]);
    }
    table
}

/// Where to look.
pub(crate) fn places(shop: &Shop, gateway: &Pushgateway, prometheus: &Prometheus) -> Table {
    let mut table = table(["look at", ""]);
    table.add_row([
        "Prometheus".to_owned(),
        format!("{}/graph?g0.expr=core_transfers_status&g0.tab=0", prometheus.url()),
    ]);
    table.add_row(["Pushgateway".to_owned(), gateway.url()]);
    table.add_row(["PostgreSQL".to_owned(), shop.url()]);
    table
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header);
    table
}
