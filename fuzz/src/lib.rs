//! What the fuzzed targets have in common.

use promql::{Characters, EnforcedLabel, OnConflict, Policy};

/// The policy that is fuzzed against, with one label of each kind.
pub fn policy(on_conflict: OnConflict) -> Policy {
    let labels = [
        EnforcedLabel::fixed("metric_purpose", "external", on_conflict),
        EnforcedLabel::one_of("organisation_id", ["a", "b"], Characters::default()),
    ];
    Policy::new(
        labels
            .into_iter()
            .map(|label| label.expect("the labels are valid"))
            .collect(),
    )
    .expect("the policy has labels")
}
