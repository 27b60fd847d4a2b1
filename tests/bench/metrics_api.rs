//! The Metrics API: what it adds to a small query, `/federate` beside Prometheus' own, and the memory of large answers,
//! all in front of the same Prometheus; and the functions' start.
//!
//! The functions are invoked through the runner's Runtime API, without API Gateway, which is not ours to measure.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use comfy_table::Table;
use fanlight_cli::runner::{Function, LogSink, Streaming};
use fanlight_tests::{ConfigFolder, Customer, Edition, Prometheus, holding, keeping_connections, records};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Client;
use serde_json::{Value, json};

use crate::measure::{median, milliseconds, quantile};
use crate::report::{line, memory, mib, size, verdict};

const FEW: (&str, usize) = ("few", 10);
const SOME: (&str, usize) = ("some", 1_000);
const MANY: (&str, usize) = ("many", 100_000);
const MOST: (&str, usize) = ("most", 500_000);

/// Invocations before those that are measured.
const WARM_UP: usize = 50;
const INVOCATIONS: usize = 500;
const RUNS: usize = 9;
const STARTS: usize = 21;
/// After so many answers everything has been needed once.
const FIRST_ANSWERS: usize = 100;
const ANSWERS: usize = 4_000;

/// Adds its rows to the table.
pub(crate) async fn bench(table: &mut Table, binaries: &Path) -> Result<()> {
    let all = [FEW, SOME, MANY, MOST];
    let bench = Bench::before(Edition::Debian, &all, binaries)
        .await?
        .context("Debian has none")?;
    bench.small_query(table).await?;
    bench.federation(table).await?;
    bench.large_answers(table).await?;
    bench.many_answers(table).await?;
    bench.starts(table).await?;
    match Bench::before(Edition::Newest, &[MANY], binaries).await? {
        Some(bench) => bench.federation(table).await,
        None => {
            println!("the newest Prometheus: skipped, because Go is not installed");
            Ok(())
        }
    }
}

struct Bench<'a> {
    edition: Edition,
    binaries: &'a Path,
    config: ConfigFolder,
    tokens: String,
    prometheus: Prometheus,
    client: Client,
}

/// A whole answer.
struct Read {
    /// From asking to its last byte.
    wall: Duration,
    /// Of its body.
    bytes: usize,
    /// Its last bytes.
    end: Vec<u8>,
    /// The most memory that the function has had resident, in bytes.
    peak_memory: u64,
}

impl Read {
    fn nothing() -> Self {
        Self {
            wall: Duration::ZERO,
            bytes: 0,
            end: Vec::new(),
            peak_memory: 0,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        const KEPT: usize = 200;
        self.bytes += bytes.len();
        self.end.extend_from_slice(&bytes[bytes.len().saturating_sub(KEPT)..]);
        self.end.drain(..self.end.len().saturating_sub(KEPT));
    }

    /// How long the text is of which this is the gzip (RFC 1952, 2.3.1).
    fn text_length(&self) -> Result<usize> {
        let length = self.end.last_chunk().context("it has no trailer")?;
        Ok(u32::from_le_bytes(*length).try_into()?)
    }
}

impl<'a> Bench<'a> {
    /// In front of a Prometheus with these metrics; `None` where there is no such Prometheus.
    async fn before(edition: Edition, metrics: &[(&str, usize)], binaries: &'a Path) -> Result<Option<Self>> {
        println!("filling {edition} with {metrics:?}");
        let Some(prometheus) = holding(edition, metrics).await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            edition,
            binaries,
            tokens: records(&[Customer::new("acme", &["acme"])?]),
            config: ConfigFolder::new(&[("fanlight.yaml", &configuration(&prometheus.url()))])?,
            prometheus,
            client: keeping_connections()?,
        }))
    }

    fn function(&self, binary: &str) -> Result<Function> {
        // Whatever it says is said in the error of what it answers.
        let (log, _) = LogSink::captured();
        let function = Function::builder("bench", self.binaries.join(binary))
            .env("FANLIGHT_CONFIG", self.config.path())
            .env("API_TOKENS", &self.tokens)
            .timeout(Duration::from_mins(2))
            .log(log);
        Ok(function.build()?)
    }

    /// An answer of Prometheus itself.
    async fn direct(&self, request: &Request<'_>) -> Result<Read> {
        let mut read = Read::nothing();
        let url = format!("{}{}", self.prometheus.url(), request.path);
        let form = request.form();
        let builder = if request.path == FEDERATE {
            self.client.get(format!("{url}?{form}"))
        } else {
            self.client.post(&url).header("content-type", FORM).body(form)
        };
        let start = Instant::now();
        let mut answer = builder.header("accept-encoding", request.encoding()).send().await?;
        ensure!(answer.status() == 200, "Prometheus answered {}", answer.status());
        while let Some(bytes) = answer.chunk().await? {
            read.take(&bytes);
        }
        read.wall = start.elapsed();
        Ok(read)
    }

    /// The answer of a function.
    async fn through(&self, function: &Function, request: &Request<'_>) -> Result<Read> {
        let mut read = Read::nothing();
        let event = request.event().to_string();
        let start = Instant::now();
        let mut answer = match function.invoke_streaming(event).await? {
            Streaming::Begun(answer) => answer,
            Streaming::Failed(invocation) => bail!("the function failed: {:?}", invocation.outcome),
        };
        // A prelude in JSON and eight zeros stand before the body.
        let (mut prelude, mut in_body) = (Vec::new(), false);
        while let Some(bytes) = answer.next().await {
            let bytes = bytes?;
            if in_body {
                read.take(&bytes);
                continue;
            }
            prelude.extend_from_slice(&bytes);
            if let Some(end) = prelude.windows(8).position(|window| window == [0; 8]) {
                read.take(&prelude[end + 8..]);
                in_body = true;
            }
        }
        ensure!(
            prelude.windows(16).any(|window| window == b"\"statusCode\":200"),
            "the function answered {}",
            String::from_utf8_lossy(&prelude)
        );
        read.wall = start.elapsed();
        // The next invocation is to meet the same instance.
        read.peak_memory = answer.finished().await?.max_memory.unwrap_or_default();
        Ok(read)
    }

    /// What the function itself adds to a query: its invocation, without that of a function that does nothing, and
    /// without the query.
    async fn small_query(&self, table: &mut Table) -> Result<()> {
        println!("small query: {INVOCATIONS} invocations");
        let (ours, empty) = (self.function("metrics-api")?, self.function("empty-function")?);
        let request = Request::query(FEW.0, false);
        let [mut walls, mut empty_walls, mut direct_walls] = [(); 3].map(|()| Vec::with_capacity(INVOCATIONS));
        // They take turns, so that a busy moment of the machine meets all.
        for run in 0..WARM_UP + INVOCATIONS {
            let direct = self.direct(&request).await?.wall;
            let wall = self.through(&ours, &request).await?.wall;
            let nothing = self.through(&empty, &request).await?.wall;
            if run >= WARM_UP {
                direct_walls.push(direct);
                walls.push(wall);
                empty_walls.push(nothing);
            }
        }
        ours.shutdown().await;
        empty.shutdown().await;
        for (what, share, most) in [("median", 0.5, Some(0.3)), ("99th percentile", 0.99, None)] {
            let [wall, nothing, direct] =
                [&walls, &empty_walls, &direct_walls].map(|walls| milliseconds(quantile(walls, share)));
            let added = wall - nothing - direct;
            table.add_row([
                format!("small query, {what}"),
                format!("{wall:.2} ms"),
                format!("Prometheus {direct:.2} ms, empty function {nothing:.2} ms"),
                format!("{added:+.2} ms"),
                most.map_or_else(String::new, |most| format!("at most +{most} ms")),
                most.map_or_else(String::new, |most| verdict(added <= most)),
            ]);
        }
        Ok(())
    }

    /// `/federate` beside Prometheus' own.
    async fn federation(&self, table: &mut Table) -> Result<()> {
        let function = self.function("metrics-api")?;
        let mut length = 0;
        for gzip in [false, true] {
            let request = Request::federate(MANY.0, gzip);
            let [mut walls, mut theirs, mut queries] = [(); 3].map(|()| Vec::new());
            for run in 0..=RUNS {
                println!("/federate: run {run} of {RUNS}");
                let direct = self.direct(&request).await?;
                let query = self.direct(&Request::query(MANY.0, gzip)).await?;
                let ours = self.through(&function, &request).await?;
                if gzip {
                    ensure!(ours.text_length()? == length, "the compressed answer is another");
                } else {
                    let end = String::from_utf8_lossy(&ours.end);
                    let samples = format!("fanlight_federate_samples {}\n", MANY.1);
                    ensure!(end.contains(&samples), "the answer ends with {end}");
                    length = ours.bytes;
                }
                if run > 0 {
                    walls.push(ours.wall);
                    theirs.push(direct.wall);
                    queries.push(query.wall);
                }
            }
            let (wall, theirs) = (median(walls), median(theirs));
            let ratio = wall.as_secs_f64() / theirs.as_secs_f64();
            table.add_row(line(
                &format!("/federate, 100,000 series, {}", request.encoding_name()),
                wall,
                &format!("{}'s own", self.edition),
                theirs,
                ratio,
                "at most 1.2",
                ratio <= 1.2,
            ));
            // What it is made from, which no conversion can be faster than.
            let query = median(queries);
            table.add_row([
                String::new(),
                format!("{:.0} ms", milliseconds(wall)),
                format!("the query alone {:.0} ms", milliseconds(query)),
                format!("{:.2}", wall.as_secs_f64() / query.as_secs_f64()),
                String::new(),
                String::new(),
            ]);
        }
        function.shutdown().await;
        Ok(())
    }

    /// The memory of answers of 500,000 series, each given by a process of its own.
    async fn large_answers(&self, table: &mut Table) -> Result<()> {
        for gzip in [true, false] {
            for request in [Request::federate(MOST.0, gzip), Request::query(MOST.0, gzip)] {
                let (path, encoding) = (request.path, request.encoding_name());
                println!("{path} of {} series, {encoding}", MOST.1);
                let function = self.function("metrics-api")?;
                let read = self.through(&function, &request).await?;
                function.shutdown().await;
                let mut row = memory(
                    &format!("peak memory, {path}, 500,000 series, {encoding}"),
                    [read.peak_memory],
                    &format!("an answer of {:.0} MiB", mib(read.bytes as u64)),
                    12.0,
                );
                row[3] = format!("{:.1} s", read.wall.as_secs_f64());
                table.add_row(row);
            }
        }
        Ok(())
    }

    /// The memory of a process that has given many answers of different sizes.
    async fn many_answers(&self, table: &mut Table) -> Result<()> {
        println!("{ANSWERS} answers of one process");
        let function = self.function("metrics-api")?;
        let requests = [
            Request::federate(SOME.0, true),
            Request::query(FEW.0, false),
            Request::query(SOME.0, true),
            Request::federate(SOME.0, false),
        ];
        let mut early = 0;
        let mut late = 0;
        for (number, request) in (1..=ANSWERS).zip(requests.iter().cycle()) {
            late = self.through(&function, request).await?.peak_memory;
            if number == FIRST_ANSWERS {
                early = late;
            }
        }
        function.shutdown().await;
        let grown = mib(late) - mib(early);
        table.add_row([
            format!("peak memory after {ANSWERS} answers"),
            format!("{:.1} MiB", mib(late)),
            format!("after {FIRST_ANSWERS} {:.1} MiB", mib(early)),
            format!("{grown:+.1} MiB"),
            "at most +1 MiB".to_owned(),
            verdict(grown <= 1.0),
        ]);
        Ok(())
    }

    /// The functions' start, each time in a fresh process.
    async fn starts(&self, table: &mut Table) -> Result<()> {
        const NAMES: [&str; 3] = ["empty-function", "metrics-api", "authorizer"];
        let mut inits = [(); 3].map(|()| Vec::new());
        for start in 1..=STARTS {
            println!("start {start} of {STARTS}");
            for (name, inits) in NAMES.iter().zip(&mut inits) {
                let function = self.function(name)?;
                // What it answers to no event of its own does not matter.
                let invocation = function.invoke("{}").await?;
                function.shutdown().await;
                inits.push(invocation.init_duration.context("the process did not start")?);
            }
        }
        let [empty, ours @ ..] = inits.map(|inits| milliseconds(median(inits)));
        for (name, init) in NAMES[1..].iter().zip(ours) {
            let above = init - empty;
            table.add_row([
                format!("{name}, exec to first poll"),
                format!("{init:.1} ms"),
                format!("empty function {empty:.1} ms"),
                format!("{above:+.1} ms"),
                "at most +5 ms".to_owned(),
                verdict(above <= 5.0),
            ]);
            table.add_row(size(self.binaries, name)?);
        }
        Ok(())
    }
}

const FEDERATE: &str = "/federate";
const FORM: &str = "application/x-www-form-urlencoded";

/// What Prometheus and the functions are asked alike.
struct Request<'a> {
    path: &'a str,
    parameter: &'a str,
    metric: &'a str,
    gzip: bool,
}

impl<'a> Request<'a> {
    fn query(metric: &'a str, gzip: bool) -> Self {
        Self {
            path: "/api/v1/query",
            parameter: "query",
            metric,
            gzip,
        }
    }

    fn federate(metric: &'a str, gzip: bool) -> Self {
        Self {
            path: FEDERATE,
            parameter: "match[]",
            metric,
            gzip,
        }
    }

    fn form(&self) -> String {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        format!("{}={}", encode(self.parameter), encode(self.metric))
    }

    fn encoding(&self) -> &'static str {
        if self.gzip { "gzip" } else { "identity" }
    }

    fn encoding_name(&self) -> &'static str {
        if self.gzip { "gzip" } else { "plain" }
    }

    /// As API Gateway hands it over, past the authorizer.
    fn event(&self) -> Value {
        let is_federate = self.path == FEDERATE;
        let parameters = json!({ self.parameter: [self.metric] });
        let expires = Timestamp::now() + Duration::from_hours(1);
        json!({
            "httpMethod": if is_federate { "GET" } else { "POST" },
            "path": self.path,
            "multiValueQueryStringParameters": is_federate.then_some(parameters),
            "multiValueHeaders": {
                "accept-encoding": [self.encoding()],
                "content-type": [FORM],
            },
            "body": (!is_federate).then(|| self.form()),
            "isBase64Encoded": false,
            "requestContext": {
                "requestId": "bench",
                "authorizer": {
                    "client": "acme",
                    "organisations": "[\"acme\"]",
                    "plan": "default",
                    "expires": expires.as_second().to_string(),
                },
            },
        })
    }
}

fn configuration(upstream: &str) -> String {
    format!(
        "metrics_api:
  upstream: {{url: {upstream:?}, timeout: 2m}}
  labels:
  - {{name: metric_purpose, value: external}}
  - {{name: organisation_id, from: organisations}}
  plans:
    default: {{response_bytes: 1000000000, time: 2m}}
  authorizer: {{tokens: '{{{{API_TOKENS}}}}'}}
"
    )
}
