//! Output of a command to stdout, where a closed pipe is no error.

use std::io::{self, BufWriter, Write};

use anyhow::Context as _;

use crate::app::exit::CommandError;
use crate::app::stream::{self, Patient, Raw};
use crate::report::lines::TerminalText;
use crate::store::StoreError;

use super::terminal;

/// Standard output behind a buffer.
pub type Stdout = BufWriter<Patient<Raw>>;

/// [`print`] of text for people, as the terminal can show it.
///
/// # Errors
/// As [`print`].
pub fn print_text(write: impl FnOnce(&mut TerminalText<'_, Stdout>) -> io::Result<()>) -> Result<(), CommandError> {
    print(|out| write(&mut terminal::text(out)))
}

/// Writes to stdout through a buffer; a closed pipe ends the output without an error.
///
/// # Errors
/// Any other error of the writer, or of the store that `write` reads.
pub fn print(write: impl FnOnce(&mut Stdout) -> io::Result<()>) -> Result<(), CommandError> {
    let mut out = BufWriter::new(Patient(stream::stdout().context("cannot write to stdout")?));
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        // `write` may read the store.
        Err(error) => match error.downcast::<StoreError>() {
            Ok(error) => Err(error.into()),
            Err(error) => Err(error).context("cannot write to stdout")?,
        },
        Ok(()) => Ok(()),
    }
}
