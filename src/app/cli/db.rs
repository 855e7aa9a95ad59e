//! The grammar of `webmon db`: its commands and their arguments, and nothing of what they do.

use std::path::PathBuf;

use clap::Subcommand;

/// What `db` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum DbCommand {
    /// What the store holds
    Info,
    /// Read every record and verify it; exit code 3 if anything is damaged or missing
    Check,
    /// Give unused room back; not while a monitor runs
    Compact,
    /// Copy the store to a new file, also while a monitor runs
    Backup {
        /// The new file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Replace an older backup of this name, all at once when the new one is complete
        #[arg(long)]
        replace: bool,
    },
    /// Make a damaged store anew of what can be read; the old file is moved aside; not while a monitor runs
    Repair,
    /// Give a site another name with all its past, open incident included; not while a monitor runs
    Rename {
        /// Its name in the store
        #[arg(value_name = "OLD")]
        old: String,
        /// Its name from now on, also to be written in sites.yaml
        #[arg(value_name = "NEW")]
        new: String,
    },
    /// Delete everything that is kept of a site; not while a monitor runs
    Forget {
        /// Its name in the store
        #[arg(value_name = "SITE")]
        site: String,
        /// Really delete it; without this, only say what would go
        #[arg(long)]
        yes: bool,
    },
}
