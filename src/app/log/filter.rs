//! Which records are logged: one level per topic.
//!
//! A filter is `LEVEL`, `TOPIC=LEVEL`, or several of these separated by commas. Later parts override earlier ones; a
//! level without a topic applies to every topic that is not named.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use crate::config::nearest;

use super::about;

/// The environment variable that holds a filter.
pub const VARIABLE: &str = "WEBMON_LOG";

/// The levels, from nothing to everything.
pub const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The levels without `-v`, with `-v`, with `-vv` and so on; at least one.
pub type VerboseLevels = &'static [LevelFilter];

/// On stderr: states, alerts and warnings are on stdout already.
pub const STDERR: VerboseLevels = &[LevelFilter::ERROR, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];
/// In a file.
pub const FILE: VerboseLevels = &[LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];

/// The level of `verbose` times `-v` for every topic.
pub fn raised(levels: VerboseLevels, verbose: u8) -> Targets {
    every_topic(levels[usize::from(verbose).min(levels.len() - 1)])
}

/// The filter in `text`; topics that it does not cover have the level without `-v`.
///
/// # Errors
/// The first unknown level or topic, as a sentence that lists the known ones.
pub fn parse(text: &str, levels: VerboseLevels) -> Result<Targets, String> {
    let (mut base, mut named) = (levels[0], Vec::new());
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            None => base = level(part)?,
            Some((topic, topic_level)) => named.push((target(topic.trim())?, level(topic_level.trim())?)),
        }
    }
    Ok(every_topic(base).with_targets(named))
}

/// Covers the topics of webmon only, so no record of another crate passes.
fn every_topic(level: LevelFilter) -> Targets {
    Targets::new().with_targets(about::ALL.map(|target| (target, level)))
}

fn level(written: &str) -> Result<LevelFilter, String> {
    let known = LEVELS.iter().find(|level| level.eq_ignore_ascii_case(written));
    known.and_then(|level| level.parse().ok()).ok_or_else(|| unknown("level", written, &LEVELS))
}

fn target(written: &str) -> Result<&'static str, String> {
    let topics = about::ALL.map(|target| about::of(target).unwrap_or_default());
    let at = topics.iter().position(|topic| *topic == written);
    at.map(|at| about::ALL[at]).ok_or_else(|| unknown("topic", written, &topics))
}

fn unknown(kind: &str, written: &str, known: &[&str]) -> String {
    let near = nearest(written, known.iter().copied());
    let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    let list = known.join(", ");
    format!("{VARIABLE}: {written:?} is not a {kind}{near}; {kind}s are {list}; example: {VARIABLE}=info,probe=trace")
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing_subscriber::{Layer, Registry};

    use super::*;

    fn wants(text: &str, target: &str, level: Level) -> bool {
        parse(text, STDERR).unwrap().would_enable(target, &level)
    }

    #[test]
    fn a_level_alone_applies_to_every_topic_that_is_not_named() {
        assert!(wants("debug", about::PROBE, Level::DEBUG) && !wants("debug", about::PROBE, Level::TRACE));
        assert!(wants("probe=trace,warn", about::PROBE, Level::TRACE));
        assert!(!wants("probe=trace, warn", about::SITE, Level::INFO));
        assert!(wants("probe=trace,probe=error", about::PROBE, Level::ERROR));
        assert!(!wants("probe=trace,probe=error", about::PROBE, Level::WARN), "the later part wins");
        assert!(wants(" probe = trace ", about::SITE, Level::ERROR), "topics that are not covered keep the default");
        assert!(!wants("off", about::WEBMON, Level::ERROR) && wants("off,INFO", about::WEBMON, Level::INFO));
    }

    #[test]
    fn records_of_other_crates_never_pass() {
        for target in ["h2::proto", "hyper::client", "webmon", "webmon::app", "webmon/", "rustls"] {
            assert!(!wants("trace", target, Level::ERROR), "{target}");
        }
    }

    #[test]
    fn every_v_is_a_level() {
        for (levels, verbose, expected) in [
            (STDERR, 0, LevelFilter::ERROR),
            (STDERR, 1, LevelFilter::INFO),
            (STDERR, 9, LevelFilter::TRACE),
            (FILE, 0, LevelFilter::INFO),
            (FILE, 1, LevelFilter::DEBUG),
            (FILE, 200, LevelFilter::TRACE),
        ] {
            let most_detailed = Layer::<Registry>::max_level_hint(&raised(levels, verbose));
            assert_eq!(most_detailed, Some(expected), "{levels:?} {verbose}");
        }
    }

    #[test]
    fn errors_list_what_is_known() {
        for (text, part) in [
            ("inof", "\"inof\" is not a level (did you mean `info`?); levels are off, error, warn, info, debug, trace"),
            ("probes=debug", "\"probes\" is not a topic (did you mean `probe`?)"),
            ("hyper=trace", "\"hyper\" is not a topic; topics are exec, "),
            ("probe=", "\"\" is not a level"),
            ("3", "\"3\" is not a level"),
            ("info\u{1b}[2J", "\"info\\u{1b}[2J\" is not a level"),
        ] {
            let error = parse(text, STDERR).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
