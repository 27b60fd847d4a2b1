//! The Metrics API: from API Gateway's event to the answer.
//!
//! Nothing of a request is passed on. Its path and its parameters are read by a table, every selector in it is enforced,
//! what it costs is held against the caller's plan, and a new request is written for the upstream. What comes back streams
//! through, in memory that does not depend on its size; what is said of failures names nothing that is not the caller's.

mod dashboards;
mod endpoint;
mod event;
mod explain;
mod federate;
mod form;
mod label_name;
mod limits;
mod parameters;
mod probe;
mod problem;
mod rebuild;
mod record;
mod response;
mod shelf;
#[cfg(test)]
mod tests;
mod time;
mod upstream_answer;

use std::path::Path;

use futures_util::{FutureExt as _, StreamExt as _};
use http::HeaderValue;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::debug;

use crate::authorization::{Caller, NoCaller};
use crate::config::metrics_api::MetricsApi as Settings;
use crate::envelope::{self, RelayError, Relayed, UpstreamSaid};
use crate::federation::negotiate;
use crate::promql::PolicyError;
use crate::upstream::{Answer, Question, Upstream, UpstreamError};

use dashboards::{Dashboards, Wanted};
use endpoint::Endpoint;
use federate::Conversion;
use limits::Held;
use parameters::Parameters;
use probe::Honoured;
use problem::Problem;
use rebuild::{Asker, Rebuilt};
use record::Record;
use response::{Content, Reply};

pub use event::Event;
pub use problem::Kind;
pub use response::Response;

/// Answers customers' requests.
pub struct MetricsApi {
    settings: Settings,
    upstream: Upstream,
    honoured: Honoured,
    dashboards: Dashboards,
}

/// A request that is not answered with data, and what the operator is told of it.
struct Failure {
    problem: Problem,
    reason: String,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self {
            reason: problem.message.clone(),
            problem,
        }
    }
}

impl MetricsApi {
    /// An API of these settings, with the dashboards in a folder; nothing is connected or read yet.
    #[must_use]
    pub fn new(settings: Settings, upstream: Upstream, dashboards: &Path) -> Self {
        Self {
            settings,
            upstream,
            honoured: Honoured::default(),
            dashboards: Dashboards::new(dashboards),
        }
    }

    /// Answers a request that arrived at `now`, by `deadline` at the latest. Whatever goes wrong is an answer too.
    pub async fn answer(&self, event: &Event, now: Timestamp, deadline: Instant) -> Response {
        let mut record = Record::new(&event.request_id);
        let reply = match self.serve(event, now, deadline, &mut record).await {
            Ok(reply) => reply,
            Err(Failure { problem, reason }) => {
                record.kind = Some(problem.kind);
                record.reason = reason;
                Reply::problem(&problem)
            }
        };
        reply.recorded(record)
    }

    async fn serve(
        &self,
        event: &Event,
        now: Timestamp,
        deadline: Instant,
        record: &mut Record,
    ) -> Result<Reply, Failure> {
        if let Some(wanted) = Wanted::of(&event.path) {
            return self.dashboards.serve(event, wanted, now, record);
        }
        let context = |name: &str| event.authorizer.as_ref().and_then(|context| context.get(name));
        let caller = Caller::from_context(context, now).map_err(nobody)?;
        record.client.clone_from(&caller.client);
        record.plan.clone_from(&caller.plan);
        let (endpoint, method) = Endpoint::of(&event.method, &event.path, self.settings.exemplars)?;
        record.endpoint = endpoint.name();
        let parameters = Parameters::read(event, &endpoint, method)?;
        if endpoint == Endpoint::BuildInfo {
            return Ok(Reply::json(explain::build_info()));
        }
        let held = self.plan(&caller)?;
        let deadline = deadline.min(record.started + held.plan.time);
        let policy = self.settings.policy(&caller.organisations, held.plan.query_limits());
        let asker = Asker {
            policy: &policy.map_err(|error| unreadable(&error))?,
            held,
            now: now.as_millisecond(),
            left: deadline.saturating_duration_since(Instant::now()),
        };
        let rebuilt = asker.rebuild(&endpoint, &parameters)?;
        debug!(path = rebuilt.path, form = ?rebuilt.form, "what the upstream is asked");
        match endpoint {
            Endpoint::Explain => Ok(Reply::json(explain::explain(&caller, held, &rebuilt))),
            Endpoint::Federate => self.federate(event, rebuilt, held, deadline).await,
            // Prometheus answers a query without selectors with no `data`, which is no answer for anybody else.
            Endpoint::QueryExemplars if rebuilt.found.selectors == 0 => Ok(Reply::json(explain::no_exemplars())),
            _ => {
                let doubtful = self.honoured.is_doubtful(&endpoint, &rebuilt.path);
                if doubtful {
                    self.probe(event, &asker, &rebuilt, deadline).await?;
                }
                self.relay(event, rebuilt, held, deadline, doubtful).await
            }
        }
    }

    fn plan<'a>(&'a self, caller: &'a Caller) -> Result<Held<'a>, Failure> {
        let name = caller.plan.as_str();
        let plan = self.settings.plans.get(name).ok_or_else(|| Failure {
            problem: Problem::new(Kind::Internal, "your plan is not set up; tell whoever runs this API"),
            reason: format!("the caller's plan {name:?} is not among `metrics_api.plans`"),
        })?;
        Ok(Held { name, plan })
    }

    /// The upstream's success as it comes, for the endpoints that it has as well. `probed` is whether a probe has just been
    /// answered as it should be.
    async fn relay(
        &self,
        event: &Event,
        rebuilt: Rebuilt,
        held: Held<'_>,
        deadline: Instant,
        probed: bool,
    ) -> Result<Reply, Failure> {
        let path = rebuilt.path.clone();
        let answer = self.ask(event, rebuilt, deadline).await?;
        let (gzip, plan) = (answer.gzip, held.name.to_owned());
        let relayed = envelope::relay(answer.body, gzip, held.plan.response_bytes).await;
        match relayed.map_err(|error| unrelayed(&error, held.name))? {
            Relayed::Success { body, has_elements } => {
                if probed && has_elements {
                    self.honoured.remember(path);
                }
                let body = body.map(move |item| item.map_err(|error| upstream_answer::broken_off(&error, &plan)));
                Ok(Reply::new(Content::json(gzip), body.boxed()))
            }
            Relayed::Error(said) => Err(said_with_success(&said)),
        }
    }

    async fn federate(
        &self,
        event: &Event,
        rebuilt: Rebuilt,
        held: Held<'_>,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let format = negotiate(event.accept().as_deref());
        let kind = HeaderValue::try_from(format.content_type()).map_err(|error| Failure {
            problem: Problem::new(Kind::Internal, "the answer's format cannot be named"),
            reason: error.to_string(),
        })?;
        let content = Content {
            kind,
            gzip: event.accepts_gzip(),
            vary: "Accept, Accept-Encoding",
        };
        let answer = self.ask(event, rebuilt, deadline).await?;
        let mut conversion = Conversion::new(answer, format, content.gzip, held.plan.response_bytes);
        conversion.fill().await.map_err(|fault| Failure {
            problem: federate::problem(&fault, held.name),
            reason: fault.to_string(),
        })?;
        Ok(Reply::new(content, conversion.stream()))
    }

    /// The upstream's answer, if it is a success. It is compressed only where the client takes that.
    async fn ask(&self, event: &Event, rebuilt: Rebuilt, deadline: Instant) -> Result<Answer, Failure> {
        let question = Question {
            method: rebuilt.method,
            path: rebuilt.path,
            form: rebuilt
                .form
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            gzip: event.accepts_gzip(),
        };
        // Without the box the compiler finds the futures of a function's `main` nested too deep.
        let asked = self.upstream.ask(&question, deadline).boxed().await;
        let answer = asked.map_err(|error| Failure {
            problem: upstream_answer::unanswered(&error),
            reason: error.to_string(),
        })?;
        if !answer.status.is_success() {
            let (problem, reason) = upstream_answer::failed(answer).await;
            return Err(Failure { problem, reason });
        }
        Ok(answer)
    }
}

/// An answer that cannot be passed on.
fn unrelayed(error: &RelayError<UpstreamError>, plan: &str) -> Failure {
    Failure {
        problem: upstream_answer::unrelayed(error, plan),
        reason: error.to_string(),
    }
}

/// An error that came with the status of a success.
fn said_with_success(said: &UpstreamSaid) -> Failure {
    Failure {
        problem: upstream_answer::refused(said),
        reason: format!(
            "the upstream answered 200 with an error: {}",
            upstream_answer::in_its_words(said)
        ),
    }
}

/// Nobody calls whom the authorizer does not name. Why, is for the log.
fn nobody(error: NoCaller) -> Failure {
    let problem = match error {
        NoCaller::Expired => Problem::new(Kind::Unauthenticated, "the credentials have expired"),
        _ => Problem::new(
            Kind::Unauthenticated,
            "the request has no credentials that this API knows",
        ),
    };
    Failure {
        problem,
        reason: error.to_string(),
    }
}

/// Organisations that cannot be enforced may not be read.
fn unreadable(error: &PolicyError) -> Failure {
    Failure {
        problem: Problem::new(
            Kind::Forbidden,
            "nothing may be read in your name; tell whoever runs this API",
        ),
        reason: error.to_string(),
    }
}
