//! Hostile requests, most of which no client library would send: each is refused by its name or means what it says, and
//! whatever reaches the upstream was written here, from an allow-list and with every selector enforced.

mod headers;
mod parameters;
mod requests;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fanlight_tests::scripted::{Asked, Scripted, whole};
use fanlight_tests::{Customer, MetricsApi};
use shared::promql::{self, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request and what has to come of it.
struct Attack {
    name: String,
    method: &'static str,
    /// Behind the stage.
    target: String,
    /// Lines of further headers.
    headers: Vec<String>,
    body: Vec<u8>,
    status: u16,
    /// What the answer has to say.
    words: String,
}

fn attack(name: &str, method: &'static str, target: impl Into<String>, status: u16, words: &str) -> Attack {
    Attack {
        name: name.to_owned(),
        method,
        target: target.into(),
        headers: Vec::new(),
        body: Vec::new(),
        status,
        words: words.to_owned(),
    }
}

impl Attack {
    fn header(mut self, line: impl Into<String>) -> Self {
        self.headers.push(line.into());
        self
    }

    fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    fn form(self, body: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type: application/x-www-form-urlencoded")
            .body(body)
    }
}

/// The API in front of a server that knows no series and remembers what it was asked.
struct Door {
    upstream: Scripted,
    api: MetricsApi,
    acme: Customer,
    bolt: Customer,
}

impl Door {
    async fn open() -> Result<Self> {
        let nothing = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        let no_labels = r#"{"status":"success","data":[]}"#;
        let [nothing, no_labels] = [nothing, no_labels].map(|body| whole(200, &[("set-cookie", "hidden=1")], body));
        let upstream = Scripted::with_labels(nothing, no_labels).await?;
        let customers = [
            Customer::new("acme", &["acme-fr", "acme-de"])?,
            Customer::new("bolt", &["bolt"])?,
        ];
        let api = MetricsApi::start(&upstream.url(), &customers).await?;
        let [acme, bolt] = customers;
        Ok(Self {
            upstream,
            api,
            acme,
            bolt,
        })
    }

    /// What comes back for these bytes until the connection is closed.
    async fn raw(&self, request: &[u8]) -> Result<String> {
        let (_, place) = self.api.url().split_once("://").context("a URL")?;
        let (address, _) = place.split_once('/').context("a stage")?;
        let (mut reader, mut writer) = TcpStream::connect(address).await?.into_split();
        let write = async {
            // A server that has read enough closes the connection.
            let _ = writer.write_all(request).await;
        };
        let read = async {
            let mut answer = Vec::new();
            let _ = reader.read_to_end(&mut answer).await;
            answer
        };
        let both = async { tokio::join!(write, read).1 };
        let answer = tokio::time::timeout(Duration::from_secs(30), both).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn bytes(&self, attack: &Attack) -> Vec<u8> {
        let stage = self.api.url().rsplit('/').next().unwrap_or_default();
        let target = match attack.target.strip_prefix("raw:") {
            Some(target) => target.replace("STAGE", stage),
            None => format!("/{stage}{}", attack.target),
        };
        let mut head = format!(
            "{} {target} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n",
            attack.method
        );
        if !attack
            .headers
            .iter()
            .any(|line| line.to_ascii_lowercase().starts_with("authorization:"))
        {
            head.extend(["Authorization: ", &self.acme.authorization(), "\r\n"]);
        }
        for line in &attack.headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        if !attack.body.is_empty() {
            head.extend(["Content-Length: ", &attack.body.len().to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        [head.into_bytes(), attack.body.clone()].concat()
    }

    /// Sends a request and holds the answer, and what the upstream got, against what has to come of it.
    async fn attempt(&self, attack: &Attack) -> Result<()> {
        let before = self.upstream.asked().len();
        let answer = self.raw(&self.bytes(attack)).await?;
        let (status, words) = (
            format!("HTTP/1.1 {} ", attack.status),
            attack.words.replace('"', r#"\""#),
        );
        ensure!(answer.starts_with(&status), "expected {status}: {answer}");
        ensure!(answer.contains(&words), "expected {words:?}: {answer}");
        // What API Gateway refuses before it knows the API is in its own words, and longer URLs in nobody's.
        let words = [r#"{"status":"error","errorType":""#, r#"{"message":""#];
        let refused = attack.status != 200 && attack.method != "HEAD" && attack.status != 414;
        let gateways = answer.contains("x-amzn-errortype: ForbiddenException")
            || answer.contains("x-amzn-errortype: BadRequestException");
        ensure!(
            !refused || answer.contains(words[usize::from(gateways)]),
            "the form: {answer}"
        );
        for secret in [self.upstream.port().as_str(), "set-cookie", "hidden"] {
            ensure!(!answer.contains(secret), "the upstream's {secret}: {answer}");
        }
        let asked = self.upstream.asked();
        if attack.status != 200 {
            ensure!(asked.len() == before, "the upstream was asked: {:?}", &asked[before..]);
        }
        for asked in &asked[before..] {
            is_enforced(asked).with_context(|| format!("{asked:?}"))?;
        }
        Ok(())
    }

    async fn attempt_all(&self, attacks: Vec<Attack>) -> Result<()> {
        let mut wrong = Vec::new();
        for attack in attacks {
            if let Err(error) = self.attempt(&attack).await {
                wrong.push(format!(
                    "{}: {} {:.200} {:?}: {error:#}",
                    attack.name, attack.method, attack.target, attack.headers
                ));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
        Ok(())
    }
}

/// Whether a request of ours to the upstream has nothing but what it may have, and no selector without acme's labels.
fn is_enforced(asked: &Asked) -> Result<()> {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let label = path
        .strip_prefix("/api/v1/label/")
        .and_then(|rest| rest.strip_suffix("/values"));
    match (asked.method.as_str(), label) {
        ("GET", Some(name)) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.~-%".contains(&byte);
            ensure!(
                name.bytes().all(plain) && !name.contains("%2") && !name.starts_with('.'),
                "the label's name"
            );
        }
        ("POST", None) => {
            let known = ["query", "query_range", "series", "labels", "format_query"];
            let name = path.strip_prefix("/api/v1/").unwrap_or_default();
            ensure!(known.contains(&name) && query.is_empty(), "the path");
        }
        _ => ensure!(false, "the method"),
    }
    for (name, value) in &asked.headers {
        let expected: &[&str] = match name.as_str() {
            "accept" => &["application/json"],
            "accept-encoding" => &["gzip", "identity"],
            "content-type" => &["application/x-www-form-urlencoded"],
            "host" | "user-agent" | "content-length" => &[],
            _ => anyhow::bail!("the header {name}"),
        };
        ensure!(
            expected.is_empty() || expected.contains(&value.as_str()),
            "the header {name}"
        );
        ensure!(asked.header(name).len() == 1, "the header {name}");
    }
    let form = asked.form();
    let singletons = ["query", "time", "timeout", "limit", "start", "end", "step"];
    for (name, value) in &form {
        let times = form.iter().filter(|(other, _)| other == name).count();
        ensure!(
            name == "match[]" || (singletons.contains(&name.as_str()) && times == 1),
            "the parameter {name}"
        );
        if name == "query" || name == "match[]" {
            let tree = promql::parse(value, &Limits::default())?;
            for enforced in [
                r#"metric_purpose = "external""#,
                r#"organisation_id =~ "acme-de|acme-fr""#,
            ] {
                ensure!(
                    value.matches(enforced).count() == tree.selector_count(),
                    "{enforced} in {value}"
                );
            }
            ensure!(!value.contains("bolt"), "{value}");
        }
    }
    let selected = form.iter().any(|(name, _)| name == "query" || name == "match[]");
    ensure!(selected, "nothing selects acme's series");
    Ok(())
}
