//! `webmon why` says in plain sentences why sites are not up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::RuleKind;
use crate::alert::incident::past::past_incidents;
use crate::app::cli::args::{CommonArgs, PeriodArgs};
use crate::app::cli::stdout::print_text;
use crate::app::cli::stored::incident::WhyArgs;
use crate::app::exit::{CommandError, Ending};
use crate::app::locations::groups::Rules;
use crate::app::pages::{PageSite, Past, judged, summed_up};
use crate::app::postmortem::{known, postmortem};
use crate::config::ConfiguredSite;
use crate::engine::SiteState;
use crate::model::text::shown_path;
use crate::report::postmortem::why;
use crate::stats::{PeriodFigures, Summary};
use crate::store::Query;

use super::stored_period::StoredPeriod;

/// The checks that say how a site without an open incident is.
const LATELY: Duration = Duration::from_mins(10);

/// How many sites the command describes if none is named.
const TOLD_MAX: usize = 20;

/// Prints the sentences: about the named sites, or about all that are not up.
///
/// # Errors
/// [`CommandError`]: an unknown site, the configuration, or the store.
pub fn why(args: &WhyArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let period = PeriodArgs { sites: args.sites.clone(), ..PeriodArgs::default() };
    let past = StoredPeriod::open(&period, common, None)?;
    let config = past.config_or_faults(common)?;
    let is_wanted =
        |site: &&ConfiguredSite| args.sites.is_empty() || args.sites.iter().any(|wanted| **wanted == *site.site.name);
    let chosen: Vec<&ConfiguredSite> = config.sites.iter().filter(is_wanted).collect();
    if let Some(stranger) = args.sites.iter().find(|wanted| !chosen.iter().any(|site| *site.site.name == ***wanted)) {
        let file = shown_path(&common.config);
        return Err(CommandError::Usage(format!(
            "webmon does not watch {stranger:?} (it is not in {file}, or disabled there); `webmon stats {stranger}` shows its past"
        )));
    }
    let moment = Past::of(&past.archive, &Rules::of(config), past.now)?;
    let sites = judged(&moment, &past.sites, &chosen, past.now)?;
    let stored = past.archive.sites()?;
    let (mut open, mut newest) = (HashMap::new(), HashMap::new());
    for incident in past_incidents(past.archive.alerts(&Query::ALL)?) {
        let site = Arc::clone(&incident.opening.site);
        if incident.closing.is_none() && incident.opening.rule == RuleKind::Availability {
            open.insert(Arc::clone(&site), incident.clone());
        }
        newest.insert(site, incident);
    }
    let not_up: Vec<&PageSite> = sites.iter().filter(|site| site.state != SiteState::Up).collect();
    let mut paragraphs = Vec::new();
    if args.sites.is_empty() {
        let names: Vec<&str> = not_up.iter().map(|site| &*site.name).collect();
        paragraphs.push(why::lead(sites.len(), &names));
    }
    let told: Vec<&PageSite> = if args.sites.is_empty() { not_up } else { sites.iter().collect() };
    let known = known(config);
    let described = if args.sites.is_empty() { TOLD_MAX } else { usize::MAX };
    let more = told.len().saturating_sub(described);
    for site in told.into_iter().take(described) {
        let sentences = if let Some(incident) = open.remove(&site.name) {
            let report = postmortem(&past.archive, (&stored, &known), incident, past.now)?;
            why::down(&report, &past.zone)
        } else {
            why::others((&site.name, site.state), &lately(&past, &moment, site)?, newest.get(&site.name), past.now)
        };
        paragraphs.push(sentences.join(" "));
    }
    if more > 0 {
        paragraphs.push(format!("`webmon why SITE` describes each of the {more} others."));
    }
    print_text(|out| {
        use std::io::Write as _;
        paragraphs.iter().try_for_each(|paragraph| writeln!(out, "{paragraph}"))
    })?;
    Ok(Ending::Done)
}

/// The figures of `site` in the past [`LATELY`].
fn lately(past: &StoredPeriod, moment: &Past<'_>, site: &PageSite) -> Result<Summary, CommandError> {
    let span = (past.now.before(LATELY), past.now);
    let summary = summed_up(moment, site, &[span])?.pop().map(|(_, summary)| summary);
    Ok(summary.unwrap_or_else(|| PeriodFigures::default().summary(span, None, None)))
}
