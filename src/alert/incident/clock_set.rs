//! Follows a system clock that was set: incidents and silences go on as if it had always been right.
//!
//! Invariants: what is left of a calm, of a silence and until a reminder stays, whatever the clock says; nothing is emitted but changes.

use crate::alert::Alert;
use crate::alert::kept::incident::{Ack, Incident, Phase, Silence};
use crate::model::Timestamp;
use crate::model::time::leap::Leap;

use super::ledger::Ledger;
use super::terms::Emitted;

impl Ledger {
    /// Follows `leap`. Ends of pauses come from the engine, which knows when they began.
    pub fn leap(&mut self, leap: &Leap, out: &mut Emitted) {
        self.next_look = Timestamp::ZERO;
        // It is of this run and of this clock.
        self.left_until = leap.retold_until(self.left_until, leap.since);
        for (key, before) in std::mem::take(&mut self.incidents) {
            let incident = retold(&before, leap);
            if incident == before {
                self.incidents.insert(key, before);
            } else {
                self.keep(key, incident, out);
            }
        }
        let silences: Vec<Silence> = self.silences.values().cloned().collect();
        for before in silences {
            let (from, until) = (leap.retold(before.from), leap.retold_wait(before.until, before.from));
            if (from, until) != (before.from, before.until) {
                self.keep_silence(Silence { from, until, ..before }, out);
            }
        }
    }
}

/// `incident` with the times that it should have had.
fn retold(incident: &Incident, leap: &Leap) -> Incident {
    let alert = |alert: &Alert| Alert { at: leap.retold(alert.at), since: leap.retold(alert.since), ..alert.clone() };
    let mut moved = Incident {
        opening: alert(&incident.opening),
        newest: alert(&incident.newest),
        phase: match incident.phase {
            Phase::Breached => Phase::Breached,
            Phase::Calming(since) => Phase::Calming(leap.retold(since)),
            Phase::Closed(at) => Phase::Closed(leap.retold(at)),
        },
        // A reminder follows the message before it by its pause.
        reminder: incident.reminder.map(|(due, pause)| (leap.retold_wait(due, due.before(pause)), pause)),
        ack: incident.ack.clone().map(|ack| Ack { at: leap.retold(ack.at), ..ack }),
        ..incident.clone()
    };
    moved.context.last_good = moved.context.last_good.map(|at| leap.retold(at));
    moved
}
