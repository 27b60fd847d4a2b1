//! The functions of PromQL with their signatures, as data.

use super::ast::ValueType;
use ValueType::{Matrix as M, Scalar as S, String as T, Vector as V};

/// The Prometheus whose functions these are, with every feature flag on. A function that is not listed is refused:
/// nobody knows which selectors it would read.
pub const PROMETHEUS_VERSION: &str = "3.14";

/// A function's signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name, in the only case it may be written in.
    pub name: &'static str,
    /// The types of its arguments. Arguments beyond these have the type of the last.
    pub arguments: &'static [ValueType],
    /// How many arguments it needs.
    pub least: usize,
    /// How many it takes, `None` for any number.
    pub most: Option<usize>,
    /// The type of its value.
    pub returns: ValueType,
    /// Whether it reads series of its own, which its second argument chooses: a list of matchers in place of a selector.
    pub reads_unwritten: bool,
}

const fn exactly(name: &'static str, arguments: &'static [ValueType], returns: ValueType) -> Function {
    Function {
        name,
        arguments,
        least: arguments.len(),
        most: Some(arguments.len()),
        returns,
        reads_unwritten: false,
    }
}

/// The last of `arguments` may be given up to `times`, or not at all.
const fn optional(name: &'static str, arguments: &'static [ValueType], times: usize, returns: ValueType) -> Function {
    let least = arguments.len() - 1;
    Function {
        name,
        arguments,
        least,
        most: Some(least + times),
        returns,
        reads_unwritten: false,
    }
}

/// The last of `arguments` may be given any number of times.
const fn unbounded(name: &'static str, arguments: &'static [ValueType], returns: ValueType) -> Function {
    Function {
        name,
        arguments,
        least: arguments.len() - 1,
        most: None,
        returns,
        reads_unwritten: false,
    }
}

/// Every function, by name. In the argument lists `V` is an instant vector, `M` a range vector, `S` a scalar and `T` a
/// string (text).
static FUNCTIONS: [Function; 90] = [
    exactly("abs", &[V], V),
    exactly("absent", &[V], V),
    exactly("absent_over_time", &[M], V),
    exactly("acos", &[V], V),
    exactly("acosh", &[V], V),
    exactly("asin", &[V], V),
    exactly("asinh", &[V], V),
    exactly("atan", &[V], V),
    exactly("atanh", &[V], V),
    exactly("avg_over_time", &[M], V),
    exactly("ceil", &[V], V),
    exactly("changes", &[M], V),
    exactly("clamp", &[V, S, S], V),
    exactly("clamp_max", &[V, S], V),
    exactly("clamp_min", &[V, S], V),
    exactly("cos", &[V], V),
    exactly("cosh", &[V], V),
    exactly("count_over_time", &[M], V),
    optional("day_of_month", &[V], 1, V),
    optional("day_of_week", &[V], 1, V),
    optional("day_of_year", &[V], 1, V),
    optional("days_in_month", &[V], 1, V),
    exactly("deg", &[V], V),
    exactly("delta", &[M], V),
    exactly("deriv", &[M], V),
    exactly("double_exponential_smoothing", &[M, S, S], V),
    exactly("end", &[], S),
    exactly("exp", &[V], V),
    exactly("first_over_time", &[M], V),
    exactly("floor", &[V], V),
    exactly("histogram_avg", &[V], V),
    exactly("histogram_count", &[V], V),
    exactly("histogram_fraction", &[S, S, V], V),
    exactly("histogram_quantile", &[S, V], V),
    optional("histogram_quantiles", &[V, T, S, S], 9, V),
    exactly("histogram_stddev", &[V], V),
    exactly("histogram_stdvar", &[V], V),
    exactly("histogram_sum", &[V], V),
    optional("hour", &[V], 1, V),
    exactly("idelta", &[M], V),
    exactly("increase", &[M], V),
    Function {
        reads_unwritten: true,
        ..optional("info", &[V, V], 1, V)
    },
    exactly("irate", &[M], V),
    unbounded("label_join", &[V, T, T, T], V),
    exactly("label_replace", &[V, T, T, T, T], V),
    exactly("last_over_time", &[M], V),
    exactly("ln", &[V], V),
    exactly("log10", &[V], V),
    exactly("log2", &[V], V),
    exactly("mad_over_time", &[M], V),
    exactly("max_of", &[S, S], S),
    exactly("max_over_time", &[M], V),
    exactly("min_of", &[S, S], S),
    exactly("min_over_time", &[M], V),
    optional("minute", &[V], 1, V),
    optional("month", &[V], 1, V),
    exactly("pi", &[], S),
    exactly("predict_linear", &[M, S], V),
    exactly("present_over_time", &[M], V),
    exactly("quantile_over_time", &[S, M], V),
    exactly("rad", &[V], V),
    exactly("range", &[], S),
    exactly("rate", &[M], V),
    exactly("resets", &[M], V),
    optional("round", &[V, S], 1, V),
    exactly("scalar", &[V], S),
    exactly("sgn", &[V], V),
    exactly("sin", &[V], V),
    exactly("sinh", &[V], V),
    exactly("sort", &[V], V),
    unbounded("sort_by_label", &[V, T], V),
    unbounded("sort_by_label_desc", &[V, T], V),
    exactly("sort_desc", &[V], V),
    exactly("sqrt", &[V], V),
    exactly("start", &[], S),
    exactly("start_timestamp", &[V], V),
    exactly("stddev_over_time", &[M], V),
    exactly("stdvar_over_time", &[M], V),
    exactly("step", &[], S),
    exactly("sum_over_time", &[M], V),
    exactly("tan", &[V], V),
    exactly("tanh", &[V], V),
    exactly("time", &[], S),
    exactly("timestamp", &[V], V),
    exactly("ts_of_first_over_time", &[M], V),
    exactly("ts_of_last_over_time", &[M], V),
    exactly("ts_of_max_over_time", &[M], V),
    exactly("ts_of_min_over_time", &[M], V),
    exactly("vector", &[S], V),
    optional("year", &[V], 1, V),
];

/// The function of that name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS
        .binary_search_by(|function| function.name.cmp(name))
        .ok()
        .map(|index| &FUNCTIONS[index])
}

/// All of them, to generate calls from.
#[cfg(test)]
pub(super) fn all() -> &'static [Function] {
    &FUNCTIONS
}

#[cfg(test)]
mod tests {
    use super::{FUNCTIONS, find};

    #[test]
    fn the_table_is_sorted_and_every_function_is_found() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for function in &FUNCTIONS {
            assert_eq!(find(function.name), Some(function));
        }
        for name in ["", "a", "RATE", "rates", "zzz", "holt_winters"] {
            assert_eq!(find(name), None, "{name}");
        }
    }
}
