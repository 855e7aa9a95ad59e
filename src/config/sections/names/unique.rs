//! The names of sites, each of which is unique.

use std::collections::HashMap;
use std::ops::Range;

use crate::config::keys::reader::ConfigReader;
use crate::config::syntax::fault::Fault;

/// What follows where a command cannot tell the name of a site: it would take it for another one.
pub(crate) const LEFT_OUT: &str = "this site is left out";

/// The names of the entries so far, and where each stands.
#[derive(Default)]
pub(crate) struct SiteNames(HashMap<String, usize>);

impl SiteNames {
    /// Notes the name of an entry; a second one is a fault. Returns whether the entry may have it: two names can be one where
    /// variables of the monitor are missing.
    pub(crate) fn claim(&mut self, reader: &ConfigReader<'_>, name: &str, span: &Range<usize>) -> bool {
        if let Some(first) = self.0.get(name) {
            let message = "another site already has this name; give each site its own";
            reader.fault(Fault::new(span.clone(), message).after(*first));
            reader.absences.tell(span.start, LEFT_OUT);
            return !reader.absences.is_lenient();
        }
        self.0.insert(name.to_owned(), span.start);
        true
    }

    /// [`Self::claim`] for a name that is written, and may not be readable.
    pub(crate) fn claim_written(
        &mut self,
        reader: &ConfigReader<'_>,
        (name, span): &(Option<String>, Range<usize>),
    ) -> bool {
        if let Some(name) = name {
            return self.claim(reader, name, span);
        }
        reader.absences.tell(span.start, LEFT_OUT);
        false
    }
}
