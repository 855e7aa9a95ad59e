//! `webmon validate`: the faults of a configuration, or one line with its checks per second and disk usage.

use std::collections::HashSet;
use std::io::Write as _;

use crate::app::cli::args::{CommonArgs, ValidateArgs};
use crate::app::cli::selection::load;
use crate::app::cli::stdout::print_text;
use crate::app::cli::zone;
use crate::app::exit::{CommandError, Ending, complain};
use crate::app::storage::restore::fits;
use crate::config::{self, BYTES_A_SAMPLE, Config, ConfiguredSite};
use crate::model::figures;
use crate::model::text::shown_path;
use crate::model::time::duration;

/// Days for which hourly totals are kept.
const DAYS: f64 = 400.0;

/// Disk space of an hourly total.
const BYTES_AN_HOUR: f64 = 350.0;

/// Disk space of a daily total.
const BYTES_A_DAY: f64 = 400.0;

/// Disk space of a certificate.
const BYTES_A_CERTIFICATE: f64 = 600.0;

/// Checks the configuration file.
///
/// # Errors
/// [`CommandError::Usage`] with every fault.
pub fn validate(args: &ValidateArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let path = args.file.as_ref().unwrap_or(&common.config);
    let config = if args.no_env { config::load_without_env(path)? } else { load(path)? };
    fits(&config)?;
    for warning in config.warnings.iter().chain(&zone::warning()) {
        complain(format_args!("warning: {warning}"));
    }
    let unchecked = if args.no_env { " · values with ${…} were not checked" } else { "" };
    print_text(|out| writeln!(out, "{}: {}{unchecked}", shown_path(path), amount(&config)))?;
    Ok(Ending::Done)
}

/// The number of sites, their checks per second, and the disk space that these take.
fn amount(config: &Config) -> String {
    let counted = |number: usize, noun| format!("{number} {}", figures::plural(number as u64, noun));
    let sites = counted(config.sites.len(), "site");
    let groups: HashSet<_> = config.sites.iter().filter_map(|watched| watched.group.as_deref()).collect();
    let groups = match groups.len() {
        0 => String::new(),
        number => format!(" in {}", counted(number, "group")),
    };
    let disabled = match config.disabled.len() {
        0 => String::new(),
        number => format!(" ({number} disabled)"),
    };
    let warnings = match config.warnings.len() {
        0 => String::new(),
        number => format!(", {}", counted(number, "warning")),
    };
    let rate: f64 = config.sites.iter().map(|watched| watched.site.interval.as_secs_f64().recip()).sum();
    let a_day = rate * 86_400.0 * BYTES_A_SAMPLE;
    let kept = config.storage.as_ref().map_or_else(String::new, |storage| {
        let (kept, sums) = (rate * storage.retention.as_secs_f64() * BYTES_A_SAMPLE, sums(config));
        if kept + sums <= size(storage.max_size) {
            let retention = duration::format(storage.retention);
            format!(", {} at {retention} of retention, {} of hours and days after 400d", bytes(kept), bytes(sums))
        } else {
            format!(", up to {} (max_size)", figures::bytes(storage.max_size))
        }
    });
    format!("ok{warnings} · {sites}{groups}{disabled} · {rate:.1} checks/s · about {} a day{kept}", bytes(a_day))
}

/// Bytes per site beside its samples: 400 days of daily and hourly totals, and a certificate.
fn sums(config: &Config) -> f64 {
    let a_site = |watched: &ConfiguredSite| {
        let hours = (3_600.0 / watched.site.interval.as_secs_f64()).min(1.0) * 24.0 * DAYS;
        hours * BYTES_AN_HOUR + DAYS * BYTES_A_DAY + BYTES_A_CERTIFICATE
    };
    config.sites.iter().map(a_site).sum()
}

#[allow(clippy::cast_precision_loss, reason = "to be compared with an estimate")]
fn size(bytes: u64) -> f64 {
    bytes as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of bytes, rounded")]
fn bytes(bytes: f64) -> String {
    figures::bytes(bytes.round() as u64)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    fn told(text: &str) -> String {
        amount(&parse(text, "sites.yaml", Path::new(""), &|_| None).unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn a_valid_file_is_summed_up_in_a_line() {
        for (text, line) in [
            (
                "sites: [https://a]",
                "ok · 1 site · 0.1 checks/s · about 130 kB a day, 3.9 MB at 30d of retention, 3.5 MB of hours and days after 400d",
            ),
            (
                "{ defaults: { interval: 1s, timeout: 1s }, storage: { max_size: 10MiB, retention: 1h }, sites: [{ url: https://a, \
                 group: x }, { url: https://b, group: y }, { url: https://c, enabled: false }] }",
                "ok · 2 sites in 2 groups (1 disabled) · 2.0 checks/s · about 2.6 MB a day, 108 kB at 1h of retention, 7.0 MB of hours and days after 400d",
            ),
            (
                "{ defaults: { interval: 100ms, timeout: 100ms }, storage: { max_size: 1MiB }, sites: [https://a] }",
                "ok, 1 warning · 1 site · 10.0 checks/s · about 13 MB a day, up to 1.0 MB (max_size)",
            ),
        ] {
            assert_eq!(told(text), line);
        }
    }
}
