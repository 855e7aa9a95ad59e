//! `webmon init` writes a commented sites.yaml.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};

use crate::app::cli::args::{CommonArgs, InitArgs};
use crate::app::cli::stdout::print_text;
use crate::app::exit::{CommandError, Ending};
use crate::config;
use crate::model::text::shown_path;

/// Writes the file; never overwrites one.
///
/// # Errors
/// [`CommandError::Usage`]: the file exists or cannot be written.
pub fn init(args: &InitArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let path = args.file.as_ref().unwrap_or(&common.config);
    let shown = shown_path(path);
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => CommandError::Usage(format!(
            "{shown} exists; webmon init does not overwrite it (webmon init FILE writes another)"
        )),
        _ => CommandError::Usage(format!("cannot write {shown}: {error}")),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(refused)?;
    if let Err(error) = file.write_all(config::template().as_bytes()).and_then(|()| file.sync_all()) {
        // The next `init` would refuse to overwrite half a file.
        drop(fs::remove_file(path));
        return Err(refused(error));
    }
    let next = if args.file.is_some() { format!("webmon -c {shown}") } else { "webmon".to_owned() };
    print_text(|out| writeln!(out, "wrote {shown}: five public sites to try; next: {next}"))?;
    Ok(Ending::Done)
}
