//! What the book does when the system's clock was set, and at the start and the end of a program.

use crate::alert::incident::terms::Emitted;
use crate::model::time::leap::Leap;

use super::book::AlertBook;

impl AlertBook {
    /// Follows `leap`: incidents, silences and messages go on as if the clock had always been right.
    pub fn leap(&self, leap: &Leap) {
        let inner = &mut *self.inner();
        let mut out = Emitted::default();
        inner.ledger.leap(leap, &mut out);
        inner.outbox.leap(leap, &mut out.changes);
        for alert in &mut inner.own {
            (alert.at, alert.since) = (leap.retold(alert.at), leap.retold(alert.since));
        }
        self.keep(inner, Vec::new(), out.changes, false);
        // Also for what is stored nowhere.
        self.version.send_modify(|version| *version += 1);
    }
}
