//! `webmon fleet push`: hands the sites of a file to all locations, or takes them back.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::app::cli::fleet::commands::FleetPushArgs;
use crate::app::cli::stdout::print_text;
use crate::app::exit::{CommandError, Ending, complain};
use crate::app::reload::sites;
use crate::app::share::PUSHED_MAX;
use crate::config::{self, ConfigError, parts};
use crate::fleet::connection::Role;
use crate::fleet::key_watch::put;
use crate::fleet::subjects::{PLAN_BUCKET, SITES_KEY};
use crate::model::FleetTerms;

/// Hands the sites of `file` to the locations at the servers of `terms`.
///
/// # Errors
/// [`CommandError`]: the file, files of certificates, or standard output.
pub(super) fn push(args: &FleetPushArgs, file: &Path, terms: &FleetTerms) -> Result<Ending, CommandError> {
    let (text, done) = if args.withdraw {
        (None, "the locations go back to the sites of their own files".to_owned())
    } else {
        let (text, count) = checked(file)?;
        (Some(text), format!("{} pushed: each location takes them once it is connected, and says so", sites(count)))
    };
    super::over_a_link(terms, &Role::Hub, async |link| {
        if let Err(reason) = put(&link, PLAN_BUCKET, SITES_KEY, text.map(String::into_bytes)).await {
            complain(format!("webmon: {reason}"));
            return Ok(Ending::NotUp);
        }
        print_text(|out| writeln!(out, "{done}"))?;
        Ok(Ending::Done)
    })
}

/// The part of `file` that is pushed, and how many sites it has.
fn checked(file: &Path) -> Result<(String, usize), CommandError> {
    // As it is pushed: each location has its own variables.
    let config = config::load_without_env(file)?;
    let unreadable = |source| ConfigError::Unreadable { path: file.to_owned(), source };
    let text = fs::read_to_string(file).map_err(unreadable)?;
    let pushed = parts::of_sites(&text, &file.display().to_string())?;
    if pushed.len() > PUSHED_MAX {
        let (length, most) = (pushed.len() >> 10, PUSHED_MAX >> 10);
        return Err(CommandError::Usage(format!(
            "{}: its sites are {length} KiB, and {most} KiB can be pushed",
            file.display()
        )));
    }
    Ok((pushed, config.sites.len()))
}
