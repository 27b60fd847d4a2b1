//! The syntax tree: flat arenas in which children always stand before their parents.
//!
//! Nothing here points with a box, so dropping a tree is as flat as building it, and whoever needs to visit all of it
//! walks an array: forwards to see children first, backwards to see parents first.

use std::borrow::Cow;

use super::error::Span;
use super::functions::Function;
use super::operators::{Aggregator, BinaryOperator, DurationOperator, MatchOperator};
use super::{number, string};

/// The type of an expression's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    /// A number.
    Scalar,
    /// A string.
    String,
    /// One sample for each of some series.
    Vector,
    /// A range of samples for each of some series.
    Matrix,
}

impl ValueType {
    /// What Prometheus' documentation calls it.
    #[must_use]
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }
}

/// An index into one of a tree's arenas.
macro_rules! index {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) struct $name(pub(super) u32);

        impl $name {
            /// The index of the next element of an arena that has `length`. The query's size bounds every arena.
            pub(super) fn next(length: usize) -> Self {
                Self(u32::try_from(length).unwrap_or(u32::MAX))
            }

            pub(super) fn at(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

index!(
    /// A node.
    NodeId,
    /// A selector.
    SelectorId,
    /// A subquery.
    SubqueryId,
    /// A part of a duration expression.
    DurationId,
    /// The matching of a binary expression.
    MatchingId,
);

/// Consecutive elements of an arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    start: u32,
    end: u32,
}

impl List {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self {
            start: NodeId::next(start).0,
            end: NodeId::next(end).0,
        }
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(super) fn len(self) -> usize {
        self.range().len()
    }
}

/// The bytes that a name or a string literal stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text {
    /// As they stand in the query.
    Query(Span),
    /// Unescaped, in the tree's buffer.
    Decoded(List),
}

/// An expression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) value_type: ValueType,
    pub(super) span: Span,
}

/// What an expression consists of.
#[derive(Clone, Copy, Debug)]
pub(super) enum NodeKind {
    Number(f64),
    String(Text),
    Paren(NodeId),
    /// A sign before anything but a number literal, which takes its sign itself.
    Sign {
        #[cfg_attr(
            not(test),
            expect(dead_code, reason = "only the comparison with Prometheus' own trees reads it")
        )]
        negative: bool,
        operand: NodeId,
    },
    Binary {
        operator: BinaryOperator,
        matching: Option<MatchingId>,
        left: NodeId,
        right: NodeId,
    },
    Aggregation {
        aggregator: Aggregator,
        without: bool,
        grouping: List,
        parameter: Option<NodeId>,
        operand: NodeId,
    },
    Call {
        function: &'static Function,
        arguments: List,
    },
    Selector(SelectorId),
    /// A range of the selector that the node holds.
    Range {
        selector: NodeId,
        range: Duration,
    },
    Subquery {
        operand: NodeId,
        subquery: SubqueryId,
    },
}

/// The brackets of a subquery and what follows them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subquery {
    pub(super) range: Duration,
    pub(super) step: Option<Duration>,
    pub(super) modifiers: Modifiers,
}

/// `offset` and `@`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Modifiers {
    pub(super) offset: Duration,
    pub(super) at: Option<At>,
}

impl Modifiers {
    pub(super) const NONE: Self = Self {
        offset: Duration::Nanos(0),
        at: None,
    };
}

/// What `@` pins an evaluation to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Millis(i64),
    Start,
    End,
}

/// A vector selector: the only thing in PromQL that reads series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selector {
    /// The metric's name before the braces.
    pub(super) name: Option<Span>,
    pub(super) matchers: List,
    pub(super) modifiers: Modifiers,
    pub(super) anchored: bool,
    pub(super) smoothed: bool,
    /// Whether it is the second argument of `info()`, which may be empty.
    pub(super) of_info: bool,
    /// The token of its opening brace.
    pub(super) left_brace: Option<u32>,
    /// The token after its last: after the name or after the closing brace.
    pub(super) end: u32,
}

/// A label matcher, such as `job=~"api|web"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matcher {
    pub(super) name: Text,
    pub(super) operator: MatchOperator,
    pub(super) value: Text,
    pub(super) span: Span,
    /// Its first token.
    pub(super) start: u32,
    /// The token after its last, a comma or the closing brace.
    pub(super) end: u32,
}

/// How the sides of a binary expression are matched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matching {
    pub(super) returns_bool: bool,
    /// Whether it was `on (..)` rather than `ignoring (..)`.
    pub(super) on: bool,
    pub(super) labels: List,
    pub(super) group: Group,
    pub(super) include: List,
    pub(super) fill_left: Option<f64>,
    pub(super) fill_right: Option<f64>,
}

impl Matching {
    pub(super) const NONE: Self = Self {
        returns_bool: false,
        on: false,
        labels: List { start: 0, end: 0 },
        group: Group::OneToOne,
        include: List { start: 0, end: 0 },
        fill_left: None,
        fill_right: None,
    };
}

/// How many series of one side may match one of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
}

/// The length of a range, a step or an offset.
#[derive(Clone, Copy, Debug)]
pub(super) enum Duration {
    Nanos(i64),
    /// To be computed from the query's step and range.
    Expression(DurationId),
}

/// Part of a duration expression.
#[derive(Clone, Copy, Debug)]
pub(super) struct DurationNode {
    pub(super) kind: DurationKind,
    pub(super) span: Span,
    /// Whether it stands in parentheses.
    pub(super) in_parens: bool,
}

/// What a part of a duration expression consists of.
#[derive(Clone, Copy, Debug)]
pub(super) enum DurationKind {
    Seconds(f64),
    /// `step()`
    Step,
    /// `range()`
    Range,
    Sign {
        negative: bool,
        operand: DurationId,
    },
    Binary {
        operator: DurationOperator,
        left: DurationId,
        right: DurationId,
    },
}

/// A query that parses, with everything in it.
#[derive(Debug)]
pub struct Tree<'q> {
    pub(super) query: &'q str,
    pub(super) nodes: Vec<Node>,
    /// The arguments of calls.
    pub(super) arguments: Vec<NodeId>,
    pub(super) selectors: Vec<Selector>,
    pub(super) matchers: Vec<Matcher>,
    pub(super) subqueries: Vec<Subquery>,
    pub(super) matchings: Vec<Matching>,
    /// The labels of groupings and matchings.
    pub(super) labels: Vec<Text>,
    pub(super) durations: Vec<DurationNode>,
    /// The unescaped strings.
    decoded: Vec<u8>,
}

impl<'q> Tree<'q> {
    pub(super) fn new(query: &'q str, tokens: usize) -> Self {
        Self {
            query,
            nodes: Vec::with_capacity(tokens / 3 + 1),
            arguments: Vec::new(),
            selectors: Vec::with_capacity(tokens / 12 + 1),
            matchers: Vec::with_capacity(tokens / 8 + 1),
            subqueries: Vec::new(),
            matchings: Vec::new(),
            labels: Vec::new(),
            durations: Vec::new(),
            decoded: Vec::new(),
        }
    }

    /// Where a literal duration or timestamp stands that is NaN or passes what an integer holds. Go converts these as the
    /// processor does, so they are worth something else on amd64 than on arm64.
    pub(super) fn doubtful_time(&self) -> Option<Span> {
        let literals = self.durations.iter().find_map(|node| match node.kind {
            DurationKind::Seconds(seconds) if number::nanos(seconds) == i64::MIN => Some(node.span),
            _ => None,
        });
        let pinned = |node: &Node| match node.kind {
            NodeKind::Selector(id) => self.selectors[id.at()].modifiers.at,
            NodeKind::Subquery { subquery, .. } => self.subqueries[subquery.at()].modifiers.at,
            _ => None,
        };
        let mut nodes = self.nodes.iter();
        literals.or_else(|| {
            let node = nodes.find(|node| pinned(node) == Some(At::Millis(i64::MIN)));
            node.map(|node| node.span)
        })
    }

    /// The bytes of a label's or metric's name that is empty or has control characters, and the matcher it is in. No
    /// upstream needs to be asked what it makes of these: VictoriaMetrics fails on an empty label name, and reads
    /// `"\n"` as the name `n`. The value of a lone string in braces is a metric's name.
    pub(super) fn doubtful_name(&self) -> Option<(&[u8], Option<&Matcher>)> {
        let doubtful = |name: &[u8]| name.is_empty() || name.iter().any(u8::is_ascii_control);
        let matchers = self.matchers.iter().find_map(|matcher| {
            let lone = matcher.start + 1 == matcher.end;
            let name = self.bytes(if lone { matcher.value } else { matcher.name });
            doubtful(name).then_some((name, Some(matcher)))
        });
        let grouping = || self.labels.iter().map(|label| (self.bytes(*label), None));
        matchers.or_else(|| grouping().find(|(name, _)| doubtful(name)))
    }

    /// How many selectors the query has.
    #[must_use]
    pub fn selector_count(&self) -> usize {
        self.selectors.len()
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.at()]
    }

    pub(super) fn bytes(&self, text: Text) -> &[u8] {
        match text {
            Text::Query(span) => span.text(self.query).as_bytes(),
            Text::Decoded(list) => &self.decoded[list.range()],
        }
    }

    /// What the string literal at `span` stands for.
    pub(super) fn string(&mut self, span: Span) -> Text {
        match string::value(span.text(self.query)) {
            Cow::Borrowed(_) => Text::Query(Span {
                start: span.start + 1,
                end: span.end - 1,
            }),
            Cow::Owned(bytes) => self.decoded(&bytes),
        }
    }

    fn decoded(&mut self, bytes: &[u8]) -> Text {
        let start = self.decoded.len();
        self.decoded.extend_from_slice(bytes);
        Text::Decoded(List::new(start, self.decoded.len()))
    }

    /// The label that metrics' names are kept in.
    pub(super) fn metric_name_label(&mut self) -> Text {
        self.decoded(b"__name__")
    }

    /// Adds a node; its children must be in the tree.
    pub(super) fn push(&mut self, kind: NodeKind, span: Span) -> NodeId {
        let value_type = match kind {
            NodeKind::Number(_) => ValueType::Scalar,
            NodeKind::String(_) => ValueType::String,
            NodeKind::Paren(operand) | NodeKind::Sign { operand, .. } => self.node(operand).value_type,
            NodeKind::Binary { left, right, .. } => {
                let scalar = [left, right]
                    .iter()
                    .all(|side| self.node(*side).value_type == ValueType::Scalar);
                if scalar { ValueType::Scalar } else { ValueType::Vector }
            }
            NodeKind::Call { function, .. } => function.returns,
            NodeKind::Aggregation { .. } | NodeKind::Selector(_) => ValueType::Vector,
            NodeKind::Range { .. } | NodeKind::Subquery { .. } => ValueType::Matrix,
        };
        let id = NodeId::next(self.nodes.len());
        self.nodes.push(Node { kind, value_type, span });
        id
    }

    pub(super) fn push_duration(&mut self, kind: DurationKind, span: Span) -> DurationId {
        let id = DurationId::next(self.durations.len());
        self.durations.push(DurationNode {
            kind,
            span,
            in_parens: false,
        });
        id
    }

    pub(super) fn duration(&self, id: DurationId) -> &DurationNode {
        &self.durations[id.at()]
    }

    /// Whether the matcher accepts a series that has no such label.
    pub(super) fn matches_empty(&self, matcher: &Matcher) -> bool {
        let value = self.bytes(matcher.value);
        match matcher.operator {
            MatchOperator::Equal => value.is_empty(),
            MatchOperator::NotEqual => !value.is_empty(),
            MatchOperator::Regex => super::regex::matches_empty(value),
            MatchOperator::NotRegex => !super::regex::matches_empty(value),
        }
    }
}
