//! `webmon schema` prints the JSON Schema of sites.yaml.

use std::io::Write as _;

use crate::app::cli::stdout::print;
use crate::app::exit::{CommandError, Ending};
use crate::config;

/// Prints the JSON Schema of sites.yaml.
///
/// # Errors
/// [`CommandError::System`]: standard output.
pub fn schema() -> Result<Ending, CommandError> {
    print(|out| writeln!(out, "{}", config::schema()))?;
    Ok(Ending::Done)
}
