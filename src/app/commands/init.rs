//! `webmon init`: a commented sites.yaml, written where the configuration is looked for. `webmon schema`: its schema.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};

use crate::app::cli::args::CommonArgs;
use crate::app::cli::stdout::print;
use crate::app::exit::{Ending, Failure};
use crate::config;
use crate::model::text::shown_path;

/// Writes the file; one that is there is never overwritten.
///
/// # Errors
/// [`Failure::Usage`]: the file exists or cannot be written.
pub fn init(args: &CommonArgs) -> Result<Ending, Failure> {
    let shown = shown_path(&args.config);
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Usage(format!(
            "webmon: {shown} exists; webmon init does not overwrite it (-c FILE writes another)"
        )),
        _ => Failure::Usage(format!("webmon: cannot write {shown}: {error}")),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(&args.config).map_err(refused)?;
    if let Err(error) = file.write_all(config::template().as_bytes()).and_then(|()| file.sync_all()) {
        // Half a file would be refused as one that exists the next time.
        drop(fs::remove_file(&args.config));
        return Err(refused(error));
    }
    print(|out| writeln!(out, "wrote {shown}: five public sites to try it with; then: webmon"))?;
    Ok(Ending::Done)
}

/// Prints the JSON Schema of sites.yaml.
///
/// # Errors
/// [`Failure::System`]: standard output.
pub fn schema() -> Result<Ending, Failure> {
    print(|out| writeln!(out, "{}", config::schema()))?;
    Ok(Ending::Done)
}
