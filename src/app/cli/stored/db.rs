//! The grammar of `webmon db`.

use std::path::PathBuf;

use clap::Subcommand;

/// The commands of `db`.
#[derive(Clone, Debug, Subcommand)]
pub enum DbCommand {
    /// Show what the store holds
    Info,
    /// Verify every record; exit code 3 if any is damaged or missing
    Check,
    /// Reclaim free space; not while a monitor runs
    Compact,
    /// Copy the store to a new file, also while a monitor runs
    Backup {
        /// The new file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Replace an older backup of this name, once the new one is complete
        #[arg(long)]
        replace: bool,
    },
    /// Rebuild a damaged store from its readable records, and move the old file aside; not while a monitor runs
    Repair,
    /// Rename a site and keep its history, including an open incident; not while a monitor runs
    Rename {
        /// Its name in the store
        #[arg(value_name = "OLD")]
        old: String,
        /// Its new name, which sites.yaml must use, too
        #[arg(value_name = "NEW")]
        new: String,
    },
    /// Delete everything that is stored about a site; not while a monitor runs
    Forget {
        /// Its name in the store
        #[arg(value_name = "SITE")]
        site: String,
        /// Confirm the deletion
        #[arg(long)]
        yes: bool,
    },
}
