//! A fault of a configuration file.
//!
//! All faults of a file are reported at once, in the order of the file, each with its position, its line and carets:
//!
//! ```text
//! error: unknown key `intervall`, did you mean `interval`?
//!   sites.yaml:12:5
//!    12 |     intervall: 10s
//!       |     ^^^^^^^^^
//! sites.yaml: 1 error; nothing was started
//! ```
//!
//! Invariants: no control character is printed; secrets found by [`crate::config::excerpt::redact`] are printed as stars. Bounds:
//! 100 faults are shown and a thousand noted; of a long line only the part around the carets is shown.

use std::ops::Range;

/// Faults of a file that are noted; the report then says "1000 errors or more".
pub(crate) const FAULTS_MAX: usize = 1_000;

/// A fault of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fault {
    /// The bytes at fault; empty for a position between two.
    pub(crate) span: Range<usize>,
    /// Lower case, without a full stop and without secrets.
    pub(crate) message: String,
    /// Advice.
    pub(crate) hint: Option<String>,
    /// The byte of the first occurrence, for a repetition.
    pub(crate) first: Option<usize>,
}

impl Fault {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None, first: None }
    }

    /// The fault of repeating what is at the byte `first`.
    pub(crate) fn after(self, first: usize) -> Self {
        Self { first: Some(first), ..self }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
