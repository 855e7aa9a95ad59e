//! Output of a command to stdout, where a closed pipe is no failure.

use std::io::{self, BufWriter, Write};

use anyhow::Context as _;

use crate::app::exit::{Failure, store_failure};
use crate::app::stream::{self, Patient, Raw};
use crate::store::StoreError;

/// Writes to stdout through a buffer; a pipe that the reader closed is a quiet end.
///
/// # Errors
/// Any other error of the writer, or of the store that is read meanwhile.
pub fn print(write: impl FnOnce(&mut BufWriter<Patient<Raw>>) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(Patient(stream::stdout().context("cannot write to stdout")?));
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        // Samples are read while they are written.
        Err(error) => match error.downcast::<StoreError>() {
            Ok(error) => Err(store_failure(&error)),
            Err(error) => Err(error).context("cannot write to stdout")?,
        },
        Ok(()) => Ok(()),
    }
}
