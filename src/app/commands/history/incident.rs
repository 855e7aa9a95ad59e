//! `webmon incident` tells everything about one incident.

use crate::alert::incident::past::{PastIncident, past_incidents};
use crate::app::cli::args::{CommonArgs, PeriodArgs};
use crate::app::cli::stdout::{print, print_text};
use crate::app::cli::stored::incident::{IncidentArgs, IncidentFormat};
use crate::app::exit::{CommandError, Ending};
use crate::app::postmortem::{known, postmortem};
use crate::model::text::shown_path;
use crate::report::postmortem;
use crate::store::Query;

use super::stored_period::StoredPeriod;

/// Prints an incident.
///
/// # Errors
/// [`CommandError`]: there is none of that number or site, or the store.
pub fn incident(args: &IncidentArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let past = StoredPeriod::open(&PeriodArgs::default(), common, None)?;
    let incidents = past_incidents(past.archive.alerts(&Query::ALL)?);
    let chosen = chosen(&incidents, args.incident.as_deref()).ok_or_else(|| missing(args, &past))?;
    let known = past.config().map(known).unwrap_or_default();
    let report = postmortem(&past.archive, (&past.sites, &known), chosen, past.now)?;
    match args.format {
        IncidentFormat::Text => print_text(|out| postmortem::text(out, &report, &past.zone)),
        IncidentFormat::Md => print(|out| postmortem::markdown(out, &report, &past.zone)),
        IncidentFormat::Json => print(|out| postmortem::json(out, &report)),
    }?;
    Ok(Ending::Done)
}

/// The incident of this number, or else the newest of the site of this name; the newest of all without either.
fn chosen(incidents: &[PastIncident], wanted: Option<&str>) -> Option<PastIncident> {
    let newest = |is: &dyn Fn(&PastIncident) -> bool| {
        incidents.iter().filter(|one| is(one)).max_by_key(|one| one.opening.at).cloned()
    };
    let Some(wanted) = wanted else { return newest(&|_| true) };
    let number = wanted.parse().ok();
    let numbered = number.and_then(|number: u64| newest(&|one| one.opening.incident == Some(number)));
    numbered.or_else(|| newest(&|one| *one.opening.site == *wanted))
}

fn missing(args: &IncidentArgs, past: &StoredPeriod) -> CommandError {
    let store = shown_path(past.archive.path());
    CommandError::Usage(match &args.incident {
        None => format!("there is no incident in {store}"),
        Some(wanted) => format!(
            "there is no incident {wanted:?} in {store}: give a number or the name of a site; `webmon alerts` lists them"
        ),
    })
}
