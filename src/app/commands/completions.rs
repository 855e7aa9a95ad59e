//! `webmon completions` prints a completion script for a shell.

use std::io::Write;

use clap_complete::{Shell, generate};

use crate::app::cli::args::Cli;
use crate::app::cli::stdout::print;
use crate::app::exit::{CommandError, Ending};

/// Prints the completion script for `shell`.
///
/// # Errors
/// [`CommandError::System`]: standard output.
pub fn completions(shell: Shell) -> Result<Ending, CommandError> {
    // Into memory first, because `generate` panics when a write fails.
    let mut script = Vec::new();
    generate(shell, &mut Cli::grammar(), "webmon", &mut script);
    print(|out| out.write_all(&script))?;
    Ok(Ending::Done)
}
