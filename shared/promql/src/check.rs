//! Type checking, as Prometheus does it: one pass over the arena, in which children stand before their parents.

use super::ast::List;
use super::ast::{Group, Matching, MatchingId, Node, NodeId, NodeKind, Selector, Tree, ValueType};
use super::error::{ParseError, Span, SyntaxError};
use super::functions::Function;
use super::operators::BinaryOperator;

/// Whether a selector may match series of which nothing is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EmptySelectors {
    /// As in Prometheus: at least one matcher must not match the empty string.
    Refused,
    /// The enforced matchers are still to be added, and none of them matches the empty string.
    Allowed,
}

/// Checks the types of everything in `tree`, and marks the selectors that are arguments of `info()`.
///
/// # Errors
/// When Prometheus would not accept the query for its types.
pub(super) fn check(tree: &mut Tree<'_>, empty: EmptySelectors) -> Result<(), ParseError> {
    mark_info_selectors(tree);
    let checker = Checker { tree, empty };
    tree.nodes.iter().try_for_each(|node| checker.node(node))
}

/// The second argument of `info()` is a list of matchers rather than a selector of its own.
fn mark_info_selectors(tree: &mut Tree<'_>) {
    let Tree {
        nodes,
        arguments,
        selectors,
        ..
    } = tree;
    for node in nodes.iter() {
        if let NodeKind::Call {
            function,
            arguments: list,
        } = node.kind
            && function.reads_unwritten
            && let Some(argument) = arguments[list.range()].get(1)
            && let NodeKind::Selector(id) = nodes[argument.at()].kind
        {
            selectors[id.at()].of_info = true;
        }
    }
}

struct Checker<'t, 'q> {
    tree: &'t Tree<'q>,
    empty: EmptySelectors,
}

impl Checker<'_, '_> {
    fn error(&self, span: Span, message: impl Into<std::borrow::Cow<'static, str>>) -> ParseError {
        SyntaxError::new(self.tree.query, span, message).into()
    }

    fn value_type(&self, id: NodeId) -> ValueType {
        self.tree.node(id).value_type
    }

    fn expect(&self, id: NodeId, wanted: ValueType, context: impl FnOnce() -> String) -> Result<(), ParseError> {
        let node = self.tree.node(id);
        if node.value_type == wanted {
            return Ok(());
        }
        let (wanted, got) = (wanted.name(), node.value_type.name());
        Err(self.error(node.span, format!("expected type {wanted} in {}, got {got}", context())))
    }

    fn node(&self, node: &Node) -> Result<(), ParseError> {
        match node.kind {
            NodeKind::Number(_) | NodeKind::String(_) | NodeKind::Paren(_) | NodeKind::Range { .. } => Ok(()),
            NodeKind::Sign { operand, .. } => match self.value_type(operand) {
                ValueType::Scalar | ValueType::Vector => Ok(()),
                other => Err(self.error(
                    node.span,
                    format!(
                        "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                        other.name()
                    ),
                )),
            },
            NodeKind::Binary {
                operator,
                matching,
                left,
                right,
            } => self.binary(node.span, operator, matching, left, right),
            NodeKind::Aggregation {
                aggregator,
                parameter,
                operand,
                ..
            } => {
                self.expect(operand, ValueType::Vector, || "aggregation expression".to_owned())?;
                match (parameter, aggregator.parameter()) {
                    (Some(parameter), Some(wanted)) => {
                        self.expect(parameter, wanted, || "aggregation parameter".to_owned())
                    }
                    _ => Ok(()),
                }
            }
            NodeKind::Call { function, arguments } => self.call(node.span, function, arguments),
            NodeKind::Selector(id) => self.selector(node.span, &self.tree.selectors[id.at()]),
            NodeKind::Subquery { operand, .. } => match self.value_type(operand) {
                ValueType::Vector => Ok(()),
                other => {
                    let other = other.name();
                    Err(self.error(
                        node.span,
                        format!("subquery is only allowed on instant vector, got {other} instead"),
                    ))
                }
            },
        }
    }

    fn binary(
        &self,
        span: Span,
        operator: BinaryOperator,
        matching: Option<MatchingId>,
        left: NodeId,
        right: NodeId,
    ) -> Result<(), ParseError> {
        let matching = matching.map_or(&Matching::NONE, |id| &self.tree.matchings[id.at()]);
        let types = [left, right].map(|side| self.value_type(side));
        let scalars = types.iter().filter(|side| **side == ValueType::Scalar).count();
        if matching.returns_bool && !operator.is_comparison() {
            return Err(self.error(span, "bool modifier can only be used on comparison operators"));
        }
        if operator.is_comparison() && !matching.returns_bool && scalars == 2 {
            return Err(self.error(span, "comparisons between scalars must use BOOL modifier"));
        }
        if matching.on {
            self.labels_are_disjoint(span, matching)?;
        }
        for side in [left, right] {
            let node = self.tree.node(side);
            if !matches!(node.value_type, ValueType::Scalar | ValueType::Vector) {
                let message = "binary expression must contain only scalar and instant vector types";
                return Err(self.error(node.span, message));
            }
        }
        let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
        if scalars > 0 {
            if matching.labels.len() > 0 {
                return Err(self.error(span, "vector matching only allowed between instant vectors"));
            }
            if fills {
                return Err(self.error(span, "filling in missing series only allowed between instant vectors"));
            }
            if operator.is_set() {
                let sign = operator.sign();
                return Err(self.error(
                    span,
                    format!("set operator {sign:?} not allowed in binary scalar expression"),
                ));
            }
        } else if operator.is_set() {
            if matching.group != Group::OneToOne {
                return Err(self.error(span, format!("no grouping allowed for {:?} operation", operator.sign())));
            }
            if fills {
                return Err(self.error(span, "filling in missing series not allowed for set operators"));
            }
        }
        Ok(())
    }

    /// No label may be both matched on and included. Sorted, so that long lists do not cost their product.
    fn labels_are_disjoint(&self, span: Span, matching: &Matching) -> Result<(), ParseError> {
        let names = |list: List| {
            self.tree.labels[list.range()]
                .iter()
                .map(|label| self.tree.bytes(*label))
        };
        let mut on: Vec<&[u8]> = names(matching.labels).collect();
        on.sort_unstable();
        match names(matching.include).find(|label| on.binary_search(label).is_ok()) {
            Some(label) => {
                let label = String::from_utf8_lossy(label);
                Err(self.error(
                    span,
                    format!("label {label:?} must not occur in ON and GROUP clause at once"),
                ))
            }
            None => Ok(()),
        }
    }

    fn call(&self, span: Span, function: &Function, arguments: List) -> Result<(), ParseError> {
        let arguments = &self.tree.arguments[arguments.range()];
        let (name, given) = (function.name, arguments.len());
        let Function { least, most, .. } = *function;
        if given < least || most.is_some_and(|most| given > most) {
            let wanted = match most {
                Some(most) if most == least => format!("{least}"),
                _ if given < least => format!("at least {least}"),
                _ => format!("at most {}", most.unwrap_or(least)),
            };
            return Err(self.error(
                span,
                format!("expected {wanted} argument(s) in call to {name:?}, got {given}"),
            ));
        }
        for (index, argument) in arguments.iter().enumerate() {
            if let Some(wanted) = function.arguments.get(index).or(function.arguments.last()) {
                self.expect(*argument, *wanted, || format!("call to function {name:?}"))?;
            }
        }
        if function.reads_unwritten
            && let Some(labels) = arguments.get(1)
        {
            let node = self.tree.node(*labels);
            let NodeKind::Selector(selector) = node.kind else {
                return Err(self.error(node.span, "expected label selectors only"));
            };
            if self.tree.selectors[selector.at()].name.is_some() {
                return Err(self.error(node.span, "expected label selectors only, got vector selector instead"));
            }
        }
        Ok(())
    }

    fn selector(&self, span: Span, selector: &Selector) -> Result<(), ParseError> {
        let matchers = &self.tree.matchers[selector.matchers.range()];
        if let Some(name) = selector.name {
            let is_name = |text| self.tree.bytes(text) == b"__name__";
            let Some(second) = matchers.iter().find(|matcher| is_name(matcher.name)) else {
                return Ok(());
            };
            let first = name.text(self.tree.query);
            let second = String::from_utf8_lossy(self.tree.bytes(second.value));
            return Err(self.error(
                span,
                format!("metric name must not be set twice: {first:?} or {second:?}"),
            ));
        }
        if self.empty == EmptySelectors::Allowed
            || selector.of_info
            || matchers.iter().any(|matcher| !self.tree.matches_empty(matcher))
        {
            return Ok(());
        }
        Err(self.error(span, "vector selector must contain at least one non-empty matcher"))
    }
}
