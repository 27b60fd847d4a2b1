//! PromQL as a table: every function, aggregation, operator and modifier with a way to write it that finds something in
//! the [data](super::data).
//!
//! `<word>` stands for what [`queries`](super::queries) puts there: another expression, a number, a duration.

use super::Edition;
use Needs::{Any, Newest};

/// The servers that have a construct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Debian's Prometheus 2 and all since.
    Any,
    /// A Prometheus 3 with all feature flags.
    Newest,
}

impl Needs {
    /// Whether a server of this edition has it.
    pub(super) fn are_met(self, edition: Edition) -> bool {
        self == Any || edition == Edition::Newest
    }
}

/// One construct of the language.
#[derive(Debug)]
pub(super) struct Rule {
    /// What is counted: each must have given something on both servers.
    pub(super) name: &'static str,
    pub(super) needs: Needs,
    pub(super) text: &'static str,
}

const fn rule(name: &'static str, needs: Needs, text: &'static str) -> Rule {
    Rule { name, needs, text }
}

/// Functions that make a vector.
pub(super) const FUNCTIONS: &[Rule] = &[
    rule("abs", Any, "abs(<vector>)"),
    rule("absent", Any, "absent(<absent>)"),
    rule("absent_over_time", Any, "absent_over_time(<absent>[<duration>])"),
    rule("acos", Any, "acos(<vector>)"),
    rule("acosh", Any, "acosh(<vector>)"),
    rule("asin", Any, "asin(<vector>)"),
    rule("asinh", Any, "asinh(<vector>)"),
    rule("atan", Any, "atan(<vector>)"),
    rule("atanh", Any, "atanh(<vector>)"),
    rule("avg_over_time", Any, "avg_over_time(<range>)"),
    rule("ceil", Any, "ceil(<vector>)"),
    rule("changes", Any, "changes(<range>)"),
    rule("clamp", Any, "clamp(<vector>, <scalar>, <scalar> + 10)"),
    rule("clamp_max", Any, "clamp_max(<vector>, <scalar>)"),
    rule("clamp_min", Any, "clamp_min(<vector>, <scalar>)"),
    rule("cos", Any, "cos(<vector>)"),
    rule("cosh", Any, "cosh(<vector>)"),
    rule("count_over_time", Any, "count_over_time(<range>)"),
    rule("day_of_month", Any, "day_of_month(timestamp(<series>))"),
    rule("day_of_week", Any, "day_of_week(timestamp(<series>))"),
    rule("day_of_year", Any, "day_of_year(timestamp(<series>))"),
    rule("days_in_month", Any, "days_in_month()"),
    rule("deg", Any, "deg(<vector>)"),
    rule("delta", Any, "delta(<gauges>)"),
    rule("deriv", Any, "deriv(<gauges>)"),
    rule(
        "double_exponential_smoothing",
        Newest,
        "double_exponential_smoothing(<gauges>, 0.<digit>, 0.<digit>)",
    ),
    rule("exp", Any, "exp(<vector>)"),
    rule("first_over_time", Newest, "first_over_time(<range>)"),
    rule("floor", Any, "floor(<vector>)"),
    rule("histogram_avg", Newest, "histogram_avg(<native>)"),
    rule("histogram_count", Any, "histogram_count(<native>)"),
    rule(
        "histogram_fraction",
        Any,
        "histogram_fraction(0.<digit>, <digit>, <native>)",
    ),
    rule("histogram_quantile", Any, "histogram_quantile(<quantile>, <buckets>)"),
    rule(
        "histogram_quantiles",
        Newest,
        "histogram_quantiles(<buckets>, \"q\", <quantile>, <quantile>)",
    ),
    rule("histogram_stddev", Newest, "histogram_stddev(<native>)"),
    rule("histogram_stdvar", Newest, "histogram_stdvar(<native>)"),
    rule("histogram_sum", Any, "histogram_sum(<native>)"),
    rule("hour", Any, "hour(<vector>)"),
    rule("idelta", Any, "idelta(<gauges>)"),
    rule("increase", Any, "increase(<counters>)"),
    rule("info", Newest, "info(<plain>, {<info>})"),
    rule(
        "info of an aggregation",
        Newest,
        "info(sum by (job, instance, organisation_id, metric_purpose) (<series>), {<info>})",
    ),
    rule("irate", Any, "irate(<counters>)"),
    rule(
        "label_join",
        Any,
        "label_join(<vector>, \"<label>\", \"<separator>\", \"<label>\", \"<label>\")",
    ),
    rule(
        "label_replace",
        Any,
        "label_replace(<vector>, \"<label>\", \"$1<separator>\", \"<label>\", \"(.*)\")",
    ),
    rule("last_over_time", Any, "last_over_time(<range>)"),
    rule("ln", Any, "ln(<vector>)"),
    rule("log10", Any, "log10(<vector>)"),
    rule("log2", Any, "log2(<vector>)"),
    rule("mad_over_time", Newest, "mad_over_time(<range>)"),
    rule("max_over_time", Any, "max_over_time(<range>)"),
    rule("min_over_time", Any, "min_over_time(<range>)"),
    rule("minute", Any, "minute(timestamp(<series>))"),
    rule("month", Any, "month(<vector>)"),
    rule("predict_linear", Any, "predict_linear(<gauges>, <scalar>)"),
    rule("present_over_time", Any, "present_over_time(<range>)"),
    rule("quantile_over_time", Any, "quantile_over_time(<quantile>, <range>)"),
    rule("rad", Any, "rad(<vector>)"),
    rule("rate", Any, "rate(<counters>)"),
    rule("resets", Any, "resets(<counters>)"),
    rule("round", Any, "round(<vector>, 0.<digit>)"),
    rule("sgn", Any, "sgn(<vector>)"),
    rule("sin", Any, "sin(<vector>)"),
    rule("sinh", Any, "sinh(<vector>)"),
    rule("sort", Any, "sort(<vector>)"),
    rule(
        "sort_by_label",
        Newest,
        "sort_by_label(<vector>, \"<label>\", \"<label>\")",
    ),
    rule(
        "sort_by_label_desc",
        Newest,
        "sort_by_label_desc(<vector>, \"<label>\")",
    ),
    rule("sort_desc", Any, "sort_desc(<vector>)"),
    rule("sqrt", Any, "sqrt(<vector>)"),
    rule("start_timestamp", Newest, "start_timestamp(<counter>)"),
    rule("stddev_over_time", Any, "stddev_over_time(<range>)"),
    rule("stdvar_over_time", Any, "stdvar_over_time(<range>)"),
    rule("sum_over_time", Any, "sum_over_time(<range>)"),
    rule("tan", Any, "tan(<vector>)"),
    rule("tanh", Any, "tanh(<vector>)"),
    rule("timestamp", Any, "timestamp(<vector>)"),
    rule("ts_of_first_over_time", Newest, "ts_of_first_over_time(<range>)"),
    rule("ts_of_last_over_time", Newest, "ts_of_last_over_time(<range>)"),
    rule("ts_of_max_over_time", Newest, "ts_of_max_over_time(<range>)"),
    rule("ts_of_min_over_time", Newest, "ts_of_min_over_time(<range>)"),
    rule("vector", Any, "vector(<scalar>)"),
    rule("year", Any, "year(<vector>)"),
];

/// What makes a scalar.
pub(super) const SCALARS: &[Rule] = &[
    rule("scalar", Any, "scalar(sum(<vector>))"),
    rule("scalar of one series", Any, "scalar(<one>)"),
    rule("time", Any, "time()"),
    rule("pi", Any, "pi()"),
    rule("start", Newest, "start()"),
    rule("end", Newest, "end()"),
    rule("step", Newest, "step()"),
    rule("range", Newest, "range()"),
    rule("max_of", Newest, "max_of(<scalar>, <number>)"),
    rule("min_of", Newest, "min_of(<number>, <scalar>)"),
    rule("arithmetic of scalars", Any, "(<number> + <scalar>) * -<number>"),
    rule("comparison of scalars", Any, "(<scalar> >= bool <number>)"),
];

/// Aggregations.
pub(super) const AGGREGATIONS: &[Rule] = &[
    rule("sum", Any, "sum<grouping>(<vector>)"),
    rule("avg", Any, "avg<grouping>(<vector>)"),
    rule("count", Any, "count<grouping>(<vector>)"),
    rule("min", Any, "min<grouping>(<vector>)"),
    rule("max", Any, "max<grouping>(<vector>)"),
    rule("group", Any, "group<grouping>(<vector>)"),
    rule("stddev", Any, "stddev<grouping>(<vector>)"),
    rule("stdvar", Any, "stdvar<grouping>(<vector>)"),
    rule("topk", Any, "topk<grouping>(<digit>, <vector>)"),
    rule("topk of a scalar", Any, "topk(scalar(count(<series>)), <vector>)"),
    rule("bottomk", Any, "bottomk<grouping>(<digit>, <vector>)"),
    rule("quantile", Any, "quantile<grouping>(<quantile>, <vector>)"),
    rule("count_values", Any, "count_values<grouping>(\"<label>\", <series>)"),
    rule("limitk", Newest, "limitk<grouping>(<digit>, <vector>)"),
    rule(
        "limit_ratio",
        Newest,
        "limit_ratio<grouping>(<sign>0.<digit>, <vector>)",
    ),
    rule(
        "sum of native histograms",
        Any,
        "histogram_sum(sum<grouping>(<native>))",
    ),
    rule("by", Any, "sum by (<label>, <label>) (<vector>)"),
    rule("by nothing", Any, "sum by () (<vector>)"),
    rule("without", Any, "max without (<label>, <label>) (<vector>)"),
    rule("grouping behind", Any, "min(<vector>) by (<label>)"),
];

/// Operators and how they match.
pub(super) const OPERATORS: &[Rule] = &[
    rule("+", Any, "<grouped> + <grouped>"),
    rule("-", Any, "<vector> - <scalar>"),
    rule("*", Any, "<scalar> * <vector>"),
    rule("/", Any, "<grouped> / <grouped>"),
    rule("%", Any, "<vector> % <number>"),
    rule("^", Any, "<vector> ^ 0.<digit>"),
    rule("atan2", Any, "<grouped> atan2 <grouped>"),
    rule("==", Any, "<vector> == <same>"),
    rule("!=", Any, "<vector> != <number>"),
    rule(">", Any, "<vector> > -<number>"),
    rule("<", Any, "<vector> < <number>"),
    rule(">=", Any, "<vector> >= 0"),
    rule("<=", Any, "<number> <= <vector>"),
    rule("bool", Any, "<grouped> > bool <grouped>"),
    rule("and", Any, "<vector> and <same>"),
    rule("or", Any, "<vector> or <vector>"),
    rule("unless", Any, "<vector> unless <vector>"),
    rule("and on", Any, "<vector> and on (<label>) <vector>"),
    rule("or ignoring", Any, "<vector> or ignoring (<label>) <vector>"),
    rule(
        "unless on",
        Any,
        "<vector> unless on (<label>, code) http_requests_total{job=\"worker\"}",
    ),
    rule("unary -", Any, "-<vector>"),
    rule("unary +", Any, "+<series>"),
    rule("precedence", Any, "<vector> * <number> + <number> ^ 2 ^ 0.<digit>"),
    rule("on", Any, "<keyed> / on (<key>) <keyed>"),
    rule(
        "ignoring",
        Any,
        "<counter> - ignoring (handler, code) sum without (handler, code) (<counter>)",
    ),
    rule(
        "group_left",
        Any,
        "<vector> * on (<key>) group_left (<label>) <targets>",
    ),
    rule(
        "group_left of nothing",
        Any,
        "<vector> * on (<key>) group_left () <keyed>",
    ),
    rule(
        "group_right",
        Any,
        "<targets> * on (<key>) group_right (version) <vector>",
    ),
    rule(
        "a join across organisations",
        Any,
        "<series> * on (job, instance) group_left () sum by (job, instance) (<vector>)",
    ),
    rule("fill", Newest, "<grouped> + fill(<number>) <grouped>"),
    rule(
        "fill_left",
        Newest,
        "<keyed> + on (<key>) fill_left(<number>) <grouped>",
    ),
    rule(
        "fill_right",
        Newest,
        "<keyed> - on (<key>) fill_right(<number>) <keyed>",
    ),
    rule("</", Newest, "histogram_count(<native> </ 0.<digit>)"),
    rule(">/", Newest, "histogram_count(<native> >/ 0.<digit>)"),
];

/// Modifiers of selectors, and subqueries.
pub(super) const MODIFIERS: &[Rule] = &[
    rule("offset", Any, "<plain> offset <duration>"),
    rule("negative offset", Any, "<plain> offset -<duration>"),
    rule("@", Any, "<plain> @ <time>"),
    rule("@ start()", Any, "<plain> @ start()"),
    rule("@ end()", Any, "rate(<counter_name><matchers>[<duration>] @ end())"),
    rule("@ and offset", Any, "<plain> @ <time> offset <duration>"),
    rule("offset and @", Any, "<plain> offset -<duration> @ <time>"),
    rule("subquery", Any, "max_over_time(<inner>[<duration>:<step>])"),
    rule("subquery without step", Any, "sum_over_time(<inner>[<duration>:])"),
    rule(
        "subquery with offset",
        Any,
        "avg_over_time(<inner>[<duration>:<step>] offset <duration>)",
    ),
    rule(
        "subquery with @",
        Any,
        "min_over_time(<inner>[<duration>:<step>] @ <time>)",
    ),
    rule(
        "subquery in a subquery",
        Any,
        "max_over_time(deriv(<series>[<duration>:<step>])[<duration>:<step>])",
    ),
    rule(
        "range and offset",
        Any,
        "increase(<counter_name><matchers>[<duration>] offset <duration>)",
    ),
    rule("a comment", Any, "sum( # of \" { all\n<vector> # and\r)"),
    rule("parentheses", Any, "((<vector>))"),
    rule(
        "anchored",
        Newest,
        "increase(<counter_name><matchers>[<duration>] anchored)",
    ),
    rule(
        "smoothed",
        Newest,
        "rate(<counter_name><matchers>[<duration>] smoothed)",
    ),
    rule("smoothed instant", Newest, "<plain> smoothed"),
    rule(
        "duration expression",
        Newest,
        "rate(<counter_name><matchers>[<duration> + <step> * 2])",
    ),
    rule(
        "step() in a duration",
        Newest,
        "avg_over_time(<plain>[<duration> + step()])",
    ),
    rule(
        "range() in a duration",
        Newest,
        "avg_over_time(<plain>[max_of(range(), <duration>)])",
    ),
    rule(
        "duration expression in offset",
        Newest,
        "<plain> offset (<duration> - <step>)",
    ),
    rule(
        "min_of in a duration",
        Newest,
        "<plain> offset min_of(<duration>, <duration>)",
    ),
    rule(
        "duration expression in a subquery",
        Newest,
        "max_over_time(<inner>[<duration> / 2 : <step> + 1s])",
    ),
    rule("number as a duration", Newest, "rate(<counter_name><matchers>[900])"),
    rule("duration as a number", Newest, "<vector> + 1h30m"),
];

/// Ways to name series.
pub(super) const SELECTORS: &[Rule] = &[
    rule("a name", Any, "<metric>"),
    rule("matcher =", Any, "<metric>{job=\"api\"}"),
    rule("matcher !=", Any, "<metric>{job!=\"worker\"}"),
    rule("matcher =~", Any, "<metric>{job=~\"a.+|work[a-z]*\"}"),
    rule("matcher !~", Any, "<metric>{job!~\"wor.*\"}"),
    rule("__name__", Any, "{__name__=\"<metric>\"}"),
    rule(
        "__name__ by regular expression",
        Any,
        "{__name__=~\"m.*|ratio|up\", job=\"api\"}",
    ),
    rule("no name", Any, "{job=\"api\", instance=~\"10.*\", __name__!~\"rpc.*\"}"),
    rule("an organisation", Any, "<metric>{organisation_id=\"<organisation>\"}"),
    rule("organisations", Any, "<metric>{organisation_id=~\"acme-labs|acme\"}"),
    rule(
        "a fixed label",
        Any,
        "<metric>{job=\"api\", metric_purpose=\"external\"}",
    ),
    rule("an absent label", Any, "<metric>{zone=\"\"}"),
    rule("labels twice", Any, "<metric>{job=~\".+\", job!=\"\", job=\"worker\"}"),
    rule("single quotes", Any, "<metric>{job='api', instance!='\\'',}"),
    rule("raw strings", Any, "<metric>{job=~`a\\w+`}"),
    rule("escapes", Any, "<metric>{job=\"\\x61pi\", instance=~\"\\u0031.*\"}"),
    rule(
        "quotes and backslashes",
        Any,
        "temperature_celsius{room=\"hall \\\"2\\\"\\\\n\"}",
    ),
    rule("a value of Unicode", Any, "temperature_celsius{room='Küche'}"),
    rule("a blank value", Any, "mode{state=~\" |-\"}"),
    rule("quoted names", Newest, "{\"<metric>\", \"job\"=\"api\"}"),
    rule("a UTF-8 metric", Newest, "{\"http.server.requests\"}"),
    rule(
        "a UTF-8 label",
        Newest,
        "{\"http.server.requests\", \"k8s.pod/name\"=~\"api.*\"}",
    ),
    rule("UTF-8 in a grouping", Newest, "sum by (\"größe\", job) ({\"größe\"})"),
    rule(
        "UTF-8 in matching",
        Newest,
        "{'größe'} + on (\"größe\", \"http.route\", <key>, metric_purpose) {\"größe\", \"http.route\"='/'}",
    ),
];

/// What each word may become; the others are made in [`queries`](super::queries).
pub(super) const WORDS: &[(&str, &[&str])] = &[
    (
        "metric",
        &["<counter_name>", "<gauge_name>", "<gauge_name>", "<other_name>"],
    ),
    (
        "counter_name",
        &[
            "http_requests_total",
            "http_request_duration_seconds_bucket",
            "http_request_duration_seconds_count",
        ],
    ),
    (
        "gauge_name",
        &[
            "temperature_celsius",
            "reading",
            "mode",
            "job:requests:rate5m",
            "ratio",
            "up",
        ],
    ),
    (
        "other_name",
        &[
            "process_start_time_seconds",
            "target_info",
            "build_info",
            "http_request_duration_seconds_sum",
        ],
    ),
    ("plain", &["<metric><matchers>"]),
    ("counter", &["<counter_name><matchers>"]),
    (
        "counters",
        &[
            "<counter>[<duration>]",
            "<counter>[<duration>]",
            "<counter>[<duration>]",
            "<counter>[<duration>] offset <duration>",
            "<counter>[<duration>:<step>]",
        ],
    ),
    ("gauges", &["<gauge_name><matchers>[<duration>]"]),
    (
        "range",
        &[
            "<plain>[<duration>]",
            "<plain>[<duration>]",
            "<plain>[<duration>]",
            "<plain>[<duration>]",
            "<plain>[<duration>] @ <time>",
            "<plain>[<duration>] offset -<duration>",
            "<inner>[<duration>:<step>]",
        ],
    ),
    // What a subquery may be of.
    (
        "inner",
        &["<plain>", "<plain>", "rate(<counter>[<duration>])", "(<simple_vector>)"],
    ),
    (
        "native",
        &[
            "rpc_latency_seconds<matchers>",
            "sum by (<label>) (rpc_latency_seconds)",
            "rate(rpc_latency_seconds<matchers>[<duration>])",
        ],
    ),
    (
        "buckets",
        &[
            "sum by (le, <label>) (rate(http_request_duration_seconds_bucket<matchers>[<duration>]))",
            "http_request_duration_seconds_bucket<matchers>",
            "<native>",
        ],
    ),
    // With the fixed label, because these functions give back what they are asked for.
    (
        "absent",
        &[
            "nothing{metric_purpose=\"external\"}",
            "nothing{metric_purpose=\"external\", job=\"api\"}",
            "up{metric_purpose=\"external\", job=\"none\"}",
            "reading{metric_purpose=\"external\", job=\"none\", instance=~\".+\"}",
        ],
    ),
    (
        "one",
        &["process_start_time_seconds{job=\"api\", organisation_id=\"acme\"}"],
    ),
    // The same labels on whatever side.
    ("grouped", &["<aggregation> by (job, organisation_id) (<vector>)"]),
    ("aggregation", &["sum", "avg", "max", "count"]),
    // One series for each <key>.
    (
        "keyed",
        &[
            "process_start_time_seconds",
            "ratio",
            "job:requests:rate5m{job=~\".+\"}",
            "http_request_duration_seconds_count",
            "up",
        ],
    ),
    ("key", &["job, instance, organisation_id"]),
    (
        "targets",
        &[
            "target_info",
            "max by (job, instance, organisation_id, version) (target_info)",
        ],
    ),
    (
        "info",
        &[
            "version=~\".+\"",
            "version!=\"\", region=~\"eu.*\"",
            "__name__=\"build_info\", revision=~\".+\"",
            "__name__=~\".+_info\", region=\"eu-1\"",
        ],
    ),
    (
        "number",
        &["0", "1", "2.5", "1e3", "0x1F", ".5", "017", "Inf", "NaN", "100", "3"],
    ),
    ("quantile", &["0.5", "0.99", "0", "1", "0.123"]),
    ("sign", &["", "-"]),
    (
        "duration",
        &["1m", "2m30s", "5m", "10m", "90s", "15m", "1m500ms", "20m"],
    ),
    ("step", &["30s", "1m", "2m", "45s"]),
    (
        "label",
        &[
            "job",
            "instance",
            "organisation_id",
            "code",
            "handler",
            "le",
            "room",
            "state",
            "version",
            "metric_purpose",
            "sensor",
            "none",
        ],
    ),
    ("organisation", &["acme", "acme-labs"]),
    ("separator", &["", "-", ",", " "]),
    ("grouping", &["", " by (<label>, <label>) ", " without (<label>) "]),
];

/// What selectors may have between their braces.
pub(super) const MATCHERS: &[&str] = &[
    "job=\"api\"",
    "job=~\"api|worker\"",
    "job!=\"worker\"",
    "instance=~\"10\\\\.0\\\\.0\\\\.[0-9]+:9100\"",
    "instance!~\".*:8080\"",
    "organisation_id=\"acme\"",
    "organisation_id=\"acme-labs\"",
    "organisation_id=~\"acme|acme-labs\"",
    "metric_purpose=\"external\"",
    "zone=\"\"",
    "job=~\".+\"",
    "__name__!=\"none\"",
];
