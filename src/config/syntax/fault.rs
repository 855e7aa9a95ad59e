//! What is wrong with a file, and how a person is shown it.
//!
//! Every fault of a file is reported at once, in the order of the file, each with its place, its line and a caret
//! under the value:
//!
//! ```text
//! error: unknown key `intervall`, did you mean `interval`?
//!   sites.yaml:12:5
//!    12 |     intervall: 10s
//!       |     ^^^^^^^^^
//! sites.yaml: 1 error; nothing was started
//! ```
//!
//! Invariants: nothing a terminal would obey is printed; what [`crate::config::excerpt::redact`] finds secret is printed as stars.
//! Limits: the first 100 faults are shown, the others counted, to a thousand; of a long line only the part around the caret.
//! Columns count characters, from 1.

use std::ops::Range;

/// Faults of a file that are noted; past these a file has "1000 errors or more".
pub(crate) const FAULTS_MAX: usize = 1_000;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fault {
    /// The bytes of the text that are wrong; empty for a place between two.
    pub(crate) span: Range<usize>,
    /// Lower-case, without a full stop, never with a secret in it.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// The byte where the same was written first.
    pub(crate) first: Option<usize>,
}

impl Fault {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None, first: None }
    }

    /// The same, of something that was written at the byte `first` already.
    pub(crate) fn after(self, first: usize) -> Self {
        Self { first: Some(first), ..self }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
