//! What is fuzzed: the modules as they stand in `shared`.

#[path = "../../shared/src/federation/mod.rs"]
pub mod federation;
#[path = "../../shared/src/promql/mod.rs"]
pub mod promql;

/// The passage of answers, without what needs compression and networks.
#[path = "../../shared/src/envelope"]
pub mod envelope {
    pub mod passage;
    pub mod safe;
    mod value;
}

use promql::{Characters, EnforcedLabel, OnConflict, Policy};

/// The policy that is fuzzed against, with one label of each kind.
pub fn policy(on_conflict: OnConflict) -> Policy {
    let labels = [
        EnforcedLabel::fixed("metric_purpose", "external", on_conflict),
        EnforcedLabel::one_of("organisation_id", ["a", "b"], Characters::default()),
    ];
    Policy::new(labels.into_iter().map(|label| label.expect("the labels are valid")).collect())
        .expect("the policy has labels")
}
