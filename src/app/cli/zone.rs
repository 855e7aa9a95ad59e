//! The time zone of input and output: `TZ` as the C library reads it, else the system's.
//!
//! As in the C library, empty or a bare `:` is UTC; a name is looked up in the system's database, or in the built-in one; an
//! absolute path is a `TZif` file; anything else is a POSIX rule, whose summer time begins and ends at [`DATES`] by default.
//! The C library silently takes any other value for UTC; webmon warns.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use jiff::tz::TimeZone;

use crate::app::exit::complain;

/// The default dates of a rule's summer time.
const DATES: &str = ",M3.2.0,M11.1.0";

/// The largest `TZif` file that is read, bytes.
const FILE_MAX: u64 = 1 << 20;

/// The system's database; the rest of a path into it is the name of a zone.
const DATABASE: &str = "/zoneinfo/";

/// The local zone.
#[must_use]
pub fn local() -> TimeZone {
    read().0
}

/// The local zone; warns on stderr about an unknown `TZ`.
#[must_use]
pub fn local_or_complain() -> TimeZone {
    let (zone, warning) = read();
    if let Some(warning) = warning {
        complain(format_args!("warning: {warning}"));
    }
    zone
}

/// The warning about an unknown `TZ`.
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
    format!("TZ={shown:?} is not a known time zone: times are in UTC; use a name such as TZ=Europe/Berlin")
}

/// The zone for this value of `TZ`.
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
    // Opening a named pipe waits for its writer.
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
    fn tz_is_read_as_the_c_library_reads_it() {
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
    fn an_unknown_zone_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("zone");
        std::fs::write(&file, "no zone").unwrap();
        for wanted in ["Europe/Nowhere", "Berlin!", "/nowhere/at/all", "25", file.to_str().unwrap(), "/dev/zero", "/"] {
            assert_eq!(offsets(wanted), None, "TZ={wanted:?}");
        }
        assert!(unknown(OsStr::new("Europe/Nowhere")).starts_with("TZ=\"Europe/Nowhere\" is not a known time zone"));
    }
}
