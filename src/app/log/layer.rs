//! From an event of `tracing` to a record on its way.
//!
//! Spans are not used here. Cost: an event that is not wanted is one load of its callsite's cached answer.

use std::fmt::{self, Write as _};

use tracing::field::{Field as Key, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::app::cli::args::LineFormat;
use crate::report::log_line::{self, Field, Record};

use super::super::clock::Clock;
use super::about;
use super::filter::Filter;
use super::writer::{LineFormatter, LogQueue};

/// See the module.
pub struct LogLayer {
    filter: Filter,
    form: LineFormatter,
    clock: Clock,
    queue: LogQueue,
}

impl LogLayer {
    /// Puts what `filter` wants into `queue`, as lines of `format`.
    pub fn new(filter: Filter, format: LineFormat, clock: Clock, queue: LogQueue) -> Self {
        Self { filter, form: form(format), clock, queue }
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span() && self.filter.wants(metadata.target(), *metadata.level())
    }
}

/// How records become lines of `format`.
pub fn form(format: LineFormat) -> LineFormatter {
    match format {
        LineFormat::Text => log_line::text,
        LineFormat::Json => log_line::object,
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.most())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let Some(about) = about::of(metadata.target()) else { return };
        let mut said = Said::default();
        event.record(&mut said);
        let (at, level) = (self.clock.now(), level_name(*metadata.level()));
        let record = Record { at, level, about, message: &said.message, fields: &said.fields };
        self.queue.put(at, self.form, &record);
    }
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, Field)>,
}

impl Visit for Said {
    fn record_u64(&mut self, key: &Key, value: u64) {
        self.fields.push((key.name(), Field::Number(value)));
    }

    fn record_bool(&mut self, key: &Key, value: bool) {
        self.fields.push((key.name(), Field::Flag(value)));
    }

    fn record_str(&mut self, key: &Key, value: &str) {
        self.record_debug(key, &format_args!("{value}"));
    }

    fn record_debug(&mut self, key: &Key, value: &dyn fmt::Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").expect("writing to a String cannot fail");
        if key.name() == "message" {
            self.message = text;
        } else {
            self.fields.push((key.name(), Field::Text(text)));
        }
    }
}
