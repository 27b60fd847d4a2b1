//! What a query reads and what it yields: the selectors' metrics and matchers, and whether a label survives to the answer.

use super::ast::{Group, List, Matcher, NodeId, NodeKind, Selector, Text, Tree, ValueType};
use super::error::{Position, Span};
use super::operators::{Aggregator, BinaryOperator, MatchOperator};

/// The label that metrics' names are kept in.
const NAME_LABEL: &[u8] = b"__name__";

/// A selector of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The metric's name; `None` where a regular expression or nothing stands in its place.
    pub metric: Option<String>,
    /// Its matchers, that of the name left out.
    pub matchers: Vec<Matched>,
    /// Where it begins.
    pub position: Position,
}

/// A matcher of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The label.
    pub label: String,
    /// The value that it must have; `None` for any matcher but `=`.
    pub equals: Option<String>,
    /// Where it begins.
    pub position: Position,
}

impl Tree<'_> {
    /// The query's selectors, in its order.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        let nodes = self.nodes.iter();
        let mut readings: Vec<_> = nodes
            .filter_map(|node| match node.kind {
                NodeKind::Selector(id) => Some((node.span, &self.selectors[id.at()])),
                _ => None,
            })
            .filter(|(_, selector)| !selector.of_info)
            .map(|(span, selector)| {
                let matchers = self.matchers[selector.matchers.range()].iter();
                let matchers = matchers.filter(|matcher| self.bytes(matcher.name) != NAME_LABEL);
                let matchers = matchers.map(|matcher| Matched {
                    label: self.lossy(matcher.name),
                    equals: (matcher.operator == MatchOperator::Equal).then(|| self.lossy(matcher.value)),
                    position: self.position(matcher.span),
                });
                (
                    span.start,
                    Reading {
                        metric: self.metric(selector),
                        matchers: matchers.collect(),
                        position: self.position(span),
                    },
                )
            })
            .collect();
        readings.sort_by_key(|(start, _)| *start);
        readings.into_iter().map(|(_, reading)| reading).collect()
    }

    /// Whether the query is one selector and nothing else.
    #[must_use]
    pub fn is_selector(&self) -> bool {
        matches!(self.nodes.as_slice(), [node] if matches!(node.kind, NodeKind::Selector(_)))
    }

    /// Whether the answer is one sample for each of some series, as the expression of an alert must have it.
    #[must_use]
    pub fn yields_series(&self) -> bool {
        self.root().is_some_and(|root| root.value_type == ValueType::Vector)
    }

    /// Whether it may yield something because of series that are not there: by `absent`, `absent_over_time`, `vector`,
    /// `or`, or a `fill`.
    #[must_use]
    pub fn may_tell_of_absence(&self) -> bool {
        let fills = |matching: &super::ast::Matching| matching.fill_left.is_some() || matching.fill_right.is_some();
        self.matchings.iter().any(fills)
            || self.nodes.iter().any(|node| match node.kind {
                NodeKind::Call { function, .. } => {
                    matches!(function.name, "absent" | "absent_over_time" | "vector")
                }
                NodeKind::Binary { operator, .. } => operator == BinaryOperator::Or,
                _ => false,
            })
    }

    /// Whether series of the answer may have other labels than those that are read, or lack some for another reason than being added up
    /// without: by `label_replace`, `label_join`, `count_values`, `info`, what reads histograms, or a match of many to one or with a
    /// `fill`.
    #[must_use]
    pub fn may_change_labels(&self) -> bool {
        let changes = |matching: &super::ast::Matching| {
            matching.group != Group::OneToOne || matching.fill_left.is_some() || matching.fill_right.is_some()
        };
        self.matchings.iter().any(changes)
            || self.nodes.iter().any(|node| match node.kind {
                NodeKind::Call { function, .. } => {
                    matches!(function.name, "label_replace" | "label_join" | "info")
                        || function.name.starts_with("histogram_")
                }
                NodeKind::Aggregation { aggregator, .. } => aggregator == Aggregator::CountValues,
                _ => false,
            })
    }

    /// Whether every series of the answer has the label, where `has` says whose series have it: metrics by name, `None` for a
    /// selector without one.
    #[must_use]
    pub fn keeps(&self, label: &str, has: &dyn Fn(Option<&str>) -> bool) -> bool {
        // Children stand before their parents.
        let mut kept = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let keeps = match node.kind {
                NodeKind::Selector(id) => has(self.metric(&self.selectors[id.at()]).as_deref()),
                _ => self.keeps_at(&node.kind, label.as_bytes(), &|id: NodeId| kept[id.at()]),
            };
            kept.push(keeps);
        }
        kept.last().copied().unwrap_or_default()
    }

    fn keeps_at(&self, kind: &NodeKind, label: &[u8], kept: &dyn Fn(NodeId) -> bool) -> bool {
        match *kind {
            NodeKind::Number(_) | NodeKind::String(_) | NodeKind::Selector(_) => false,
            NodeKind::Paren(operand) | NodeKind::Sign { operand, .. } | NodeKind::Subquery { operand, .. } => {
                kept(operand)
            }
            NodeKind::Range { selector, .. } => kept(selector),
            NodeKind::Aggregation {
                aggregator,
                without,
                grouping,
                operand,
                ..
            } => match aggregator {
                Aggregator::Topk | Aggregator::Bottomk | Aggregator::Limitk | Aggregator::LimitRatio => kept(operand),
                _ => kept(operand) && self.lists(grouping, label) != without,
            },
            NodeKind::Call { function, arguments } => {
                let arguments = &self.arguments[arguments.range()];
                let series = |id: &&NodeId| matches!(self.node(**id).value_type, ValueType::Vector | ValueType::Matrix);
                let overwrites = matches!(function.name, "label_replace" | "label_join")
                    && arguments.get(1).is_some_and(|target| match self.node(*target).kind {
                        NodeKind::String(text) => self.bytes(text) == label,
                        _ => true,
                    });
                let makes_series = matches!(function.name, "absent" | "absent_over_time" | "scalar");
                !overwrites && !makes_series && arguments.iter().find(series).is_some_and(|id| kept(*id))
            }
            NodeKind::Binary {
                operator,
                matching,
                left,
                right,
            } => {
                let is_series = |id: NodeId| self.node(id).value_type == ValueType::Vector;
                match (is_series(left), is_series(right)) {
                    (true, false) => return kept(left),
                    (false, true) => return kept(right),
                    (false, false) => return false,
                    (true, true) => {}
                }
                match operator {
                    BinaryOperator::And | BinaryOperator::Unless => return kept(left),
                    BinaryOperator::Or => return kept(left) && kept(right),
                    _ => {}
                }
                let Some(matching) = matching.map(|id| &self.matchings[id.at()]) else {
                    return kept(left) && kept(right);
                };
                match matching.group {
                    Group::ManyToOne => kept(left),
                    Group::OneToMany => kept(right),
                    Group::OneToOne => kept(left) && kept(right) && self.lists(matching.labels, label) == matching.on,
                }
            }
        }
    }

    /// The metric that a selector names, before its braces or in them.
    fn metric(&self, selector: &Selector) -> Option<String> {
        let named = selector.name.map(|name| name.text(self.query).to_owned());
        let mut matchers = self.matchers[selector.matchers.range()].iter();
        named.or_else(|| {
            let is_name =
                |matcher: &&Matcher| matcher.operator == MatchOperator::Equal && self.bytes(matcher.name) == NAME_LABEL;
            matchers.find(is_name).map(|matcher| self.lossy(matcher.value))
        })
    }

    fn root(&self) -> Option<&super::ast::Node> {
        self.nodes.last()
    }

    fn lists(&self, labels: List, label: &[u8]) -> bool {
        self.labels[labels.range()]
            .iter()
            .any(|listed| self.bytes(*listed) == label)
    }

    fn lossy(&self, text: Text) -> String {
        String::from_utf8_lossy(self.bytes(text)).into_owned()
    }

    fn position(&self, span: Span) -> Position {
        Position::of(self.query, span.start)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, parse};

    #[test]
    fn selectors_are_told_with_their_names_and_matchers() {
        let query = "sum(a{x=\"1\",y!=\"2\"}) /\n rate({__name__=\"b\"}[5m]) > on() {__name__=~\"c.*\"} offset 1h";
        let readings = parse(query, &Limits::default()).unwrap().readings();
        let told: Vec<_> = readings
            .iter()
            .map(|reading| {
                let matchers = reading.matchers.iter();
                let matchers: Vec<_> = matchers
                    .map(|matcher| {
                        (
                            matcher.label.as_str(),
                            matcher.equals.as_deref(),
                            matcher.position.to_string(),
                        )
                    })
                    .collect();
                (reading.metric.as_deref(), reading.position.to_string(), matchers)
            })
            .collect();
        let expected = vec![
            (
                Some("a"),
                "1:5".to_owned(),
                vec![("x", Some("1"), "1:7".to_owned()), ("y", None, "1:13".to_owned())],
            ),
            (Some("b"), "2:7".to_owned(), vec![]),
            (None, "2:34".to_owned(), vec![]),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_label_survives_what_keeps_it() {
        for (query, keeps) in [
            ("a", true),
            ("a > 5", true),
            ("5 < a", true),
            ("-(a)", true),
            ("1", false),
            ("rate(a[5m])", true),
            ("max_over_time(a[1h:5m])", true),
            ("sum(a)", false),
            ("sum by (o) (a)", true),
            ("sum by (p) (a)", false),
            ("sum without (p) (a)", true),
            ("sum without (o) (a)", false),
            ("topk(3, a)", true),
            ("topk(3, sum(a))", false),
            ("a / b", true),
            ("a / sum(b)", false),
            ("a / on (o, p) b", true),
            ("a / on (p) b", false),
            ("a / ignoring (o) b", false),
            ("a / ignoring (p) b", true),
            ("a / on (p) group_left b", true),
            ("sum(b) / on () group_right a", true),
            ("a / on () group_left sum(b)", true),
            ("a and on () sum(b)", true),
            ("sum(b) and on () a", false),
            ("a unless b", true),
            ("a or b", true),
            ("a or sum(b)", false),
            ("absent(a)", false),
            ("vector(scalar(a))", false),
            ("label_replace(a, \"p\", \"x\", \"o\", \".*\")", true),
            ("label_replace(a, \"o\", \"x\", \"p\", \".*\")", false),
            ("quantile by (o) (0.5, a)", true),
            ("count_values by (o) (\"v\", a)", true),
        ] {
            let tree = parse(query, &Limits::default()).unwrap();
            assert_eq!(tree.keeps("o", &|_| true), keeps, "{query}");
        }
    }

    #[test]
    fn a_label_that_a_metric_lacks_does_not_survive() {
        for (query, keeps) in [
            ("b and on () a", false),
            ("a and on () b", true),
            ("a or b", false),
            ("{__name__=\"a\"} * on () group_left b", true),
            ("{x=\"y\"}", false),
        ] {
            let tree = parse(query, &Limits::default()).unwrap();
            assert_eq!(tree.keeps("o", &|metric| metric == Some("a")), keeps, "{query}");
        }
    }

    #[test]
    fn what_may_fire_without_series_is_told() {
        for (query, tells) in [
            ("a < 1", false),
            ("absent(a)", true),
            ("a == 0 or b == 0", true),
            ("a > bool 1 and b", false),
            ("vector(1) unless a", true),
            ("absent_over_time(a[5m])", true),
        ] {
            let tree = parse(query, &Limits::default()).unwrap();
            assert_eq!(tree.may_tell_of_absence(), tells, "{query}");
        }
    }

    #[test]
    fn a_number_or_a_range_is_no_answer_for_an_alert() {
        for (query, yields) in [("a", true), ("1 + 1", false), ("a[5m]", false), ("\"a\"", false)] {
            assert_eq!(
                parse(query, &Limits::default()).unwrap().yields_series(),
                yields,
                "{query}"
            );
        }
    }

    #[test]
    fn what_may_change_labels_is_told() {
        for (query, changes) in [
            ("user_info == 0 # fill in", false),
            (
                "sum by (a) (histogram_total{a=\"label_join\"}) / ignoring(b) fill_total",
                false,
            ),
            ("label_replace(a, \"b\", \"$1\", \"c\", \"(.*)\")", true),
            ("label_join(a, \"b\", \",\", \"c\") > 0", true),
            ("count_values(\"b\", a) > 1", true),
            ("info(a) == 0", true),
            ("histogram_quantile(0.9, a) > 1", true),
            ("a * on(b) group_left(c) d", true),
            ("a * on(b) group_right d", true),
            ("a + fill(0) b", true),
            ("a + on(b) fill_right(0) c", true),
        ] {
            let tree = parse(query, &Limits::default()).unwrap();
            assert_eq!(tree.may_change_labels(), changes, "{query}");
        }
    }
}
