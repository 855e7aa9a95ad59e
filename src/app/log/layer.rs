//! Queues `tracing` events as records of the log.
//!
//! Spans are not used. Cost: `tracing` caches the filter's answer per callsite, so a rejected event costs one load.

use std::fmt;

use tracing::field::{Field as Key, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::report::log_line::{Field, Record};

use super::super::clock::Clock;
use super::about;
use super::writer::LogQueue;

/// Puts every event of webmon into a queue.
pub struct LogLayer {
    pub clock: Clock,
    pub queue: LogQueue,
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let Some(about) = about::of(metadata.target()) else { return };
        let mut content = Content::default();
        event.record(&mut content);
        let level = metadata.level().as_str().to_ascii_lowercase();
        let Content { message, fields } = &content;
        self.queue.put(&Record { at: self.clock.now(), level: &level, about, message, fields });
    }
}

#[derive(Default)]
struct Content {
    message: String,
    fields: Vec<(&'static str, Field)>,
}

impl Visit for Content {
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
        let text = format!("{value:?}");
        if key.name() == "message" {
            self.message = text;
        } else {
            self.fields.push((key.name(), Field::Text(text)));
        }
    }
}
