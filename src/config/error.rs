//! The error of a configuration that cannot be used.

use std::io;
use std::path::PathBuf;

use crate::config::files::file::Named;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file does not exist.
    #[error("there is no {}", .path.display())]
    Missing {
        /// The requested file.
        path: PathBuf,
    },
    /// The file exists but cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The requested file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The text is invalid; displayed as the whole report.
    #[error("{report}")]
    Invalid {
        /// Every fault with its position and its line, then a summary; without a line feed at the end.
        report: String,
        /// The number of faults, at least 1.
        faults: usize,
        /// The first fault on one line: `12:5 unknown key …`.
        first: String,
        /// The other files that the text names, readable or not.
        files: Named,
    },
}

impl ConfigError {
    /// The same error with the files that the text names.
    pub(crate) fn naming(mut self, named: Named) -> Self {
        if let Self::Invalid { files, .. } = &mut self {
            *files = named;
        }
        self
    }
}
