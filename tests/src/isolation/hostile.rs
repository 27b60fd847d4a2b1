//! Requests that try to read what is others'.
//!
//! Each is refused, or gets the answer that it gets where nobody else's series are; which of the two is said where the
//! rule is Fanlight's own.

use super::data::Period;
use super::grammar::Needs;
use super::queries::Writer;
use super::requests::{Fate, Request};
use super::{Edition, queries};
use Fate::{Answered, Either, Refused};

/// What they are counted as.
pub(super) const KIND: &str = "hostile";

/// Queries, and what becomes of them.
const QUERIES: &[(Fate, &str)] = &[
    // The enforced labels, named.
    (Refused, r#"up{organisation_id="bolt"}"#),
    (Refused, r#"up{organisation_id!="acme"}"#),
    (Refused, r#"up{organisation_id!~"acme"}"#),
    (Refused, r#"up{organisation_id=~".*"}"#),
    (Refused, r#"up{organisation_id=~"acme|bolt"}"#),
    (Refused, r#"up{organisation_id=~"acme|"}"#),
    (Refused, r#"up{organisation_id=~"acm."}"#),
    (Refused, r#"up{organisation_id=~"acme)|(bolt"}"#),
    (Refused, r#"up{organisation_id=~"(?i)acme"}"#),
    (Refused, r#"up{organisation_id=""}"#),
    (Refused, r#"up{organisation_id!=""}"#),
    (Refused, r#"up{organisation_id="Acme"}"#),
    (Refused, r#"up{organisation_id="acme-lab"}"#),
    (Refused, r#"up{organisation_id="acme", organisation_id="bolt"}"#),
    (Refused, r#"up{metric_purpose="internal"}"#),
    (Refused, r#"up{metric_purpose=~"internal|external"}"#),
    (Refused, r#"up{metric_purpose!="external"}"#),
    (Refused, r#"up{metric_purpose=""}"#),
    // Under another spelling.
    (Refused, "up{'organisation_id'='bolt'}"),
    (Refused, r#"{"up", "organisation_id"="bolt"}"#),
    (Refused, r#"{"up", "organisation\x5fid"="bolt"}"#),
    (Refused, "{`up`, `organisation_id`=`bolt`}"),
    (Refused, r#"up{organisation_id="nob\x6fdy"}"#),
    // More than a selector.
    (Refused, r#"up{job="api" or organisation_id="bolt"}"#),
    (Refused, r#"{job="api" or job="worker"}"#),
    (Refused, "up} or up{"),
    (Refused, r#"up{job="api"}} or zyzzyva_orders_total"#),
    (Refused, "up{job=\"api\"\u{0}}"),
    (Refused, "up # \"\nor {"),
    (Refused, "# nothing but a comment"),
    (Refused, "up offset"),
    (Refused, "holt_winters(ratio[5m], 0.5, 0.5)"),
    (Refused, "everything_of(up)"),
    // Where a selector hides.
    (Refused, "info(up)"),
    (Refused, "info(up, {})"),
    (Refused, "info(up, {__name__=~\".+_info\"})"),
    (Refused, "info(up, {version=~\".*\"})"),
    (Refused, "info(up, {version=~\".+\", organisation_id=\"bolt\"})"),
    (
        Either,
        "info(label_replace(vector(1), \"job\", \"api\", \"\", \"\"), {version=~\".+\"})",
    ),
    (
        Either,
        "info(label_replace(label_replace(vector(1), \"job\", \"api\", \"\", \"\"), \"instance\", \"10.0.0.1:9100\", \"\", \
         \"\"), {zyzzyva_ring=~\".+\"})",
    ),
    (Answered, "topk(scalar(zyzzyva_orders_total), up)"),
    (Answered, "quantile(scalar(max(zyzzyva_orders_total)), up)"),
    (Answered, "clamp_max(ratio, scalar(sum(zyzzyva_internal_seconds)))"),
    (Answered, "vector(scalar(zyzzyva_internal_seconds))"),
    (Answered, "round(ratio, scalar(zyzzyva_internal_seconds))"),
    (Answered, "predict_linear(ratio[5m], scalar(zyzzyva_internal_seconds))"),
    (
        Answered,
        "histogram_quantile(scalar(zyzzyva_internal_seconds), http_request_duration_seconds_bucket)",
    ),
    (
        Answered,
        "label_replace(zyzzyva_orders_total, \"organisation_id\", \"acme\", \"\", \"\")",
    ),
    (
        Answered,
        "label_join(zyzzyva_orders_total, \"organisation_id\", \"\", \"zyzzyva_ring\")",
    ),
    (Answered, "label_replace(up, \"organisation_id\", \"bolt\", \"\", \"\")"),
    (
        Answered,
        "label_replace(up, \"metric_purpose\", \"internal\", \"\", \"\") or zyzzyva_internal_seconds",
    ),
    (
        Answered,
        "up * on (job, instance) group_left (zyzzyva_ring) zyzzyva_orders_total",
    ),
    (
        Answered,
        "up * on (job, instance) group_right (organisation_id) zyzzyva_orders_total",
    ),
    (Answered, "up or zyzzyva_orders_total"),
    (Answered, "zyzzyva_orders_total unless up"),
    (Answered, "count_values(\"zyzzyva_ring\", zyzzyva_orders_total)"),
    (Answered, "count by (zyzzyva_ring) (up)"),
    (Answered, "count by (organisation_id, metric_purpose) ({job=~\".+\"})"),
    (Answered, "group by (__name__) ({job=~\".+\"})"),
    (Answered, "{__name__=~\".+\"}"),
    (Answered, "{__name__=~\"zyzz.*\"}"),
    (Answered, "{zyzzyva_ring!=\"\"}"),
    (Answered, "up{zyzzyva_ring=~\".+\"}"),
    // Further back than a plan may allow.
    (Either, "zyzzyva_orders_total @ 0"),
    (Answered, "zyzzyva_orders_total offset 5m"),
    (Answered, "zyzzyva_orders_total offset -5m"),
    (Answered, "max_over_time(zyzzyva_orders_total[1h])"),
    (Answered, "max_over_time((zyzzyva_orders_total or up)[1h:1m])"),
    (Answered, "absent(zyzzyva_orders_total{metric_purpose=\"external\"})"),
    (Answered, "sort_desc(zyzzyva_orders_total)"),
    (Answered, "timestamp(zyzzyva_orders_total)"),
    (Answered, "scalar(zyzzyva_orders_total)"),
    (Answered, "-zyzzyva_orders_total"),
    (Answered, "(((zyzzyva_orders_total)))"),
    (Answered, "\"zyzzyva_orders_total\""),
    (
        Answered,
        "up == on (job) group_left () max by (job) (zyzzyva_orders_total)",
    ),
    // Errors of execution, which tell about series.
    (Answered, "up * on (job) zyzzyva_orders_total"),
    (Answered, "up / on (job) up"),
    (Answered, "label_replace(up, \"job\", \"x\", \"job\", \"(\")"),
    (Answered, "label_replace({job=~\".+\"}, \"instance\", \"\", \"\", \"\")"),
    (Answered, "count_values(\"\\xff\", up)"),
    (Answered, "up{job=~\"(\"}"),
];

/// The only permitted differences: what a caller asks, and what Fanlight answers instead, which Prometheus must answer in
/// the same way. Both functions make labels of the matchers that they are given, the enforced ones among them. The
/// series that they read are A's alone.
const PERMITTED: &[(Needs, &str, &str)] = &[
    (
        Needs::Any,
        "absent(nothing)",
        "absent(nothing{metric_purpose=\"external\"})",
    ),
    (
        Needs::Any,
        "absent_over_time(nothing[5m])",
        "absent_over_time(nothing{metric_purpose=\"external\"}[5m])",
    ),
    (
        Needs::Any,
        "absent(nothing{organisation_id=\"acme\", job=\"a\"})",
        "absent(nothing{metric_purpose=\"external\", organisation_id=~\"acme|acme-labs\", organisation_id=\"acme\", \
         job=\"a\"})",
    ),
    (
        Needs::Newest,
        "info(sum by (job, instance, organisation_id) (up), {version=~\".+\"})",
        "info(sum by (job, instance, organisation_id) (up), {version=~\".+\", metric_purpose=\"external\"})",
    ),
    (
        Needs::Newest,
        "info(sum by (job, instance) (up{organisation_id=\"acme\"}), {version=~\".+\", organisation_id=\"acme\"})",
        "info(sum by (job, instance) (up{organisation_id=\"acme\"}), {version=~\".+\", organisation_id=\"acme\", \
         metric_purpose=\"external\"})",
    ),
];

/// Matchers that a caller may not have, for any selector.
const MATCHERS: &[&str] = &[
    r#"organisation_id="bolt""#,
    r#"organisation_id!="acme""#,
    r#"organisation_id=~".+""#,
    r#"organisation_id=~"bolt|acme""#,
    r#"organisation_id=~"|acme""#,
    r#"organisation_id="""#,
    r#"organisation_id!~"x""#,
    r#"metric_purpose="internal""#,
    r#"metric_purpose=~".*""#,
    r#"metric_purpose!="""#,
    r#"metric_purpose="""#,
];

/// How many requests [`smuggling`] has.
const SMUGGLED: usize = 35;

/// Requests to more than one endpoint, beside their PromQL.
fn smuggling(number: usize, period: Period) -> Option<Request> {
    let all = r#"{organisation_id=~".+"}"#;
    let hostile = |path, parameters: &[(&str, &str)], fate| {
        let mut request = Request::new(KIND, path, parameters);
        request.fate = fate;
        // Which has no time of its own.
        request.about_now = path == "/federate";
        request
    };
    let instead = |mut request: Request, parameters: &[(&str, &str)]| {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        request.unenforced = Some(parameters.iter().map(owned).collect());
        request
    };
    let time = (i64::midpoint(period.start, period.end) / 1000).to_string();
    let at = ("time", time.as_str());
    let bolt = r#"up{organisation_id="bolt"}"#;
    let requests: [Request; SMUGGLED] = [
        // What is missing or empty means all that A may see.
        instead(hostile("/api/v1/series", &[], Answered), &[("match[]", all)]),
        instead(
            hostile("/api/v1/series", &[("match[]", "{}")], Answered),
            &[("match[]", all)],
        ),
        instead(
            hostile("/api/v1/labels", &[("match[]", "{}")], Answered),
            &[("match[]", all)],
        ),
        instead(
            hostile("/api/v1/label/job/values", &[("match[]", "{}")], Answered),
            &[("match[]", all)],
        ),
        instead(
            hostile("/api/v1/query", &[("query", "{}"), at], Answered),
            &[("query", all), at],
        ),
        instead(hostile("/api/v1/query", &[at], Answered), &[("query", all), at]),
        instead(hostile("/federate", &[], Answered), &[("match[]", all)]),
        // One selector that is A's, and one that is not.
        hostile("/api/v1/series", &[("match[]", "up"), ("match[]", bolt)], Refused),
        hostile("/api/v1/labels", &[("match[]", bolt)], Refused),
        hostile("/api/v1/label/zyzzyva_ring/values", &[], Answered),
        hostile("/api/v1/label/organisation_id/values", &[], Answered),
        hostile("/api/v1/label/__name__/values", &[], Answered),
        hostile("/api/v1/label/job/values", &[("match[]", bolt)], Refused),
        hostile("/federate", &[("match[]", bolt)], Refused),
        hostile("/federate", &[("match[]", "up"), ("match[]", bolt)], Refused),
        // Parameters that other upstreams understand, and those that stand there twice.
        hostile(
            "/api/v1/query",
            &[("query", "up"), ("query", bolt), ("time", "1")],
            Refused,
        ),
        hostile(
            "/api/v1/query",
            &[("query", "up"), ("time", "1"), ("extra_filters[]", bolt)],
            Either,
        ),
        hostile(
            "/api/v1/query",
            &[("query", "up"), ("time", "1"), ("extra_label", "organisation_id=bolt")],
            Either,
        ),
        hostile(
            "/api/v1/query",
            &[("query", "up"), ("time", "1"), ("match[]", bolt)],
            Either,
        ),
        hostile("/api/v1/series", &[("match[]", "up"), ("storeMatch[]", bolt)], Either),
        hostile("/api/v1/labels", &[("match[]", "up"), ("trace", "1")], Either),
        // Other ways into the same server.
        hostile("/api/v1/read", &[], Refused),
        hostile("/api/v1/rules", &[], Refused),
        hostile("/api/v1/alerts", &[], Refused),
        hostile("/api/v1/targets", &[], Refused),
        hostile("/api/v1/metadata", &[], Refused),
        hostile("/api/v1/status/tsdb", &[], Refused),
        hostile("/api/v1/status/config", &[], Refused),
        hostile("/api/v1/search/metric_names", &[], Refused),
        hostile("/api/v1/parse_query", &[("query", "up")], Refused),
        hostile("/api/v1/admin/tsdb/snapshot", &[], Refused),
        hostile("/api/v1/query/../status/tsdb", &[], Refused),
        hostile("/api/v1/label/..%2f..%2fstatus%2ftsdb/values", &[], Either),
        hostile("/metrics", &[], Refused),
        hostile("/graph", &[], Refused),
    ];
    requests.into_iter().nth(number)
}

/// Hostile request `number`: each of the tables in turn, and then generated queries with one matcher too many.
pub(super) fn request(random: &mut fastrand::Rng, edition: Edition, period: Period, number: u64) -> Request {
    /// After so many, the tables come again.
    const CYCLE: u64 = 400;
    let turn = usize::try_from(number % CYCLE).unwrap_or_default();
    if let Some((fate, query)) = QUERIES.get(turn) {
        let mut request = Request::query(random, period, query);
        request.kind = KIND;
        request.fate = *fate;
        return request;
    }
    if let Some(request) = smuggling(turn - QUERIES.len(), period) {
        return request;
    }
    let permitted = turn - QUERIES.len() - SMUGGLED;
    if let Some((needs, query, instead)) = PERMITTED.get(permitted)
        && needs.are_met(edition)
    {
        let mut request = Request::query(random, period, query);
        let mut parameters = request.parameters.clone();
        parameters[0].1 = (*instead).to_owned();
        request.unenforced = Some(parameters);
        request.kind = "permitted to differ";
        request.constructs.clear();
        return request;
    }
    let rules = queries::rules(edition);
    let rule = rules[random.usize(..rules.len())];
    let query = Writer::query(random, edition, period, rule);
    let matcher = random.choice(MATCHERS).copied().unwrap_or_default();
    // Into some selector: one with braces, or one that is but a name.
    let places: Vec<usize> = query.text.match_indices('{').map(|(at, _)| at).collect();
    let text = match random.choice(&places) {
        Some(at) => format!("{}{{{matcher},{}", &query.text[..*at], &query.text[at + 1..]),
        None => format!("({}) or up{{{matcher}}}", query.text),
    };
    let mut request = Request::query(random, period, &text);
    request.kind = KIND;
    // A comment or a string may be what the matcher got into.
    request.fate = Either;
    request
}
