//! What a listener asks the running monitor for.
//!
//! Invariants: every method may be called from any thread, and is called from a blocking one; none makes a probe, a commit or
//! any other change.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Snapshot;
use crate::report::Period;

use super::health::VitalSigns;
use super::metrics::{ProgramReading, SiteReading};
use super::route::{BadgeForm, ListQuery, Selection};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// There is no such site.
    Unknown,
    /// The parameter of this name is not valid; how it should be.
    Parameter(&'static str, String),
    /// Not yet, or not now; why.
    Unavailable(String),
}

/// A page, and the hash of its style for the policy of the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Html {
    /// The document.
    pub text: String,
    /// `sha256-…` of its one style.
    pub style: String,
}

/// A list of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Its objects, a line each.
    pub lines: Vec<u8>,
    /// Where what did not fit begins.
    pub rest: Option<Rest>,
}

/// The rest of a list, so that a client that follows links misses nothing and sees nothing twice while time passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Its period; none of a list of what is.
    pub period: Option<Period>,
    /// The last site that fitted, of a list by site.
    pub after: Option<Arc<str>>,
}

/// See the module.
pub trait Source: Send + Sync + 'static {
    /// The time since the start, on the monotonic clock.
    fn elapsed(&self) -> Duration;

    /// The sites and their states.
    fn board(&self) -> Snapshot;

    /// The metrics of the selected sites, in the order of sites.yaml, and of the program.
    ///
    /// # Errors
    /// [`Missing::Unavailable`]: the stored sums were not read yet.
    fn readings(&self, selection: &Selection) -> Result<(Vec<SiteReading>, ProgramReading), Missing>;

    /// Whether the monitor works.
    fn vital_signs(&self) -> VitalSigns;

    /// A list of the API.
    ///
    /// # Errors
    /// [`Missing`].
    fn list(&self, query: &ListQuery) -> Result<List, Missing>;

    /// The status page.
    ///
    /// # Errors
    /// [`Missing`].
    fn status_page(&self, as_of: Option<&str>) -> Result<Html, Missing>;

    /// The page of the site `name`.
    ///
    /// # Errors
    /// [`Missing`].
    fn site_page(&self, name: &str, since: Option<&str>, as_of: Option<&str>) -> Result<Html, Missing>;

    /// A badge of the site `name`.
    ///
    /// # Errors
    /// [`Missing`].
    fn badge(&self, name: &str, form: BadgeForm, period: Option<&str>) -> Result<String, Missing>;
}
