//! `webmon init` writes a commented sites.yaml.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};

use crate::app::cli::args::CommonArgs;
use crate::app::cli::stdout::print;
use crate::app::exit::{CommandError, Ending};
use crate::config;
use crate::model::text::shown_path;

/// Writes the file; never overwrites one.
///
/// # Errors
/// [`CommandError::Usage`]: the file exists or cannot be written.
pub fn init(args: &CommonArgs) -> Result<Ending, CommandError> {
    let shown = shown_path(&args.config);
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            CommandError::Usage(format!("{shown} exists; webmon init does not overwrite it (-c FILE writes another)"))
        }
        _ => CommandError::Usage(format!("cannot write {shown}: {error}")),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(&args.config).map_err(refused)?;
    if let Err(error) = file.write_all(config::template().as_bytes()).and_then(|()| file.sync_all()) {
        // The next `init` would refuse to overwrite half a file.
        drop(fs::remove_file(&args.config));
        return Err(refused(error));
    }
    print(|out| writeln!(out, "wrote {shown}: five public sites to try; next: webmon"))?;
    Ok(Ending::Done)
}
