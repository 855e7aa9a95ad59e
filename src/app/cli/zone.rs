//! The zone in which times are shown and read: `TZ` as the C library takes it, else the system's.
//!
//! In the order of the C library: empty or a bare `:` is UTC; a name is looked for in the system's database, or in the
//! one that the binary carries where an image has none; an absolute path is a file of that format; the rest is a rule as
//! POSIX writes it. A rule that names a summer time without its dates takes [`DATES`], as the C library does. A `TZ` that is
//! none of these is UTC there without a word; here a person is warned.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use jiff::tz::TimeZone;

use crate::app::exit::complain;

/// When summer begins and ends where a rule does not say it.
const DATES: &str = ",M3.2.0,M11.1.0";

/// The largest file of a zone that is read; those of the database have some kilobytes.
const FILE_MAX: u64 = 1 << 20;

/// Where the system keeps its database: what follows in a path is the name of a zone.
const DATABASE: &str = "/zoneinfo/";

/// The local zone.
#[must_use]
pub fn local() -> TimeZone {
    read().0
}

/// The same for a command that ends soon: an unknown `TZ` is complained of on stderr.
#[must_use]
pub fn local_or_complain() -> TimeZone {
    let (zone, warning) = read();
    if let Some(warning) = warning {
        complain(format_args!("warning: {warning}"));
    }
    zone
}

/// What a person should know of `TZ`.
#[must_use]
pub fn warning() -> Option<String> {
    read().1
}

#[allow(clippy::disallowed_methods, reason = "this is the place")]
fn read() -> (TimeZone, Option<String>) {
    match env::var_os("TZ") {
        None => (TimeZone::system(), None),
        Some(wanted) => match named(&wanted) {
            Some(zone) => (zone, None),
            None => (TimeZone::UTC, Some(unknown(&wanted))),
        },
    }
}

fn unknown(wanted: &OsStr) -> String {
    let shown = wanted.to_string_lossy();
    format!("TZ={shown:?} is no time zone that webmon knows: times are in UTC; write a name such as TZ=Europe/Berlin")
}

/// The zone that a `TZ` of this value means.
fn named(wanted: &OsStr) -> Option<TimeZone> {
    let wanted = wanted.to_str()?;
    let wanted = wanted.strip_prefix(':').unwrap_or(wanted);
    if wanted.is_empty() {
        return Some(TimeZone::UTC);
    }
    if wanted.starts_with('/') {
        let name = wanted.rsplit_once(DATABASE).map(|(_, name)| name);
        return of_file(Path::new(wanted)).or_else(|| TimeZone::get(name?).ok());
    }
    let of_rule = || TimeZone::posix(wanted).or_else(|_| TimeZone::posix(&format!("{wanted}{DATES}"))).ok();
    TimeZone::get(wanted).ok().or_else(of_rule)
}

fn of_file(path: &Path) -> Option<TimeZone> {
    // Opening a named pipe would wait for its writer.
    path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mut data = Vec::new();
    File::open(path).ok()?.take(FILE_MAX).read_to_end(&mut data).ok()?;
    TimeZone::tzif("", &data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(wanted: &str) -> Option<(i32, i32)> {
        let zone = named(OsStr::new(wanted))?;
        let at = |text: &str| zone.to_offset(text.parse().unwrap()).seconds() / 60;
        Some((at("2026-01-15T12:00:00Z"), at("2026-07-15T12:00:00Z")))
    }

    #[test]
    fn tz_is_taken_as_the_c_library_takes_it() {
        for (wanted, winter, summer) in [
            ("", 0, 0),
            (":", 0, 0),
            ("UTC", 0, 0),
            ("Europe/Berlin", 60, 120),
            (":Europe/Berlin", 60, 120),
            ("America/New_York", -300, -240),
            ("Asia/Kolkata", 330, 330),
            ("CET", 60, 120),
            ("EST5EDT", -300, -240),
            ("CET-1CEST", 60, 120),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 60, 120),
            ("<+0530>-5:30", 330, 330),
            ("GMT+3", -180, -180),
            // A path into the database means its zone also where an image has no database.
            ("/nowhere/zoneinfo/Asia/Kolkata", 330, 330),
        ] {
            assert_eq!(offsets(wanted), Some((winter, summer)), "TZ={wanted:?}");
        }
    }

    #[test]
    fn what_is_no_zone_is_told_and_not_taken_for_utc_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("zone");
        std::fs::write(&file, "no zone").unwrap();
        for wanted in ["Europe/Nowhere", "Berlin!", "/nowhere/at/all", "25", file.to_str().unwrap(), "/dev/zero", "/"] {
            assert_eq!(offsets(wanted), None, "TZ={wanted:?}");
        }
        assert!(unknown(OsStr::new("Europe/Nowhere")).starts_with("TZ=\"Europe/Nowhere\" is no time zone"));
    }
}
