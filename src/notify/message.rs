//! What people read: the title, lines and facts of one event, or of several at once.
//!
//! Everything is plain text, cleaned and cut before any service sees it: the reason of a failure comes from a server that may
//! be hostile. Pure; local times are those of the given zone.
//!
//! Invariants: a text holds no control or bidi character. Bounds: title 500 characters; 10 lines of 500; 10 facts of 40 and
//! 300.

use jiff::tz::TimeZone;

use crate::alert::{News, NewsKind, Severity};
use crate::model::text::clean;
use crate::model::time::duration;
use crate::report;

use super::cut;
use super::sentence::{self, beside, moment};

const TITLE_MAX: usize = 500;
const LINES_MAX: usize = 10;
const LINE_MAX: usize = 500;
const FACTS_MAX: usize = 10;
const LABEL_MAX: usize = 40;
const FACT_MAX: usize = 300;

/// How a message looks: its colour, its priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// It is over.
    Up,
    /// Worth a look.
    Warn,
    /// Look now.
    Down,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// How it looks.
    pub tone: Tone,
    /// One sentence; the public one for a single site that is down or up.
    pub title: String,
    /// The title in a few words.
    pub subject: String,
    /// Reasons, one a line.
    pub lines: Vec<String>,
    /// Figures by label.
    pub facts: Vec<(String, String)>,
}

impl Message {
    /// The message about `news`, at least one; `is_repeat` if it may have been sent before.
    #[must_use]
    pub fn of(news: &[News], zone: &TimeZone, is_repeat: bool) -> Self {
        let tone = news.iter().map(tone).max().unwrap_or(Tone::Up);
        let (title, subject, lines, facts) = match news {
            [one] => (sentence::title(one, zone), sentence::subject(one), lines(one, zone), facts(one)),
            several => super::group::parts(several, zone),
        };
        let title =
            if is_repeat { format!("{} (perhaps a repeat)", cut::chars(&title, TITLE_MAX - 20)) } else { title };
        Self { tone, title, subject, lines, facts }.bounded()
    }

    /// The text below the title: the lines, then the facts.
    #[must_use]
    pub fn text(&self) -> String {
        let facts = self.facts.iter().map(|(label, value)| format!("{label}: {value}"));
        let lines: Vec<String> = self.lines.iter().cloned().chain(facts).collect();
        lines.join("\n")
    }

    /// The text below the title, or the title if there is none.
    #[must_use]
    pub fn body(&self) -> String {
        let text = self.text();
        if text.is_empty() { self.title.clone() } else { text }
    }

    /// The same message with another title.
    #[must_use]
    pub fn titled(self, title: &str) -> Self {
        Self { title: title.to_owned(), subject: title.to_owned(), ..self }.bounded()
    }

    /// The same message with another text, a line each, in place of lines and facts.
    #[must_use]
    pub fn with_text(self, text: &str) -> Self {
        Self { lines: text.lines().map(str::to_owned).collect(), facts: Vec::new(), ..self }.bounded()
    }

    fn bounded(mut self) -> Self {
        let bounded = |text: &str, max| cut::chars(&clean(text), max);
        self.title = bounded(&self.title, TITLE_MAX);
        self.subject = bounded(&self.subject, TITLE_MAX);
        self.lines.truncate(LINES_MAX);
        self.lines.iter_mut().for_each(|line| *line = bounded(line, LINE_MAX));
        self.facts.truncate(FACTS_MAX);
        for (label, value) in &mut self.facts {
            (*label, *value) = (bounded(label, LABEL_MAX), bounded(value, FACT_MAX));
        }
        self
    }
}

/// How one event looks.
fn tone(news: &News) -> Tone {
    match (news.kind, news.alert.rule.severity()) {
        (NewsKind::Closed | NewsKind::Was | NewsKind::Ended, _) => Tone::Up,
        (NewsKind::Opened | NewsKind::Reminder, Severity::Critical) => Tone::Down,
        _ => Tone::Warn,
    }
}

fn lines(news: &News, zone: &TimeZone) -> Vec<String> {
    let context = &news.context;
    let mut lines = Vec::new();
    let is_about_failure = !matches!(news.kind, NewsKind::Closed | NewsKind::Ended);
    if is_about_failure {
        lines.extend(sentence::reason(news));
    }
    let good = context
        .last_good
        .filter(|_| is_about_failure)
        .map(|at| format!("last good {}", beside(at, news.alert.at, zone)));
    let address = context.address.map(|address| address.to_string());
    let certificate = context.certificate.as_ref().map(|certificate| format!("certificate {certificate}"));
    let place: Vec<String> = [good, address, certificate].into_iter().flatten().collect();
    if is_about_failure && !place.is_empty() {
        lines.push(place.join(", "));
    }
    if !news.kind.is_closing() && news.kind != NewsKind::Opened {
        lines.push(format!("since {}", moment(news.alert.since, zone)));
    }
    lines
}

fn facts(news: &News) -> Vec<(String, String)> {
    let (alert, context) = (&news.alert, &news.context);
    let mut facts = Vec::new();
    let mut fact = |label: &str, value: String| facts.push((label.to_owned(), value));
    if let Some(availability) = alert.availability {
        let (points, window) = (availability.basis_points(), duration::format(alert.window));
        let share = format!("{}.{:02}%", points / 100, points % 100);
        fact("availability", format!("{share} of {} checks in {window}", availability.checks));
    }
    if let Some(locations) = &alert.locations {
        fact("locations", report::locations(locations, !alert.state.is_opening(), true));
    }
    if !context.causes.is_empty() {
        let counts = context.causes.iter().map(|(cause, count)| format!("{} ×{count}", cause.name()));
        fact("cause", counts.collect::<Vec<_>>().join(", "));
    } else if let Some(cause) = context.cause {
        fact("cause", cause.name().to_owned());
    }
    if !context.url.is_empty() {
        fact("url", context.url.to_string());
    }
    if let Some(group) = &context.group {
        fact("group", group.to_string());
    }
    fact("rule", alert.rule.name().to_owned());
    if let Some(incident) = alert.incident {
        fact("incident", incident.to_string());
    }
    if context.relapses > 0 {
        fact("relapses", context.relapses.to_string());
    }
    facts
}
