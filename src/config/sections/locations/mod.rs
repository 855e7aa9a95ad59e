//! Which locations check a site (`locations`), and how many must see it down (`quorum` and what belongs to it).
//!
//! They mean something where several locations watch; elsewhere they are read and checked, so that all can share one file.

mod assignment;
mod quorum;

use crate::alert::quorum::QuorumRule;
use crate::config::keys::mapping::Keys;
use crate::config::syntax::fault::Fault;
use crate::model::Assignment;

/// Which locations check a site, and how many must see it down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocationTerms {
    /// Who checks it.
    pub assignment: Assignment,
    /// When it is down.
    pub quorum: QuorumRule,
}

impl LocationTerms {
    /// Replaces the rule by what is written in `keys`, those of `alert` or `alerting`.
    pub(crate) fn read_quorum(&mut self, keys: &mut Keys<'_, '_>) {
        quorum::read(keys, &mut self.quorum);
    }

    /// Replaces the assignment by what is written in `keys`, those of a site, of which the rule was read before.
    pub(crate) fn read_assignment(&mut self, keys: &mut Keys<'_, '_>) {
        let place = keys.place("locations").or_else(|| keys.place("alert"));
        let is_right = assignment::read(keys, &mut self.assignment);
        let (least, most) = (self.quorum.min_locations, self.assignment.most());
        if let (Some(place), Some(least), Some(most)) = (place, least, most)
            && is_right
            && most < least
        {
            let message = format!("this site could never be down: `min_locations` is {least}, and `locations` {most}");
            let hint = "write at least as many `locations`, or a lower `min_locations` under `alert`";
            keys.reader().fault_of_several(Fault::new(keys.reader().span(place), message).hint(hint));
        }
    }
}
