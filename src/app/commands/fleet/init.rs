//! `webmon fleet init`: makes the stream and the buckets, or says what differs.

use std::io::Write as _;

use crate::app::cli::fleet::commands::FleetInitArgs;
use crate::app::cli::stdout::print_text;
use crate::app::exit::{CommandError, Ending, complain};
use crate::fleet::connection::Role;
use crate::fleet::stream::{StreamLimits, ensure};
use crate::model::FleetTerms;

/// Makes what is missing at the servers of `terms`.
///
/// # Errors
/// [`CommandError`]: files of certificates, or standard output.
pub(super) fn init(args: &FleetInitArgs, terms: &FleetTerms) -> Result<Ending, CommandError> {
    let limits = StreamLimits { max_bytes: args.max_bytes, replicas: args.replicas.map(usize::from) };
    super::over_a_link(terms, &Role::Hub, async |link| {
        let ensured = match ensure(&link, terms, limits).await {
            Ok(ensured) => ensured,
            Err(fault) => {
                complain(format!("webmon: {fault}"));
                return Ok(Ending::NotUp);
            }
        };
        print_text(|out| {
            for made in &ensured.made {
                writeln!(out, "made {made}")?;
            }
            for difference in &ensured.differences {
                writeln!(out, "{difference}")?;
            }
            if ensured.made.is_empty() && ensured.differences.is_empty() {
                writeln!(out, "the stream {} and the buckets are there, nothing differs", terms.stream)?;
            }
            Ok(())
        })?;
        Ok(if ensured.differences.is_empty() { Ending::Done } else { Ending::NotUp })
    })
}
