//! What holds for the module as a whole.

mod corpus;
mod enforcement;
mod generate;
mod limits;
mod notation;
mod oracle;
mod proof;
mod properties;
mod syntax;

use super::{Characters, EnforcedLabel, OnConflict, Policy};

/// `metric_purpose="external"` and an organisation among `a` and `b`.
fn policy(on_conflict: OnConflict) -> Policy {
    Policy::new(vec![
        EnforcedLabel::fixed("metric_purpose", "external", on_conflict).unwrap(),
        EnforcedLabel::one_of("organisation_id", ["a", "b"], Characters::default()).unwrap(),
    ])
    .unwrap()
}
