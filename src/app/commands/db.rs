//! `webmon db`: inspects and maintains the store.
//!
//! `info`, `check` and `backup` work while a monitor runs; `compact`, `repair`, `rename` and `forget` need exclusive access.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::app::cli::args::CommonArgs;
use crate::app::cli::progress::{self, ProgressLine};
use crate::app::cli::selection::unknown_site;
use crate::app::cli::stdout::print_text;
use crate::app::cli::stored::db::DbCommand;
use crate::app::cli::zone;
use crate::app::clock;
use crate::app::exit::{CommandError, Ending};
use crate::config;
use crate::model::text::redact::redacted;
use crate::model::text::{clean_line, shown_path};
use crate::model::{SiteId, Timestamp, figures};
use crate::report::{minute, named};
use crate::store::{Archive, Contents, Kept, Options, PointCounts, Repaired, Store, StoredSink, Verification};

use super::history::stored_period::configured_store;

/// Runs `command`.
///
/// # Errors
/// [`CommandError`]: the configuration that names the store, or the store; for `check` also its damage.
pub fn db(command: &DbCommand, common: &CommonArgs) -> Result<Ending, CommandError> {
    let path = configured_store(common)?;
    match command {
        DbCommand::Info => {
            let archive = Archive::open(&path)?;
            let contents = archive.contents()?;
            let sinks = archive.sinks()?;
            let zone = zone::local_or_complain();
            let (exports, outlets) = (exports(&sinks, &zone), outlets(&archive.kept()?, &zone));
            say(&format!("{}{exports}{outlets}", described(&path, &contents, &zone)))?;
        }
        DbCommand::Check => check(&path)?,
        DbCommand::Compact => {
            let options = Options { progress: progress::of_repair(), ..Options::default() };
            let mut shown = ProgressLine::on_terminal();
            shown.say("compacting …");
            let compacted = Store::compact(&path, &options);
            drop(shown);
            let compacted = compacted?;
            let (before, after) = (figures::bytes(compacted.before), figures::bytes(compacted.after));
            say(&format!("{}: {before} before, {after} now\n", shown_path(&path)))?;
        }
        DbCommand::Backup { file, replace } => {
            let mut shown = ProgressLine::on_terminal();
            let copied = Archive::open(&path).and_then(|archive| {
                archive.backup_with(file, *replace, |done, all| shown.say_part("copying", done, all))
            });
            drop(shown);
            let bytes = copied?;
            say(&format!("{} copied to {}: {}\n", shown_path(&path), shown_path(file), figures::bytes(bytes)))?;
        }
        DbCommand::Repair => {
            let options = Options { progress: progress::of_repair(), ..Options::default() };
            let mut shown = ProgressLine::on_terminal();
            shown.say("repairing …");
            let repaired = Store::repair(&path, &options, clock::wall());
            drop(shown);
            let Repaired { aside, damaged } = repaired?;
            let lost = match &damaged[..] {
                [] => "nothing was lost".to_owned(),
                tables => format!("some records of these tables could not be read: {}", tables.join(", ")),
            };
            say(&format!("{} was rebuilt, {lost}; the old file is {}\n", shown_path(&path), shown_path(&aside)))?;
        }
        DbCommand::Rename { old, new } => rename(&path, old, new)?,
        DbCommand::Forget { site, yes } => forget(&path, site, *yes)?,
    }
    Ok(Ending::Done)
}

/// The store at `path`, opened exclusively, the id of the site `name` in it, and the names of all its sites.
fn alone(path: &Path, name: &str) -> Result<(Store, SiteId, Vec<Arc<str>>), CommandError> {
    let options = Options { progress: progress::of_repair(), ..Options::default() };
    let store = Store::alone(path, &options)?;
    let names = store.names()?;
    let Some((_, id)) = names.iter().find(|(known, _)| **known == *name) else {
        return Err(unknown_site(name, path, names.iter().map(|(known, _)| &**known)));
    };
    let id = *id;
    Ok((store, id, names.into_iter().map(|(name, _)| name).collect()))
}

fn rename(path: &Path, old: &str, new: &str) -> Result<(), CommandError> {
    // The form that sites.yaml will use; any other would hide the history.
    let new = config::site_name(new).map_err(|why| CommandError::Usage(format!("NEW: {why}")))?;
    let new = new.as_str();
    let (store, site, names) = alone(path, old)?;
    if names.iter().any(|name| **name == *new) {
        let new = redacted(new);
        return Err(CommandError::Usage(format!("{} has a site named {new:?} already", shown_path(path))));
    }
    store.rename(site, new)?;
    let (old, new) = (redacted(old), redacted(new));
    say(&format!("{}: renamed {old:?} to {new:?}; rename it in sites.yaml, too\n", shown_path(path)))
}

fn forget(path: &Path, name: &str, is_sure: bool) -> Result<(), CommandError> {
    let (store, site, _) = alone(path, name)?;
    let name = redacted(name);
    if !is_sure {
        return Err(CommandError::Usage(format!(
            "this permanently deletes all samples, totals and alerts of {name:?}; repeat the command with --yes"
        )));
    }
    store.forget(site)?;
    say(&format!("{}: deleted {name:?}; `webmon db compact` returns its space to the disk\n", shown_path(path)))
}

fn check(path: &Path) -> Result<(), CommandError> {
    let mut shown = ProgressLine::on_terminal();
    let verdict =
        Archive::open(path).and_then(|archive| archive.verify_with(|done, all| shown.say_part("checking", done, all)));
    drop(shown);
    let verdict = verdict?;
    let text = judged(path, &verdict);
    if verdict.is_sound() {
        return say(&text);
    }
    Err(CommandError::StoreFault(text.trim_end().to_owned()))
}

/// The contents of a store, one property per line.
fn described(path: &Path, contents: &Contents, zone: &TimeZone) -> String {
    let mut text = format!("{}\n", shown_path(path));
    let mut line =
        |name: &str, value: String| writeln!(text, "  {name:<9} {value}").expect("a String takes everything");
    line("format", contents.format.to_string());
    line("on disk", figures::bytes(contents.bytes));
    line("sites", figures::count(contents.sites));
    line("samples", figures::count(contents.samples));
    if let Some((from, to)) = contents.range {
        line("from", minute(from, zone));
        line("to", minute(to, zone));
        line("times", named(from, to, zone));
    }
    let journal = contents.journal;
    line(
        "blocks",
        format!("{}, and {} commits not sealed yet", figures::count(contents.blocks), figures::count(journal)),
    );
    let (hours, days) = contents.rollups;
    line("rollups", format!("{} hours, {} days", figures::count(hours), figures::count(days)));
    line("alerts", figures::count(contents.alerts));
    line("texts", format!("{} of failures", figures::count(contents.texts)));
    text
}

/// The progress of each export, one per line.
fn exports(sinks: &[StoredSink], zone: &TimeZone) -> String {
    let mut text = String::new();
    for StoredSink { progress, behind } in sinks {
        let PointCounts { sent, rejected, skipped } = progress.tally;
        let last = progress.acknowledged.map_or_else(|| "never".to_owned(), |at| minute(at, zone));
        let [behind, sent, rejected, skipped] = [*behind, sent, rejected, skipped].map(figures::count);
        writeln!(
            text,
            "  export    {}: {behind} samples behind; {sent} points sent, {rejected} refused, {skipped} samples skipped; last {last}",
            clean_line(&progress.name, 200)
        )
        .expect("a String takes everything");
    }
    text
}

/// The open incidents, and the messages that wait for each outlet, one line each.
fn outlets(kept: &Kept, zone: &TimeZone) -> String {
    let mut text = String::new();
    let open = kept.incidents.iter().filter(|incident| incident.is_open()).count();
    if open > 0 {
        writeln!(text, "  incidents {} open", figures::count(open as u64)).expect("a String takes everything");
    }
    let mut waiting: BTreeMap<&str, (u64, Timestamp, u32)> = BTreeMap::new();
    for row in &kept.rows {
        let (count, oldest, failed) = waiting.entry(&row.outlet).or_insert((0, row.made, 0));
        (*count, *oldest, *failed) = (*count + 1, row.made.min(*oldest), row.attempts.max(*failed));
    }
    for (outlet, (count, oldest, failed)) in waiting {
        let outlet = clean_line(outlet, 80);
        let (messages, count) = (if count == 1 { "message waits" } else { "messages wait" }, figures::count(count));
        let failed = match failed {
            0 => String::new(),
            1 => "; 1 request failed".to_owned(),
            failed => format!("; {} requests failed", figures::count(failed.into())),
        };
        writeln!(text, "  outlet    {outlet}: {count} {messages} since {}{failed}", minute(oldest, zone))
            .expect("a String takes everything");
    }
    text
}

/// The result of a verification, and what to do about damage.
fn judged(path: &Path, verdict: &Verification) -> String {
    let (records, samples) = (figures::count(verdict.records), figures::count(verdict.samples));
    let path = shown_path(path);
    if verdict.is_sound() {
        return format!("{path} is sound: {records} records, {samples} samples, none damaged, none missing\n");
    }
    let mut text = String::new();
    for (table, count) in &verdict.damaged {
        let (records, are) = if *count == 1 { ("record", "is") } else { ("records", "are") };
        writeln!(text, "{path}: {count} damaged {records} in `{table}` {are} skipped by readers")
            .expect("a String takes everything");
    }
    let mut listed = 0;
    for gap in &verdict.gaps {
        listed += gap.next - gap.first;
        let site = clean_line(&gap.site, 80);
        writeln!(text, "{path}: samples {} to {} of {site} are missing", gap.first, gap.next - 1)
            .expect("a String takes everything");
    }
    if verdict.missing > listed {
        writeln!(text, "{path}: {} more samples are missing", verdict.missing - listed)
            .expect("a String takes everything");
    }
    if let Some(reason) = &verdict.unusable {
        writeln!(
            text,
            "{path}: the metadata for writing is damaged ({}): a monitor would move the file aside and start a new one; \
             `webmon db repair` rebuilds it from its readable records",
            clean_line(reason, 120)
        )
        .expect("a String takes everything");
    }
    let other = if verdict.damaged.is_empty() && verdict.missing == 0 { "" } else { "other " };
    writeln!(text, "the {other}{samples} samples are sound; `webmon db backup FILE` copies the store as it is")
        .expect("a String takes everything");
    text
}

fn say(text: &str) -> Result<(), CommandError> {
    print_text(|out| out.write_all(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::alert::kept::row::Row;
    use crate::alert::{Alert, AlertRecord, News, NewsContext, NewsKind, Rule};
    use crate::store::Gap;

    #[test]
    fn a_sound_store_takes_a_line_and_a_damaged_one_lists_its_damage() {
        let path = Path::new("webmon.redb");
        let mut verdict = Verification { records: 12, samples: 3_456, ..Verification::default() };
        let sound = judged(path, &verdict);
        assert_eq!(sound, "webmon.redb is sound: 12 records, 3,456 samples, none damaged, none missing\n");
        verdict.damaged = vec![("blocks", 1), ("failures", 2)];
        verdict.gaps = vec![Gap { site: "api".into(), first: 100, next: 110 }];
        verdict.missing = 15;
        verdict.unusable = Some("Corrupted\u{1b}".to_owned());
        let damaged = judged(path, &verdict);
        for line in [
            "webmon.redb: 1 damaged record in `blocks` is skipped by readers",
            "webmon.redb: 2 damaged records in `failures` are skipped by readers",
            "webmon.redb: samples 100 to 109 of api are missing",
            "webmon.redb: 5 more samples are missing",
            "webmon.redb: the metadata for writing is damaged (Corrupted\u{fffd}): a monitor would move the file aside and \
             start a new one; `webmon db repair` rebuilds it from its readable records",
        ] {
            assert!(damaged.lines().any(|said| said == line), "{line}\n{damaged}");
        }
    }

    #[test]
    fn messages_that_wait_are_counted_by_outlet() {
        let at = Timestamp::from_secs(1_795_255_200);
        let alert = Alert::ended("api".into(), &Rule::default(), at, at);
        let row = |number, outlet: &str, attempts| {
            let alert = AlertRecord { facts: alert.clone(), message: String::new() };
            let news = News { kind: NewsKind::Opened, alert, context: NewsContext::default() };
            let made = at.after(Duration::from_mins(number));
            Row {
                number,
                outlet: outlet.into(),
                incident: 1,
                made,
                due: made,
                attempts,
                is_begun: false,
                set: None,
                news,
            }
        };
        let rows = vec![row(1, "ops", 2), row(2, "ops", 0), row(3, "mail", 0)];
        let text = outlets(&Kept { rows, ..Kept::default() }, &TimeZone::UTC);
        assert_eq!(
            text,
            "  outlet    mail: 1 message waits since 2026-11-21 10:03\n  \
             outlet    ops: 2 messages wait since 2026-11-21 10:01; 2 requests failed\n"
        );
        assert_eq!(outlets(&Kept::default(), &TimeZone::UTC), "");
    }

    #[test]
    fn the_contents_take_a_line_each() {
        let range = Some((Timestamp::from_secs(1_795_255_200), Timestamp::from_secs(1_795_258_800)));
        let contents = Contents { format: 1, bytes: 1_100_000, sites: 5, samples: 1_805, range, ..Contents::default() };
        let text = described(Path::new("webmon.redb"), &contents, &TimeZone::UTC);
        let expected = "webmon.redb\n  format    1\n  on disk   1.1 MB\n  sites     5\n  samples   1,805\n  \
                        from      2026-11-21 10:00\n  to        2026-11-21 11:00\n  times     UTC (+00:00)\n  \
                        blocks    0, and 0 commits not sealed yet\n  rollups   0 hours, 0 days\n  alerts    0\n  texts     0 of failures\n";
        assert_eq!(text, expected);
    }
}
