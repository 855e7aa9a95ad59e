//! `webmon report`: the status page and the pages of the sites as static files.
//!
//! Invariants: the same store and the same instant make the same bytes. It works beside a running monitor and on a backup.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::app::cli::args::{CommonArgs, PeriodArgs};
use crate::app::cli::stdout::print_text;
use crate::app::cli::stored::report::ReportArgs;
use crate::app::exit::{CommandError, Ending};
use crate::app::locations::groups::Rules;
use crate::app::pages::{Past, Setting, judged};
use crate::app::publish::content::{Content, ReportError};
use crate::config::ConfiguredSite;
use crate::model::PageTerms;
use crate::model::text::shown_path;

use super::stored_period::StoredPeriod;

const DAY: Duration = Duration::from_hours(24);

/// Where a report goes if neither the command line nor the file says so.
const OUT: &str = "report.html";

/// Writes the report.
///
/// # Errors
/// [`CommandError`]: usage, the configuration, the store, or the file system.
pub fn report(args: &ReportArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let period = PeriodArgs { sites: args.sites.clone(), until: args.as_of.clone(), ..PeriodArgs::default() };
    let past = StoredPeriod::open(&period, common, None)?;
    let as_of = past.period.until.min(past.now);
    let config = past.config_or_faults(common)?;
    let terms = terms(args, &config.page)?;
    let configured = config.report.as_ref().map(|report| report.out.clone());
    let out = args.out.clone().or(configured).unwrap_or_else(|| PathBuf::from(OUT));
    let chosen: Vec<&ConfiguredSite> = config.sites.iter().filter(|site| is_chosen(args, site)).collect();
    if chosen.is_empty() {
        return Err(CommandError::Usage("no site of this name and group is watched".to_owned()));
    }
    let moment = Past::of(&past.archive, &Rules::of(config), past.now)?;
    let sites = judged(&moment, &past.sites, &chosen, as_of)?;
    let setting = Setting { terms: &terms, zone: &past.zone, as_of };
    match (Content { past: &moment, setting, sites: &sites }).write(&out, &|| false) {
        Ok(()) => {}
        Err(ReportError::Store(error)) => return Err(error.into()),
        Err(ReportError::Files(error)) => Err(error).with_context(|| format!("cannot write {}", shown_path(&out)))?,
        Err(ReportError::Stopped) => unreachable!("nothing stops it"),
    }
    print_text(|to| {
        use std::io::Write as _;
        writeln!(to, "wrote {}", shown_path(&out))
    })?;
    Ok(Ending::Done)
}

fn is_chosen(args: &ReportArgs, site: &ConfiguredSite) -> bool {
    let has_name = args.sites.is_empty() || args.sites.iter().any(|name| **name == *site.site.name);
    let group = site.group.as_deref();
    has_name && (args.groups.is_empty() || args.groups.iter().any(|wanted| Some(&**wanted) == group))
}

/// The terms of the file, but for what the command line says.
fn terms(args: &ReportArgs, file: &PageTerms) -> Result<PageTerms, CommandError> {
    let mut terms = file.clone();
    if let Some(title) = &args.title {
        terms.title = title.as_str().into();
    }
    if let Some(since) = args.since {
        let days = since.as_secs().div_ceil(DAY.as_secs());
        terms.days = u32::try_from(days)
            .ok()
            .filter(|days| (1..=PageTerms::DAYS_MAX).contains(days))
            .ok_or_else(|| CommandError::Usage(format!("--since: write a time from 1d to {}d", PageTerms::DAYS_MAX)))?;
    }
    Ok(terms)
}
