//! What happened in an incident: as text, Markdown and JSON.
//!
//! Invariants: text and Markdown say the same (both draw the same sections); what servers wrote is cleaned, on one line, bounded, and no markup.
//! What is not known is left out, never invented. JSON is public: names and order stay.

mod json;
mod markdown;
mod sections;
mod text;
pub mod why;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::kept::telling::Heard;
use crate::alert::{AlertRecord, RuleKind};
use crate::model::{FailedAnswer, Location, Micros, Timestamp};
use crate::stats::Answer;
use crate::stats::change::ChangeGather;

pub use json::json;
pub use markdown::markdown;
pub use sections::document;
pub use text::text;

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// When it was over.
    pub at: Timestamp,
    /// From where, of a site over its locations.
    pub location: Option<Location>,
    /// What it answered.
    pub answer: Answer,
    /// Whether it failed.
    pub is_down: bool,
    /// How long it took.
    pub took: Micros,
    /// The reason of a failure in words.
    pub detail: Option<Arc<str>>,
    /// The address of a failure.
    pub address: Option<SocketAddr>,
}

/// The checks of a time before, in, or after the incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its start.
    pub since: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// What they answered, failures first, the most frequent first.
    pub answers: Vec<(Answer, u64)>,
    /// The median of response times of successful and slow checks, µs.
    pub p50: Option<u32>,
}

/// What one location saw of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The location.
    pub location: Location,
    /// Its first failed check of those that led to it.
    pub first: Option<Check>,
    /// Before, in, and after it.
    pub stretches: [Option<Stretch>; 3],
}

/// Another site that failed around the first failed check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// Its name.
    pub site: Arc<str>,
    /// Its group.
    pub group: Option<Arc<str>>,
    /// Its first failed check of that time.
    pub check: Check,
    /// Whether it shows the same certificate as the site of the incident.
    pub has_same_certificate: bool,
}

/// Everything about one incident.
#[derive(Clone, Debug)]
pub struct Postmortem {
    /// The alert that opened it.
    pub opening: AlertRecord,
    /// The alert that closed it; `None` while it is open.
    pub closing: Option<AlertRecord>,
    /// The instant at which this was known.
    pub as_of: Timestamp,
    /// The group of the site.
    pub group: Option<Arc<str>>,
    /// The URL of the site, secrets as `***`.
    pub url: Option<Arc<str>>,
    /// Before, in, and after it.
    pub stretches: [Option<Stretch>; 3],
    /// The first failed check of those that led to it.
    pub first: Option<Check>,
    /// The last failed check in it.
    pub last: Option<Check>,
    /// What it answered to the first failed check, or to an earlier one that failed with the same answer.
    pub answered: Option<FailedAnswer>,
    /// The checks around the first failed one, and those around the end.
    pub around: [Vec<Check>; 2],
    /// What each location saw, of a site over its locations.
    pub witnesses: Vec<Witness>,
    /// Others that failed around the first failed check; how many were checked then.
    pub company: (Vec<Companion>, usize),
    /// Which outlets heard of its start and of its end, or will.
    pub told: [Vec<Heard>; 2],
    /// The checks that tell what changed when it began.
    pub changed: Option<ChangeGather>,
    /// Why something is missing, in words.
    pub note: Option<String>,
}

impl Postmortem {
    /// How far before and after it is looked.
    pub const BESIDE: Duration = Duration::from_mins(10);

    /// How far around the first failed check others are looked for.
    pub const SAME_TIME: Duration = Duration::from_mins(1);

    /// When it was over, or now.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.closing.as_ref().map_or(self.as_of, |closing| closing.at)
    }

    /// What changed when it began, as a sentence without a full stop.
    #[must_use]
    pub fn change(&self, zone: &TimeZone) -> Option<String> {
        self.changed.as_ref()?.sentence(zone)
    }

    /// What the others have in common, each with how many.
    fn in_common(&self) -> Vec<String> {
        let (company, _) = &self.company;
        if company.is_empty() {
            return Vec::new();
        }
        let mut traits = Vec::new();
        let mut note = |count: usize, what: String| {
            if count > 0 {
                traits.push(format!("{count} {what}"));
            }
        };
        let group = self.group.as_ref();
        if let Some(name) = group {
            let same = company.iter().filter(|other| other.group.as_ref() == group).count();
            note(same, format!("of the group {}", crate::model::text::clean_line(name, 80)));
        }
        if let Some(first) = &self.first {
            let same = |is: &dyn Fn(&Check) -> bool| company.iter().filter(|other| is(&other.check)).count();
            note(same(&|check| check.answer == first.answer), "with the same answer".to_owned());
            note(
                company.iter().filter(|other| other.has_same_certificate).count(),
                "with the same certificate".to_owned(),
            );
            if let Some(address) = first.address {
                let count = same(&|check| check.address.is_some_and(|other| other.ip() == address.ip()));
                note(count, format!("at the same address, {}", address.ip()));
            }
        }
        traits
    }
}

/// What a rule watches, in words.
const fn rule(rule: RuleKind) -> &'static str {
    match rule {
        RuleKind::Availability => "availability",
        RuleKind::Partial => "availability at some locations",
        RuleKind::Latency => "response time",
        RuleKind::Certificate => "certificate",
        RuleKind::SloFast | RuleKind::SloSlow => "error budget",
        _ => "webmon itself",
    }
}

#[cfg(test)]
mod tests;
