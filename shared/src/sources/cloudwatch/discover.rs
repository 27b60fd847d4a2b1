//! Which sets of dimensions there are, by `ListMetrics`.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::types::{DimensionFilter, RecentlyActive};
use jiff::Timestamp;

use super::fetch::{Failure, Metrics};
use crate::cloudwatch::Refusal;

/// CloudWatch takes no more; further dimensions are compared here.
const MOST_FILTERS: usize = 10;
const ACTION: &str = "cloudwatch:ListMetrics";

/// Which metrics count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// All that CloudWatch lists: those with data in the last two weeks.
    Known,
    /// Those that may have data in the window.
    Recent,
}

impl Metrics<'_> {
    /// The sets of dimensions' values for which any input has a metric with exactly the query's dimensions, in the order of
    /// their values.
    pub(super) async fn discover(&self, which: Which) -> Result<BTreeSet<Vec<String>>, Failure> {
        let mut found = BTreeSet::new();
        let mut listed = BTreeSet::new();
        for at in 0..self.inputs.len() {
            let input = &self.inputs[at];
            if listed.insert((input.namespace, input.metric, &input.dimensions)) {
                self.list(at, which, &mut found).await?;
            }
        }
        Ok(found)
    }

    async fn list(&self, at: usize, which: Which, found: &mut BTreeSet<Vec<String>>) -> Result<(), Failure> {
        let input = &self.inputs[at];
        let mut wanted: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        wanted.extend(self.dimensions.iter().map(|(name, value)| (*name, value.as_deref())));
        wanted.extend(
            input
                .dimensions
                .iter()
                .map(|(name, value)| (name.as_str(), Some(value.as_str()))),
        );
        let filters = wanted.iter().take(MOST_FILTERS).map(|(name, value)| {
            DimensionFilter::builder()
                .name(*name)
                .set_value(value.map(str::to_owned))
                .build()
        });
        let mut request = self
            .client
            .list_metrics()
            .namespace(input.namespace)
            .metric_name(input.metric)
            .set_dimensions(Some(filters.collect()));
        if which == Which::Recent && self.window.is_recent(Timestamp::now()) {
            request = request.recently_active(RecentlyActive::Pt3H);
        }
        let mut token: Option<String> = None;
        loop {
            self.spent.list_request();
            let page = request.clone().set_next_token(token.clone()).send().await;
            let page = page.map_err(|error| Failure::Refused(Refusal::of(ACTION, self.region, &error)))?;
            for metric in page.metrics() {
                let given: BTreeMap<&str, &str> = metric
                    .dimensions()
                    .iter()
                    .map(|dimension| {
                        (
                            dimension.name().unwrap_or_default(),
                            dimension.value().unwrap_or_default(),
                        )
                    })
                    .collect();
                // A metric with further dimensions is another one.
                let fits = given.len() == wanted.len()
                    && wanted.iter().all(|(name, value)| {
                        given
                            .get(name)
                            .is_some_and(|given| value.is_none_or(|value| value == *given))
                    });
                if fits {
                    let values = self.dimensions.iter().map(|(name, _)| given[name].to_owned());
                    found.insert(values.collect());
                    self.check_limit(found.len())?;
                }
            }
            match page.next_token {
                // The same page again would go on for ever.
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                _ => return Ok(()),
            }
        }
    }

    pub(super) fn check_limit(&self, sets: usize) -> Result<(), Failure> {
        let metrics = sets * self.inputs.len();
        if metrics > self.limit {
            return Err(Failure::TooMany { limit: self.limit });
        }
        Ok(())
    }
}
