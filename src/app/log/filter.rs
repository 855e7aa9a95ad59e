//! Which records are wanted: a level for each topic.
//!
//! Written as `LEVEL`, `TOPIC=LEVEL`, or several of them with commas between; the later one wins, and a level alone stands
//! for every topic that is not named.

use tracing::Level;
use tracing::level_filters::LevelFilter;

use crate::config::nearest;

use super::about;

/// The environment variable that holds a filter.
pub const VARIABLE: &str = "WEBMON_LOG";

/// The levels, from silence to everything.
pub const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

const FILTERS: [LevelFilter; LEVELS.len()] = [
    LevelFilter::OFF,
    LevelFilter::ERROR,
    LevelFilter::WARN,
    LevelFilter::INFO,
    LevelFilter::DEBUG,
    LevelFilter::TRACE,
];

/// What is logged where nobody asks for anything, and with `-v`, `-vv` and so on.
pub type Usual = &'static [LevelFilter];

/// Of a log on stderr: people and scripts read stdout besides, which has states, alerts and warnings.
pub const STDERR: Usual = &[LevelFilter::ERROR, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];
/// Of a log in a file.
pub const FILE: Usual = &[LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// One a topic, in the order of [`about::ALL`].
    levels: [LevelFilter; about::ALL.len()],
}

impl Filter {
    /// What is usual, raised `verbose` times.
    pub fn raised(usual: Usual, verbose: u8) -> Self {
        let level = usual.get(usize::from(verbose)).or(usual.last()).copied().unwrap_or(LevelFilter::OFF);
        Self { levels: [level; about::ALL.len()] }
    }

    /// The filter that is written in `text`; where it says nothing, what is usual.
    ///
    /// # Errors
    /// What is wrong with it, as sentences for a person.
    pub fn parse(text: &str, usual: Usual) -> Result<Self, String> {
        let (mut base, mut named) = (None, [None; about::ALL.len()]);
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                None => base = Some(level(part)?),
                Some((topic, level_of)) => named[place(topic.trim())?] = Some(level(level_of.trim())?),
            }
        }
        let usual = Self::raised(usual, 0).levels;
        let mut levels = usual.map(|usual| base.unwrap_or(usual));
        levels.iter_mut().zip(named).for_each(|(level, named)| *level = named.unwrap_or(*level));
        Ok(Self { levels })
    }

    /// Whether a record of this target and level is wanted.
    pub fn wants(&self, target: &str, level: Level) -> bool {
        let place = about::ALL.iter().position(|&topic| topic == target);
        place.is_some_and(|place| level <= self.levels[place])
    }

    /// The most detailed level that any topic wants.
    pub fn most(&self) -> LevelFilter {
        self.levels.iter().copied().max().unwrap_or(LevelFilter::OFF)
    }
}

fn level(written: &str) -> Result<LevelFilter, String> {
    let place = LEVELS.iter().position(|level| level.eq_ignore_ascii_case(written));
    place.map(|place| FILTERS[place]).ok_or_else(|| unknown("level", written, &LEVELS))
}

fn place(written: &str) -> Result<usize, String> {
    let names = about::ALL.map(|topic| about::of(topic).unwrap_or_default());
    names.iter().position(|name| *name == written).ok_or_else(|| unknown("topic", written, &names))
}

fn unknown(kind: &str, written: &str, known: &[&str]) -> String {
    let near = nearest(written, known.iter().copied());
    let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    let list = known.join(", ");
    format!(
        "webmon: {VARIABLE}: {written:?} is no {kind}{near}; {kind}s are {list}; example: {VARIABLE}=info,probe=trace"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(text: &str, topic: &str, level: Level) -> bool {
        Filter::parse(text, STDERR).unwrap().wants(topic, level)
    }

    #[test]
    fn a_level_alone_stands_for_every_topic_that_is_not_named() {
        assert!(wants("debug", about::PROBE, Level::DEBUG) && !wants("debug", about::PROBE, Level::TRACE));
        assert!(wants("probe=trace,warn", about::PROBE, Level::TRACE));
        assert!(!wants("probe=trace, warn", about::SITE, Level::INFO));
        assert!(wants(" probe = trace ", about::SITE, Level::ERROR), "what is not said is as usual");
        assert!(!wants("off", about::WEBMON, Level::ERROR) && wants("off,INFO", about::WEBMON, Level::INFO));
    }

    #[test]
    fn what_other_crates_say_is_never_wanted() {
        for target in ["h2::proto", "hyper::client", "webmon", "webmon::app", "webmon/", "rustls"] {
            assert!(!wants("trace", target, Level::ERROR), "{target}");
        }
    }

    #[test]
    fn every_v_is_a_level() {
        for (usual, verbose, expected) in [
            (STDERR, 0, LevelFilter::ERROR),
            (STDERR, 1, LevelFilter::INFO),
            (STDERR, 9, LevelFilter::TRACE),
            (FILE, 0, LevelFilter::INFO),
            (FILE, 1, LevelFilter::DEBUG),
            (FILE, 200, LevelFilter::TRACE),
        ] {
            assert_eq!(Filter::raised(usual, verbose).most(), expected, "{usual:?} {verbose}");
        }
    }

    #[test]
    fn faults_say_what_would_do() {
        for (text, part) in [
            ("inof", "\"inof\" is no level (did you mean `info`?); levels are off, error, warn, info, debug, trace"),
            ("probes=debug", "\"probes\" is no topic (did you mean `probe`?)"),
            ("hyper=trace", "\"hyper\" is no topic; topics are exec, "),
            ("probe=", "\"\" is no level"),
            ("info\u{1b}[2J", "\"info\\u{1b}[2J\" is no level"),
        ] {
            let error = Filter::parse(text, STDERR).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
