//! What alerts and SLOs have in common as they are written.

use super::Declared;
use crate::alerts::Severity;
use crate::config::document::{AlertSpec, Document, MetricSpec, SloSpec};
use crate::config::read::Entry;

/// An alert or an SLO as one place has it.
pub(super) trait Spec: Sized {
    /// What it is called.
    const KIND: &'static str;
    /// The key under which a file has them.
    const SECTION: &'static str;
    /// What a name looks like.
    const EXAMPLE: &'static str;

    /// Those of a file that stand beside no metric.
    fn of_file(document: &Document) -> Option<&Entry<Vec<Entry<Self>>>>;
    /// Those that stand beside a metric.
    fn beside(metric: &MetricSpec) -> Option<&Entry<Vec<Entry<Self>>>>;
    /// The fields of both.
    fn common(&self) -> Common<'_>;
    /// What of the keys that only these have is lacking, in words, where one stands beside no metric.
    fn lacking_own(declared: &Declared<'_, Self>) -> Vec<&'static str>;

    /// What no layer gives, in words, of all that one needs that stands beside no metric.
    fn lacking(declared: &Declared<'_, Self>) -> Vec<&'static str> {
        let told = [
            ("`team`", declared.common(|common| common.team).is_some()),
            ("`severity`", declared.common(|common| common.severity).is_some()),
            ("`handbook`", declared.common(|common| common.handbook).is_some()),
            ("`description`", declared.common(|common| common.description).is_some()),
        ];
        let told = told.into_iter().filter(|(_, given)| !given).map(|(key, _)| key);
        Self::lacking_own(declared).into_iter().chain(told).collect()
    }
}

/// The fields that both have.
pub(super) struct Common<'a> {
    pub(super) name: Option<&'a Entry<String>>,
    pub(super) metric: Option<&'a Entry<String>>,
    pub(super) severity: Option<&'a Entry<Severity>>,
    pub(super) team: Option<&'a Entry<String>>,
    pub(super) slack_channel: Option<&'a Entry<String>>,
    pub(super) handbook: Option<&'a Entry<String>>,
    pub(super) description: Option<&'a Entry<String>>,
    pub(super) enabled: Option<&'a Entry<bool>>,
}

/// The fields that both have, of a struct that has them all under these names.
macro_rules! common {
    () => {
        fn common(&self) -> Common<'_> {
            Common {
                name: self.name.as_ref(),
                metric: self.metric.as_ref(),
                severity: self.severity.as_ref(),
                team: self.team.as_ref(),
                slack_channel: self.slack_channel.as_ref(),
                handbook: self.handbook.as_ref(),
                description: self.description.as_ref(),
                enabled: self.enabled.as_ref(),
            }
        }
    };
}

impl Spec for AlertSpec {
    const KIND: &'static str = "alert";
    const SECTION: &'static str = "alerts";
    const EXAMPLE: &'static str = "NoLeads";

    fn of_file(document: &Document) -> Option<&Entry<Vec<Entry<Self>>>> {
        document.alerts.as_ref()
    }

    fn beside(metric: &MetricSpec) -> Option<&Entry<Vec<Entry<Self>>>> {
        metric.alerts.as_ref()
    }

    fn lacking_own(declared: &Declared<'_, Self>) -> Vec<&'static str> {
        let threshold = declared.field(|spec| &spec.below).is_some() || declared.field(|spec| &spec.above).is_some();
        let ratio = declared.field(|spec| &spec.ratio).is_some();
        let expression = declared.field(|spec| &spec.expression).is_some();
        let window =
            declared.field(|spec| &spec.absent_for).is_some() || declared.field(|spec| &spec.no_increase_for).is_some();
        let mut lacking = Vec::new();
        if !(threshold || ratio || expression || window) {
            lacking.push("a condition");
        }
        if !(ratio || expression || declared.common(|common| common.metric).is_some()) {
            lacking.push("`metric`");
        }
        lacking
    }

    common!();
}

impl Spec for SloSpec {
    const KIND: &'static str = "SLO";
    const SECTION: &'static str = "slos";
    const EXAMPLE: &'static str = "transfers-sent";

    fn of_file(document: &Document) -> Option<&Entry<Vec<Entry<Self>>>> {
        document.slos.as_ref()
    }

    fn beside(metric: &MetricSpec) -> Option<&Entry<Vec<Entry<Self>>>> {
        metric.slos.as_ref()
    }

    fn lacking_own(declared: &Declared<'_, Self>) -> Vec<&'static str> {
        let given = [
            ("`objective`", declared.field(|spec| &spec.objective).is_some()),
            ("`indicator`", declared.field(|spec| &spec.indicator).is_some()),
        ];
        given
            .into_iter()
            .filter(|(_, given)| !given)
            .map(|(key, _)| key)
            .collect()
    }

    common!();
}
