//! `webmon alerts` prints the alerts of a period, and which outlets have heard of them.

use crate::alert::kept::telling::Telling;
use crate::app::cli::args::{CommonArgs, HistoryArgs, TableFormat};
use crate::app::cli::stdout::print;
use crate::app::cli::terminal;
use crate::app::commands::history::stored_period::StoredPeriod;
use crate::app::exit::{CommandError, Ending};
use crate::report::{csv, json, table};

/// Prints the alerts of a period.
///
/// # Errors
/// [`CommandError`]: usage, or the store.
pub fn alerts(args: &HistoryArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let past = StoredPeriod::open(&args.period, common, None)?;
    let alerts = past.alerts()?;
    let kept = past.archive.kept()?;
    let telling = Telling::new(&kept.rows, &kept.told);
    print(|out| match args.format {
        TableFormat::Table => table::alerts(&mut terminal::text(out), &past.zone, &alerts, &telling),
        TableFormat::Json => alerts.iter().try_for_each(|alert| json::past_alert(out, alert, telling.of(alert))),
        TableFormat::Csv => csv::alerts(out, &alerts, |alert| telling.of(alert)),
    })?;
    Ok(Ending::Done)
}
