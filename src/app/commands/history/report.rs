//! `webmon report`: the status page and the pages of the sites as static files.
//!
//! Invariants: the same store and the same instant make the same bytes. A report is written beside its place and then put there, so a
//! reader, and a crash, finds the old one or the new one whole. It works beside a running monitor and on a backup.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::app::cli::args::{CommonArgs, PeriodArgs};
use crate::app::cli::stdout::print;
use crate::app::cli::stored::report::ReportArgs;
use crate::app::exit::{CommandError, Ending};
use crate::app::pages::{PageSite, Past, Setting, judged, site, status};
use crate::config::ConfiguredSite;
use crate::model::PageTerms;
use crate::model::text::shown_path;
use crate::serve::badge::{self, BadgeTerms};
use crate::serve::page::model::{SitePage, StatusPage};
use crate::serve::page::{self, Links, slug};

use super::stored_period::StoredPeriod;

const DAY: Duration = Duration::from_hours(24);

/// Writes the report.
///
/// # Errors
/// [`CommandError`]: usage, the configuration, the store, or the file system.
pub fn report(args: &ReportArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let period = PeriodArgs { sites: args.sites.clone(), since: None, until: args.as_of.clone() };
    let past = StoredPeriod::open(&period, common, None)?;
    let as_of = past.period.until.min(past.now);
    let config = past.config_or_faults(common)?;
    let terms = terms(args, &config.page)?;
    let chosen: Vec<&ConfiguredSite> = config.sites.iter().filter(|site| is_chosen(args, site)).collect();
    if chosen.is_empty() {
        return Err(CommandError::Usage("no site of this name and group is watched".to_owned()));
    }
    let sites = judged(&past.archive, &past.sites, &chosen, as_of)?;
    let setting = Setting { terms: &terms, zone: &past.zone, as_of };
    let moment = Past::of(&past.archive)?;
    let all = status(&moment, &setting, &sites)?;
    let pages: Result<Vec<SitePage>, _> = sites.iter().map(|found| site(&moment, &setting, found, DAY)).collect();
    let pages = pages?;
    let is_file = args.out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"));
    if is_file {
        write_file(&args.out, page::whole(&all, &pages).as_bytes())
    } else {
        write_folder(&args.out, &files(&all, &sites, &pages))
    }
    .with_context(|| format!("cannot write {}", shown_path(&args.out)))?;
    print(|out| {
        use std::io::Write as _;
        writeln!(out, "wrote {}", shown_path(&args.out))
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

/// The files of a folder with their contents.
fn files(all: &StatusPage, sites: &[PageSite], pages: &[SitePage]) -> Vec<(PathBuf, String)> {
    let mut files = vec![
        (PathBuf::from("index.html"), page::status(all, Links::Files)),
        (PathBuf::from("summary.json"), page::summary(all)),
    ];
    let lines = all.groups.iter().flat_map(|group| &group.sites);
    for ((page, site), line) in pages
        .iter()
        .zip(sites)
        .filter_map(|(page, site)| lines.clone().find(|line| line.name == site.name).map(|line| ((page, site), line)))
    {
        let slug = slug(&site.name);
        files.push((format!("site/{slug}.html").into(), page::site(page, Links::Files)));
        let terms = BadgeTerms { site: &site.name, state: site.state, availability: line.figures.availability };
        files.push((format!("badge/{slug}.svg").into(), badge::svg(&terms)));
        files.push((format!("badge/{slug}.json").into(), badge::json(&terms)));
    }
    files
}

/// The folder in which `path` is.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut file =
        tempfile::Builder::new().prefix(".webmon-report-").permissions(readable()).tempfile_in(parent(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A report is for others.
fn readable() -> fs::Permissions {
    #[cfg(unix)]
    {
        std::os::unix::fs::PermissionsExt::from_mode(0o644)
    }
    #[cfg(not(unix))]
    fs::metadata(".").map(|folder| folder.permissions()).expect("there is a current folder")
}

/// Puts a folder with `files` at `path`, in place of an earlier report.
fn write_folder(path: &Path, files: &[(PathBuf, String)]) -> io::Result<()> {
    let is_report = path.join("summary.json").is_file() && path.join("index.html").is_file();
    let is_empty = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if path.exists() && !is_report && !is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there are other files in it; choose a folder that is new, empty, or an earlier report",
        ));
    }
    let fresh = tempfile::Builder::new().prefix(".webmon-report-").tempdir_in(parent(path))?;
    for (name, text) in files {
        let file = fresh.path().join(name);
        fs::create_dir_all(parent(&file))?;
        fs::write(&file, text)?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(fresh.path(), fs::Permissions::from_mode(0o755))?;
    }
    put(fresh, path)
}

/// Puts `fresh` at `path`. Linux swaps them in one step; elsewhere a crash between two steps leaves the old one beside its place.
fn put(fresh: tempfile::TempDir, path: &Path) -> io::Result<()> {
    if !path.exists() {
        let fresh = fresh.keep();
        return fs::rename(fresh, path);
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, fresh.path(), CWD, path, RenameFlags::EXCHANGE).is_ok() {
            // What is dropped here is the old one.
            return Ok(());
        }
    }
    let old = tempfile::Builder::new().prefix(".webmon-report-old-").tempdir_in(parent(path))?;
    let aside = old.path().join("report");
    fs::rename(path, &aside)?;
    let new = fresh.keep();
    fs::rename(&new, path).inspect_err(|_| {
        // Better the old one than none.
        let _back = fs::rename(&aside, path);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_replaced_whole_and_nothing_of_others() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("public");
        let files = |text: &str| vec![("index.html".into(), text.to_owned()), ("summary.json".into(), "{}".to_owned())];
        write_folder(&out, &files("one")).unwrap();
        fs::write(out.join("site.html"), "old").unwrap();
        write_folder(&out, &files("two")).unwrap();
        assert_eq!(fs::read_to_string(out.join("index.html")).unwrap(), "two");
        assert!(!out.join("site.html").exists());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left beside it");
        let other = place.path().join("mine");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("thesis.txt"), "precious").unwrap();
        assert!(write_folder(&other, &files("three")).is_err());
        assert_eq!(fs::read_to_string(other.join("thesis.txt")).unwrap(), "precious");
    }
}
