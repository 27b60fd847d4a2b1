//! The words of PromQL: what the lexer makes of a query and the parser reads.

use super::error::Span;
use super::operators::{Aggregator, BinaryOperator, MatchOperator};

/// One token: its kind and the bytes of the query it stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

/// What a token is. Keywords are matched without regard to case, as Prometheus does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    EndOfInput,
    /// A word without a colon that is no keyword; inside braces every word is one.
    Identifier,
    /// A word with a colon, such as the name of a recording rule.
    MetricIdentifier,
    Number,
    /// A literal such as `1h30m`.
    Duration,
    String,

    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    /// `=`, which is an operator only inside braces.
    Equal,
    EqualRegex,
    NotRegex,

    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    EqualEqual,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    TrimUpper,
    TrimLower,
    At,

    And,
    Or,
    Unless,
    Atan2,

    Avg,
    Bottomk,
    Count,
    CountValues,
    Group,
    LimitRatio,
    Limitk,
    Max,
    Min,
    Quantile,
    Stddev,
    Stdvar,
    Sum,
    Topk,

    Anchored,
    Bool,
    By,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    Offset,
    On,
    Smoothed,
    Without,

    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

/// The longest keyword, `count_values`.
const LONGEST_KEYWORD: usize = 12;

impl TokenKind {
    /// The keyword that `word` spells in any mixture of cases.
    pub(super) fn keyword(word: &[u8]) -> Option<Self> {
        let mut lower = [0; LONGEST_KEYWORD];
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"and" => Self::And,
            b"or" => Self::Or,
            b"unless" => Self::Unless,
            b"atan2" => Self::Atan2,
            b"avg" => Self::Avg,
            b"bottomk" => Self::Bottomk,
            b"count" => Self::Count,
            b"count_values" => Self::CountValues,
            b"group" => Self::Group,
            b"limit_ratio" => Self::LimitRatio,
            b"limitk" => Self::Limitk,
            b"max" => Self::Max,
            b"min" => Self::Min,
            b"quantile" => Self::Quantile,
            b"stddev" => Self::Stddev,
            b"stdvar" => Self::Stdvar,
            b"sum" => Self::Sum,
            b"topk" => Self::Topk,
            b"anchored" => Self::Anchored,
            b"bool" => Self::Bool,
            b"by" => Self::By,
            b"fill" => Self::Fill,
            b"fill_left" => Self::FillLeft,
            b"fill_right" => Self::FillRight,
            b"group_left" => Self::GroupLeft,
            b"group_right" => Self::GroupRight,
            b"ignoring" => Self::Ignoring,
            b"offset" => Self::Offset,
            b"on" => Self::On,
            b"smoothed" => Self::Smoothed,
            b"without" => Self::Without,
            b"start" => Self::Start,
            b"end" => Self::End,
            b"inf" | b"nan" => Self::Number,
            _ => return Self::duration_keyword(lower),
        })
    }

    /// The keyword of duration expressions that `word`, in lower case, spells. Only these may stand inside brackets.
    pub(super) fn duration_keyword(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"step" => Self::Step,
            b"range" => Self::Range,
            b"max_of" => Self::MaxOf,
            b"min_of" => Self::MinOf,
            _ => return None,
        })
    }

    /// Whether a metric's name can be spelt so. `on`, `ignoring`, `bool`, `group_left`, `group_right`, `atan2` cannot.
    pub(super) fn is_metric_name(self) -> bool {
        match self {
            Self::Atan2 | Self::Bool | Self::On | Self::Ignoring | Self::GroupLeft | Self::GroupRight => false,
            Self::Identifier | Self::MetricIdentifier => true,
            _ => self.is_word(),
        }
    }

    /// Whether a label in `by (..)`, `on (..)` and their like can be spelt so: any word but `without`.
    pub(super) fn is_grouping_label(self) -> bool {
        self.is_word() && self != Self::Without
    }

    /// Whether it is a sign such as `(` or `>=`, which can be written in one way only.
    pub(super) fn is_sign(self) -> bool {
        (Self::LeftParen as u8..=Self::At as u8).contains(&(self as u8))
    }

    /// Whether it is a word rather than a sign or a literal: an identifier, or any of the keywords, which stand last.
    fn is_word(self) -> bool {
        matches!(self, Self::Identifier | Self::MetricIdentifier) || self as u8 >= Self::And as u8
    }

    /// Whether it is a function's name where a `(` follows. Keywords that are functions too: `start()`, `max_of(..)`.
    pub(super) fn is_function_name(self) -> bool {
        matches!(
            self,
            Self::Identifier | Self::Start | Self::End | Self::Step | Self::Range | Self::MaxOf | Self::MinOf
        )
    }

    pub(super) fn aggregator(self) -> Option<Aggregator> {
        Some(match self {
            Self::Avg => Aggregator::Avg,
            Self::Bottomk => Aggregator::Bottomk,
            Self::Count => Aggregator::Count,
            Self::CountValues => Aggregator::CountValues,
            Self::Group => Aggregator::Group,
            Self::LimitRatio => Aggregator::LimitRatio,
            Self::Limitk => Aggregator::Limitk,
            Self::Max => Aggregator::Max,
            Self::Min => Aggregator::Min,
            Self::Quantile => Aggregator::Quantile,
            Self::Stddev => Aggregator::Stddev,
            Self::Stdvar => Aggregator::Stdvar,
            Self::Sum => Aggregator::Sum,
            Self::Topk => Aggregator::Topk,
            _ => return None,
        })
    }

    pub(super) fn binary_operator(self) -> Option<BinaryOperator> {
        Some(match self {
            Self::Add => BinaryOperator::Add,
            Self::Sub => BinaryOperator::Sub,
            Self::Mul => BinaryOperator::Mul,
            Self::Div => BinaryOperator::Div,
            Self::Mod => BinaryOperator::Mod,
            Self::Pow => BinaryOperator::Pow,
            Self::Atan2 => BinaryOperator::Atan2,
            Self::EqualEqual => BinaryOperator::Equal,
            Self::NotEqual => BinaryOperator::NotEqual,
            Self::Less => BinaryOperator::Less,
            Self::LessEqual => BinaryOperator::LessEqual,
            Self::Greater => BinaryOperator::Greater,
            Self::GreaterEqual => BinaryOperator::GreaterEqual,
            Self::TrimUpper => BinaryOperator::TrimUpper,
            Self::TrimLower => BinaryOperator::TrimLower,
            Self::And => BinaryOperator::And,
            Self::Or => BinaryOperator::Or,
            Self::Unless => BinaryOperator::Unless,
            _ => return None,
        })
    }

    /// The operator of a matcher inside braces.
    pub(super) fn match_operator(self) -> Option<MatchOperator> {
        Some(match self {
            Self::Equal => MatchOperator::Equal,
            Self::NotEqual => MatchOperator::NotEqual,
            Self::EqualRegex => MatchOperator::Regex,
            Self::NotRegex => MatchOperator::NotRegex,
            _ => return None,
        })
    }
}
