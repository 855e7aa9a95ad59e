//! `webmon validate`: the faults of a configuration, or one line that says what it amounts to.

use std::io::Write as _;

use crate::config::Config;
use crate::model::figures;

use super::cli::CommonArgs;
use super::exit::{Ending, Failure, complain};
use super::history::print;
use super::select::load;

/// Bytes that a sample takes in the store.
const SAMPLE_BYTES: f64 = 15.0;

/// Checks the configuration file.
///
/// # Errors
/// [`Failure::Usage`] with every fault.
pub fn validate(args: &CommonArgs) -> Result<Ending, Failure> {
    let config = load(&args.config)?;
    for warning in &config.warnings {
        complain(format_args!("warning: {warning}"));
    }
    print(|out| writeln!(out, "{}: {}", args.config.display(), amount(&config)))?;
    Ok(Ending::Done)
}

fn amount(config: &Config) -> String {
    let rate: f64 = config.sites.iter().map(|watched| watched.site.interval.as_secs_f64().recip()).sum();
    let warnings = match config.warnings.len() {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        n => format!(", {n} warnings"),
    };
    let sites = config.sites.len();
    let plural = if sites == 1 { "" } else { "s" };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of bytes, rounded")]
    let a_day = figures::bytes((rate * 86_400.0 * SAMPLE_BYTES) as u64);
    format!("ok{warnings} · {sites} site{plural} · {rate:.1} checks/s · about {a_day} a day")
}
