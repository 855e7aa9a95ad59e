//! The locations of an alert, within its record.

use crate::alert::Locations;
use crate::model::Location;
use crate::store::codec::frame::{Cursor, Damage, put, put_text};

/// Appends `locations`.
pub(super) fn put_locations(out: &mut Vec<u8>, locations: &Locations) {
    // No votes: a location alone.
    let (votes, down, names) = match locations {
        Locations::Alone(location) => (0, 0, std::slice::from_ref(location)),
        Locations::Votes { down, votes, names } => (*votes, *down, names.as_slice()),
    };
    for number in [u64::from(votes), u64::from(down), names.len() as u64] {
        put(out, number);
    }
    for name in names {
        put_text(out, name.name());
    }
}

/// Takes what [`put_locations`] wrote.
pub(super) fn take_locations(cursor: &mut Cursor<'_>) -> Result<Locations, Damage> {
    let (votes, down, count) = (cursor.take_as::<u32>()?, cursor.take_as::<u32>()?, cursor.take_as::<usize>()?);
    if votes < down || Locations::NAMES_MAX < count {
        return Err(Damage::Range);
    }
    let name = |_| Location::new(cursor.take_text()?).ok_or(Damage::Range);
    let names = (0..count).map(name).collect::<Result<Vec<Location>, Damage>>()?;
    Ok(match (votes, names.as_slice()) {
        (0, [location]) => Locations::Alone(location.clone()),
        (0, _) => return Err(Damage::Range),
        _ => Locations::Votes { down, votes, names },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_locations_are_refused() {
        let fra1 = |out: &mut Vec<u8>| put_text(out, "fra1");
        for (votes, down, names) in [(2, 3, 0), (3, 1, 6), (0, 0, 0), (0, 0, 2), (3, 2, 5)] {
            let mut out = Vec::new();
            for number in [votes, down, names] {
                put(&mut out, number);
            }
            (0..2).for_each(|_| fra1(&mut out));
            assert!(take_locations(&mut Cursor(&out)).is_err(), "{down} of {votes}, {names} names");
        }
    }
}
