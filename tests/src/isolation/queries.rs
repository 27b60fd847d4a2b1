//! Generates queries from the [grammar] over the [data](super::data), the same for the same seed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::Edition;
use super::data::{ORGANISATIONS, Period};
use super::grammar::{self, Rule};

/// How deep expressions stand in one another.
const DEPTH: usize = 3;

/// A generated query.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) text: String,
    /// The names of the rules it was made by.
    pub(super) constructs: BTreeSet<&'static str>,
}

/// The rules that a server of this edition has.
pub(super) fn rules(edition: Edition) -> Vec<&'static Rule> {
    [
        grammar::FUNCTIONS,
        grammar::SCALARS,
        grammar::AGGREGATIONS,
        grammar::OPERATORS,
        grammar::MODIFIERS,
        grammar::SELECTORS,
    ]
    .into_iter()
    .flatten()
    .filter(|rule| rule.needs.are_met(edition))
    .collect()
}

/// Writes one query.
pub(super) struct Writer<'r> {
    random: &'r mut fastrand::Rng,
    edition: Edition,
    period: Period,
    constructs: BTreeSet<&'static str>,
    /// The vector last written, for `<same>`.
    last: String,
}

const COUNTERS: &[&str] = &["http_requests_total", "http_request_duration_seconds_bucket", "http_request_duration_seconds_count"];
const GAUGES: &[&str] = &["temperature_celsius", "reading", "mode", "job:requests:rate5m", "ratio", "up"];
const OTHERS: &[&str] = &["process_start_time_seconds", "target_info", "build_info", "http_request_duration_seconds_sum"];
const MATCHERS: &[&str] = &[
    r#"job="api""#,
    r#"job=~"api|worker""#,
    r#"job!="worker""#,
    r#"instance=~"10\\.0\\.0\\.[0-9]+:9100""#,
    r#"instance!~".*:8080""#,
    r#"organisation_id="acme""#,
    r#"organisation_id="acme-labs""#,
    r#"organisation_id=~"acme|acme-labs""#,
    r#"metric_purpose="external""#,
    r#"zone="""#,
    r#"job=~".+""#,
    r#"__name__!="none""#,
];
const DURATIONS: &[&str] = &["1m", "2m30s", "5m", "10m", "90s", "15m", "1m500ms", "20m"];
const STEPS: &[&str] = &["30s", "1m", "2m", "45s"];
const LABELS: &[&str] = &["job", "instance", "organisation_id", "code", "handler", "le", "room", "state", "version", "metric_purpose", "sensor", "none"];
const NUMBERS: &[&str] = &["0", "1", "2.5", "1e3", "0x1F", ".5", "017", "Inf", "NaN", "100", "3"];

impl<'r> Writer<'r> {
    /// Whatever `rule` makes.
    pub(super) fn query(random: &'r mut fastrand::Rng, edition: Edition, period: Period, rule: &'static Rule) -> Query {
        let mut writer = Self::new(random, edition, period);
        let text = writer.apply(rule, 1);
        Query { text, constructs: writer.constructs }
    }

    /// A selector such as `match[]` takes.
    pub(super) fn selector(random: &'r mut fastrand::Rng, edition: Edition, period: Period) -> Query {
        let mut writer = Self::new(random, edition, period);
        let text = loop {
            let rule = writer.choose(grammar::SELECTORS);
            // Not the expressions that make a point of something else.
            if !rule.text.contains('(') {
                break writer.apply(rule, DEPTH);
            }
        };
        Query { text, constructs: writer.constructs }
    }

    fn new(random: &'r mut fastrand::Rng, edition: Edition, period: Period) -> Self {
        Self {
            random,
            edition,
            period,
            constructs: BTreeSet::new(),
            last: "up".to_owned(),
        }
    }

    fn apply(&mut self, rule: &'static Rule, depth: usize) -> String {
        self.constructs.insert(rule.name);
        self.expand(rule.text, depth)
    }

    fn choose(&mut self, rules: &'static [Rule]) -> &'static Rule {
        loop {
            let rule = self.pick(rules);
            if rule.needs.are_met(self.edition) {
                return rule;
            }
        }
    }

    fn pick<T>(&mut self, from: &'static [T]) -> &'static T {
        &from[self.random.usize(..from.len())]
    }

    /// Puts something in the place of each `<word>`.
    fn expand(&mut self, template: &str, depth: usize) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some(start) = rest.find('<') {
            let word = rest[start + 1..].split_once('>').map(|(word, _)| word);
            let word = word.filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            out.push_str(&rest[..start]);
            match word {
                Some(word) => {
                    out.push_str(&self.word(word, depth));
                    rest = &rest[start + word.len() + 2..];
                }
                None => {
                    out.push('<');
                    rest = &rest[start + 1..];
                }
            }
        }
        out + rest
    }

    fn word(&mut self, word: &str, depth: usize) -> String {
        match word {
            "vector" => {
                let text = self.vector(depth);
                self.last.clone_from(&text);
                text
            }
            "same" => self.last.clone(),
            "series" => self.series(depth),
            "inner" => match self.random.u8(..4) {
                0 => format!("({})", self.vector(depth.max(DEPTH - 1))),
                1 => self.expand("rate(<counter_name><matchers>[<duration>])", depth),
                _ => self.expand("<plain>", depth),
            },
            // No organisation's: absent() gives the matchers' labels back, the enforced one among them.
            "absent" => format!(
                "{}{{metric_purpose=\"external\", job=\"{}\"}}",
                self.pick(&["nothing", "up", "reading"]),
                self.pick(&["api", "none"])
            ),
            "one" => "process_start_time_seconds{job=\"api\", organisation_id=\"acme\"}".to_owned(),
            "plain" => {
                let metric = self.metric();
                format!("{metric}{}", self.matchers())
            }
            "metric" => self.metric().to_owned(),
            "counter_name" => (*self.pick(COUNTERS)).to_owned(),
            "counter" => self.expand("<counter_name><matchers>", depth),
            "counters" => match self.random.u8(..6) {
                0 => self.expand("<counter>[<duration>:<step>]", depth),
                1 => self.expand("<counter>[<duration>] offset <duration>", depth),
                _ => self.expand("<counter>[<duration>]", depth),
            },
            "gauges" => {
                let metric = self.pick(GAUGES);
                self.expand(&format!("{metric}<matchers>[<duration>]"), depth)
            }
            "range" => match self.random.u8(..8) {
                0 => self.expand("<inner>[<duration>:<step>]", depth),
                1 => self.expand("<plain>[<duration>] @ <time>", depth),
                2 => self.expand("<plain>[<duration>] offset -<duration>", depth),
                _ => self.expand("<plain>[<duration>]", depth),
            },
            "matchers" => self.matchers(),
            "native" => match self.random.u8(..3) {
                0 => self.expand("rate(rpc_latency_seconds<matchers>[<duration>])", depth),
                1 => self.expand("sum by (<label>) (rpc_latency_seconds)", depth),
                _ => self.expand("rpc_latency_seconds<matchers>", depth),
            },
            "buckets" => match self.random.u8(..4) {
                0 => self.expand("<native>", depth),
                1 => self.expand("http_request_duration_seconds_bucket<matchers>", depth),
                _ => self.expand(
                    "sum by (le, <label>) (rate(http_request_duration_seconds_bucket<matchers>[<duration>]))",
                    depth,
                ),
            },
            "targets" => (*self.pick(&["target_info", "max by (job, instance, organisation_id, version) (target_info)"])).to_owned(),
            // One series for each <key>.
            "keyed" => {
                let metric = self.pick(&["process_start_time_seconds", "ratio", "job:requests:rate5m", "http_request_duration_seconds_count", "up"]);
                format!("{metric}{}", if self.random.bool() { "" } else { "{job=~\".+\"}" })
            }
            "key" => "job, instance, organisation_id".to_owned(),
            // The same labels on whatever side.
            "grouped" => {
                let inner = self.vector(depth);
                let name = self.pick(&["sum", "avg", "max", "count"]);
                format!("{name} by (job, organisation_id) ({inner})")
            }
            "info" => (*self.pick(&[
                r#"version=~".+""#,
                r#"version!="", region=~"eu.*""#,
                r#"__name__="build_info", revision=~".+""#,
                r#"__name__=~".+_info", region="eu-1""#,
            ]))
            .to_owned(),
            "scalar" => {
                if depth >= DEPTH || self.random.u8(..3) > 0 {
                    (*self.pick(NUMBERS)).to_owned()
                } else {
                    let rule = self.choose(grammar::SCALARS);
                    self.apply(rule, depth + 1)
                }
            }
            "number" => (*self.pick(NUMBERS)).to_owned(),
            "digit" => self.random.u8(1..=9).to_string(),
            "quantile" => (*self.pick(&["0.5", "0.99", "0", "1", "0.123"])).to_owned(),
            "sign" => (*self.pick(&["", "-"])).to_owned(),
            "duration" => (*self.pick(DURATIONS)).to_owned(),
            "step" => (*self.pick(STEPS)).to_owned(),
            "time" => self.time(),
            "label" => (*self.pick(LABELS)).to_owned(),
            "organisation" => (*self.pick(&ORGANISATIONS)).to_owned(),
            "separator" => (*self.pick(&["", "-", ",", " "])).to_owned(),
            "grouping" => match self.random.u8(..3) {
                0 => String::new(),
                1 => self.expand(" by (<label>, <label>) ", depth),
                _ => self.expand(" without (<label>) ", depth),
            },
            other => unreachable!("the grammar has no <{other}>"),
        }
    }

    /// A vector of numbers.
    fn vector(&mut self, depth: usize) -> String {
        if depth >= DEPTH {
            return self.series(depth);
        }
        let rules = match self.random.u8(..10) {
            0..=2 => grammar::FUNCTIONS,
            3 | 4 => grammar::AGGREGATIONS,
            5 => grammar::OPERATORS,
            6 => grammar::MODIFIERS,
            _ => return self.series(depth),
        };
        let rule = self.choose(rules);
        let text = self.apply(rule, depth + 1);
        // Operators bind as they like; parentheses make one thing of them.
        if std::ptr::eq(rules, grammar::OPERATORS) { format!("({text})") } else { text }
    }

    fn series(&mut self, depth: usize) -> String {
        match self.random.u8(..12) {
            0 => {
                let rule = self.choose(grammar::SELECTORS);
                self.apply(rule, depth)
            }
            1 => self.expand("<plain> offset <duration>", depth),
            2 => self.expand("<plain> @ <time>", depth),
            _ => self.expand("<plain>", depth),
        }
    }

    fn metric(&mut self) -> &'static str {
        const METRICS: [&[&str]; 4] = [COUNTERS, GAUGES, GAUGES, OTHERS];
        let metrics = *self.pick(&METRICS);
        *self.pick(metrics)
    }

    fn matchers(&mut self) -> String {
        let count = [0, 0, 1, 1, 2][self.random.usize(..5)];
        let mut chosen = BTreeSet::new();
        for _ in 0..count {
            chosen.insert(*self.pick(MATCHERS));
        }
        if chosen.is_empty() { String::new() } else { format!("{{{}}}", chosen.into_iter().collect::<Vec<_>>().join(",")) }
    }

    /// A time for `@`, of the later half of the samples.
    fn time(&mut self) -> String {
        let Period { start, end } = self.period;
        let time = self.random.i64((start + end) / 2..end);
        let mut text = (time / 1000).to_string();
        if self.random.bool() {
            // Writing into a string cannot fail.
            let _ = write!(text, ".{:03}", time % 1000);
        }
        text
    }
}
