//! What a hub has of a location: asked at each connection and after a gap, answered to the inbox of the one who asked.
//!
//! Both have the envelope of a frame; they are no frames of the stream and have no origin.
//!
//! ```text
//! question (kind 16)   store 16 B
//! answer (kind 17)     hub | 0, or 1 and a store 16 B | sites | a site for each | the next number of each
//! ```

use crate::model::{Location, SiteId, StoreId};
use crate::store::codec::frame::{Cursor, Damage, put, put_text};

use super::envelope::{self, Packing};
use super::fault::FrameFault;
use super::fields::{Ascending, put_step, take_count, take_step};

const QUESTION: u8 = 16;
const ANSWER: u8 = 17;

/// What a hub has committed of one store of a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Have {
    /// The hub that answers.
    pub hub: Location,
    /// The store from which the hub last took samples of this location; none if it never did. If it is another one than was
    /// asked about, the location has a new store, or its name is used twice.
    pub last_store: Option<StoreId>,
    /// The number of the next sample that it will take of each site of the store that was asked about, by ascending site.
    /// Sites of which it has nothing need not be there.
    pub next: Vec<(SiteId, u64)>,
}

/// Writes the question about `store` to `out`, which is cleared.
pub fn ask(store: StoreId, out: &mut Vec<u8>) {
    envelope::seal(QUESTION, &store.0, Packing::Plain, out);
}

/// The store that `bytes` ask about.
///
/// # Errors
/// They are no question, or damaged.
pub fn asked(bytes: &[u8]) -> Result<StoreId, FrameFault> {
    let (kind, payload) = envelope::open(bytes)?;
    let store = <[u8; 16]>::try_from(&*payload).ok().filter(|_| kind == QUESTION);
    store.map(StoreId).ok_or(FrameFault::Range)
}

impl Have {
    /// Writes the answer to `out`, which is cleared.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut payload = Vec::new();
        put_text(&mut payload, self.hub.name());
        put(&mut payload, u64::from(self.last_store.is_some()));
        if let Some(store) = self.last_store {
            payload.extend_from_slice(&store.0);
        }
        put(&mut payload, self.next.len() as u64);
        let (mut sites, mut last) = (Ascending::default(), 0);
        self.next.iter().for_each(|(site, _)| sites.put(&mut payload, *site));
        self.next.iter().for_each(|(_, next)| put_step(&mut payload, &mut last, *next));
        envelope::seal(ANSWER, &payload, Packing::Deflate, out);
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// It is none, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameFault> {
        let (kind, payload) = envelope::open(bytes)?;
        if kind != ANSWER {
            return Err(FrameFault::Range);
        }
        let mut cursor = Cursor(&payload);
        let have = Self::take(&mut cursor)?;
        if cursor.left() == 0 { Ok(have) } else { Err(FrameFault::Range) }
    }

    fn take(cursor: &mut Cursor<'_>) -> Result<Self, Damage> {
        let hub = Location::new(cursor.take_text()?).ok_or(Damage::Range)?;
        let last_store = match cursor.take()? {
            0 => None,
            1 => Some(StoreId(cursor.take_array()?)),
            _ => return Err(Damage::Range),
        };
        let count = take_count(cursor, usize::MAX, 2)?;
        let (mut ascending, mut last) = (Ascending::default(), 0);
        let sites = (0..count).map(|_| ascending.take(cursor)).collect::<Result<Vec<_>, _>>()?;
        let next = sites.into_iter().map(|site| Ok((site, take_step(cursor, &mut last)?))).collect::<Result<_, _>>()?;
        Ok(Self { hub, last_store, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::NUMBER_MAX;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_question_and_any_answer_read_back(
            store: [u8; 16], hub in "[a-z0-9-]{1,32}", last_store: Option<[u8; 16]>,
            next in prop::collection::btree_map(any::<u32>(), 0..=NUMBER_MAX, 0..50),
        ) {
            let mut bytes = Vec::new();
            ask(StoreId(store), &mut bytes);
            prop_assert_eq!(asked(&bytes), Ok(StoreId(store)));
            prop_assert_eq!(Have::decode(&bytes), Err(FrameFault::Range), "a question is no answer");
            let next = next.into_iter().map(|(site, next)| (SiteId(site), next)).collect();
            let have = Have { hub: Location::new(&hub).unwrap(), last_store: last_store.map(StoreId), next };
            have.encode(&mut bytes);
            prop_assert_eq!(Have::decode(&bytes), Ok(have));
            prop_assert_eq!(asked(&bytes), Err(FrameFault::Range));
        }

        #[test]
        fn any_sealed_bytes_are_an_answer_or_refused(payload: Vec<u8>) {
            let mut bytes = Vec::new();
            envelope::seal(ANSWER, &[&[1, b'h', 0], &payload[..]].concat(), Packing::Plain, &mut bytes);
            if let Ok(have) = Have::decode(&bytes) {
                prop_assert!(have.next.len() * 2 <= payload.len());
            }
        }
    }

    /// The budget of the design: about four bytes a site.
    #[test]
    fn an_answer_about_ten_thousand_sites_takes_four_bytes_a_site() {
        let mut noise = crate::store::tests::samples::Noise(3);
        let next = (0..10_000).map(|site| (SiteId(site), 250_000 + noise.below(2_000))).collect();
        let mut bytes = Vec::new();
        Have { hub: Location::new("hub").unwrap(), last_store: None, next }.encode(&mut bytes);
        assert!(bytes.len() < 40_000 && bytes.len() > 10_000, "{}", bytes.len());
    }
}
