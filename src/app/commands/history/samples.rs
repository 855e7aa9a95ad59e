//! `webmon samples` prints the samples of a period, also while a monitor runs.

use std::time::Duration;

use crate::app::cli::args::{CommonArgs, HistoryArgs, TableFormat};
use crate::app::cli::stdout::print;
use crate::app::cli::terminal;
use crate::app::commands::history::stored_period::StoredPeriod;
use crate::app::exit::{CommandError, Ending};
use crate::report::{Period, csv, json, notes, table};

/// The default period of `samples`.
const SAMPLES_BACK: Duration = Duration::from_hours(1);

/// Prints the samples of a period.
///
/// # Errors
/// [`CommandError`]: usage, or the store.
pub fn samples(args: &HistoryArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let past = StoredPeriod::open(&args.period, common, Some(SAMPLES_BACK))?;
    let zone = past.zone.clone();
    print(|out| match args.format {
        TableFormat::Table => {
            let out = &mut terminal::text(out);
            let (mut table, mut has_masked) = (None, false);
            past.visit(|_, record| {
                has_masked |= record.masked == Some(true);
                if let Some(table) = &table {
                    return table::Samples::row(table, out, record);
                }
                let since = past.period.since.max(record.sample.at);
                let shown = Period { since, until: past.period.until.min(past.now).max(since) };
                let begun = table.insert(table::Samples::new(past.names(), zone.clone(), shown));
                begun.header(out)?;
                begun.row(out, record)
            })?;
            if has_masked {
                table::Samples::masked(out)
            } else if table.is_some() {
                Ok(())
            } else {
                notes::nothing(out, &zone, &args.period.wanted(), past.period, past.begins()?)
            }
        }
        TableFormat::Json => past.visit(|_, record| json::sample(out, record)),
        TableFormat::Csv => {
            csv::sample_header(out)?;
            past.visit(|_, record| csv::sample(out, record))
        }
    })?;
    Ok(Ending::Done)
}
