//! What a location publishes: frames of samples, and what a hub needs to read them. `docs/fleet-format.md` has the layout.
//!
//! Every frame of version 1 begins with its [`Origin`], whatever its kind is; so a hub can count kinds that it does not know.
//! Invariants: any frame reads back equal; damaged bytes are refused whole; texts are clean once they are read. Bounds:
//! [`FRAME_MAX`] bytes and [`SAMPLES_MAX`] samples; reading takes at most 20 times the payload, which has that bound too.

mod envelope;
mod fault;
mod fields;
pub mod have;
mod lists;
mod roster;
mod samples;
mod status;

use crate::model::{Certificate, SiteId, StoreId, Timestamp};
use crate::store::codec::frame::{Cursor, Damage, put};

pub use envelope::{FRAME_MAX, PLAIN_MAX, Packing};
pub use fault::FrameFault;
pub use have::Have;
pub use lists::{CERTIFICATE_AROUND, Hole};
pub use roster::{ROSTER_TEXT_MAX, Roster, RosterSite};
pub use samples::{FailureRun, Group, SAMPLE_MAX, SAMPLES_AROUND, SAMPLES_MAX, TEXT_AROUND};
pub use status::Status;

const SAMPLES: u8 = 1;
const ROSTER: u8 = 2;
const CERTIFICATES: u8 = 4;
const GONE: u8 = 5;
const STATUS: u8 = 6;

/// Most bytes of an origin.
pub const ORIGIN_MAX: usize = 16 + 8 + 10 + 8;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it comes from.
    pub origin: Origin,
    /// What it says.
    pub body: Body,
}

/// Where a frame comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The store of its samples.
    pub store: StoreId,
    /// Random per start of the sender; numbers start again with it.
    pub session: u64,
    /// Counts the frames of a session, of all kinds, from 1.
    pub number: u64,
    /// When it was made, by the clock of the sender.
    pub sent: Timestamp,
}

/// What a frame says, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Checks, by ascending site.
    Samples(Vec<Group>),
    /// Which sites are checked.
    Roster(Roster),
    /// The certificates that sites last presented, by ascending site.
    Certificates(Vec<(SiteId, Certificate)>),
    /// Samples that are lost for good, by ascending site.
    Gone(Vec<Hole>),
    /// That the location lives.
    Status(Status),
    /// A kind of a later webmon, to be skipped and counted.
    Unknown {
        /// Its number.
        kind: u8,
    },
}

impl Origin {
    /// The header `Nats-Msg-Id` of the frame: the server drops a second one of the same.
    #[must_use]
    pub fn message_id(&self) -> String {
        let store = u32::from_be_bytes([self.store.0[0], self.store.0[1], self.store.0[2], self.store.0[3]]);
        format!("{store:08x}:{:08x}:{}", self.session >> 32, self.number)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.store.0);
        out.extend_from_slice(&self.session.to_le_bytes());
        put(out, self.number);
        put(out, self.sent.as_micros());
    }

    fn take(cursor: &mut Cursor<'_>) -> Result<Self, Damage> {
        Ok(Self {
            store: StoreId(cursor.take_array()?),
            session: u64::from_le_bytes(cursor.take_array()?),
            number: fields::take_number(cursor)?,
            sent: fields::take_time(cursor)?,
        })
    }
}

impl Frame {
    /// Writes the frame to `out`, which is cleared. The bounds are the caller's to keep: a frame beyond them is written, and
    /// refused by all who read it. A body of an unknown kind is written empty.
    pub fn encode(&self, packing: Packing, out: &mut Vec<u8>) {
        let mut plain = Vec::new();
        self.origin.put(&mut plain);
        let kind = match &self.body {
            Body::Samples(groups) => {
                samples::put_groups(&mut plain, groups);
                SAMPLES
            }
            Body::Roster(roster) => {
                roster::put_roster(&mut plain, roster);
                ROSTER
            }
            Body::Certificates(certificates) => {
                lists::put_certificates(&mut plain, certificates);
                CERTIFICATES
            }
            Body::Gone(holes) => {
                lists::put_holes(&mut plain, holes);
                GONE
            }
            Body::Status(status) => {
                status::put_status(&mut plain, status);
                STATUS
            }
            Body::Unknown { kind } => *kind,
        };
        envelope::seal(kind, &plain, packing, out);
    }
}

/// The frame that `bytes` are.
///
/// # Errors
/// They are none, or one of another version, or damaged, or larger than a frame may be.
pub fn decode(bytes: &[u8]) -> Result<Frame, FrameFault> {
    let (kind, payload) = envelope::open(bytes)?;
    let mut cursor = Cursor(&payload);
    let origin = Origin::take(&mut cursor)?;
    let body = match kind {
        // The columns reach to the end, and their decoder sees to that.
        SAMPLES => return Ok(Frame { origin, body: Body::Samples(samples::take_groups(&mut cursor)?) }),
        ROSTER => Body::Roster(roster::take_roster(&mut cursor)?),
        CERTIFICATES => Body::Certificates(lists::take_certificates(&mut cursor)?),
        GONE => Body::Gone(lists::take_holes(&mut cursor)?),
        STATUS => Body::Status(status::take_status(&mut cursor)?),
        kind => return Ok(Frame { origin, body: Body::Unknown { kind } }),
    };
    if cursor.left() == 0 { Ok(Frame { origin, body }) } else { Err(FrameFault::Range) }
}

#[cfg(test)]
mod tests;
