//! The demo's tables.

use comfy_table::{Table, presets};
use fanlight_tests::{Prometheus, Pushgateway};

use crate::collector::Run;
use crate::shop::Shop;

/// So many series of one metric are shown; more are counted.
const SHOWN: usize = 8;

/// The series that the runs gave, as Prometheus has them.
pub(crate) fn series(runs: &[Run<'_>]) -> Table {
    let mut table = table(["in Prometheus", "value"]);
    for run in runs {
        for metric in run.job.metrics() {
            let of_metric = |name: &str| name.split('{').next() == Some(&metric.name);
            let series: Vec<_> = run.series.iter().filter(|series| of_metric(&series.name)).collect();
            for series in series.iter().take(SHOWN) {
                table.add_row([series.name.clone(), series.value.to_string()]);
            }
            if series.len() > SHOWN {
                table.add_row([
                    format!("{} and {} more", metric.name, series.len() - SHOWN),
                    String::new(),
                ]);
            }
        }
    }
    table
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
