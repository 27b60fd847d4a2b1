//! One JSON object a record, with the fields of the spans around it beside its own, so that a log query can say
//! `job = "…"` whichever function wrote the line.

use std::error::Error;
use std::fmt;
use std::io::Write as _;

use serde::Serializer as _;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

/// The fields that every line begins with; a field of the same name elsewhere is left out.
const RESERVED: [&str; 3] = ["timestamp", "level", "target"];

/// Writes each record as one line in one write, so that lines of different threads do not mix.
pub(super) struct JsonLines<W> {
    writer: W,
}

impl<W> JsonLines<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer }
    }
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let mut line = Fields::default();
        line.0
            .push(("timestamp", format!("{:.3}", jiff::Timestamp::now()).into()));
        line.0.push(("level", event.metadata().level().as_str().into()));
        line.0.push(("target", event.metadata().target().into()));
        if let Some(message) = own.0.iter().position(|(name, _)| *name == "message") {
            line.0.push(own.0.remove(message));
        }
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.merge(fields);
            }
        }
        line.merge(&own);
        let mut text = Vec::new();
        if serde_json::Serializer::new(&mut text).collect_map(line.0).is_ok() {
            text.push(b'\n');
            // There is nowhere to say that a log cannot be written.
            let _ = self.writer.make_writer_for(event.metadata()).write_all(&text);
        }
    }
}

/// The fields of a record or a span, in their order, each name once.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// Inner spans win over outer ones, and the record itself over all.
    fn merge(&mut self, inner: &Self) {
        for (name, value) in &inner.0 {
            if !RESERVED.contains(name) {
                self.set(name, value.clone());
            }
        }
    }

    fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no NaN and no infinities.
        let text = || value.to_string().into();
        self.set(
            field.name(),
            serde_json::Number::from_f64(value).map_or_else(text, Value::Number),
        );
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.set(
            field.name(),
            i64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from),
        );
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.set(
            field.name(),
            u64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from),
        );
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.set(field.name(), text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), format!("{value:?}").into());
    }
}
