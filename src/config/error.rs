//! Why a configuration cannot be used.

use std::io;
use std::path::PathBuf;

use crate::config::files::file::Named;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error("error: there is no {}", .path.display())]
    Missing {
        /// The file that was asked for.
        path: PathBuf,
    },
    /// The file is there, but cannot be read.
    #[error("error: cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file that was asked for.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its text is wrong; displayed as the whole report.
    #[error("{report}")]
    Invalid {
        /// Every fault with its place and its line, and the closing line; without a line feed at the end.
        report: String,
        /// How many there are, at least 1.
        faults: usize,
        /// The first one on one line: `12:5 unknown key …`.
        first: String,
        /// The other files that were read or could not be.
        files: Named,
    },
}

impl ConfigError {
    /// The same of a text that names `files`.
    pub(crate) fn naming(mut self, named: Named) -> Self {
        if let Self::Invalid { files, .. } = &mut self {
            *files = named;
        }
        self
    }
}
