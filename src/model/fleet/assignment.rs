//! Which locations check a site.
//!
//! Of a number k, the site goes to the k locations with the highest [`rank`] (rendezvous hashing: Thaler and Ravishankar,
//! Transactions on Networking 6(1), 1998). So every webmon that knows the locations finds the same ones without asking, a location that leaves
//! moves only its own sites, and one that comes takes over only what it checks itself.
//!
//! Invariant: ranks never change between versions of webmon, or two of them would disagree on who checks what.

use std::sync::Arc;

use super::Location;

/// Which locations check a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Assignment {
    /// All of them.
    #[default]
    All,
    /// So many, at least 1.
    Number(u32),
    /// These, in the order of their names, each once, at least 1.
    Named(Arc<[Location]>),
}

impl Assignment {
    /// How many locations check a site at most; `None`: as many as there are.
    #[must_use]
    pub fn most(&self) -> Option<u32> {
        match self {
            Self::All => None,
            Self::Number(number) => Some(*number),
            Self::Named(names) => Some(u32::try_from(names.len()).unwrap_or(u32::MAX)),
        }
    }

    /// The locations that check the site `name`, in the order of their names, where `present` are there, in any order. A named
    /// location has its sites also while it is absent. Cost: O(n log n) for n locations.
    #[must_use]
    pub fn who(&self, name: &str, present: &[Location]) -> Vec<Location> {
        let mut chosen = match self {
            Self::Named(names) => names.to_vec(),
            Self::All | Self::Number(_) => present.to_vec(),
        };
        chosen.sort_unstable();
        chosen.dedup();
        if let Self::Number(number) = self {
            // The sort is stable: of equal ranks the first name wins.
            chosen.sort_by_cached_key(|location| std::cmp::Reverse(rank(name, location)));
            chosen.truncate(usize::try_from(*number).unwrap_or(usize::MAX));
            chosen.sort_unstable();
        }
        chosen
    }
}

/// The rank of `location` for the site `name`: FNV-1a with 64 bits over the name, the byte 0xFF, which no UTF-8 has, and the
/// location; then the finalizer of `SplitMix64`. FNV-1a is simple enough to be the same for ever; alone it would barely carry the
/// last letters into the high bits, which decide here, and locations differ in their last letters.
fn rank(name: &str, location: &Location) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = name.bytes().chain([0xff]).chain(location.name().bytes());
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn places(count: usize) -> Vec<Location> {
        (0..count).map(|number| Location::new(&format!("loc-{number}")).unwrap()).collect()
    }

    fn of(number: u32) -> Assignment {
        Assignment::Number(number)
    }

    /// Another version of webmon, at another location, must find the same.
    #[test]
    fn ranks_are_the_same_for_ever() {
        let ranks = ["fra1", "nyc1", "sgp1"].map(|name| rank("api", &Location::new(name).unwrap()));
        assert_eq!(ranks, [0xe7d3_9fc0_740f_b0af, 0xc893_1fb8_3590_edca, 0x5ae4_2df6_47a7_fb1a]);
    }

    #[test]
    fn all_and_names_need_no_choice() {
        let present = places(3);
        let [a, b] = ["fra1", "nyc1"].map(|name| Location::new(name).unwrap());
        let named = Assignment::Named([a.clone(), b.clone()].into());
        assert_eq!(Assignment::All.who("api", &present), present);
        assert_eq!(named.who("api", &present), [a, b], "also while they are absent");
        assert_eq!([Assignment::All.most(), of(3).most(), named.most()], [None, Some(3), Some(2)]);
        assert_eq!(of(2).who("api", &[]), []);
        assert_eq!(of(9).who("api", &present), present);
    }

    #[test]
    fn sites_are_spread_about_equally() {
        let (sites, present) = (6_000, places(10));
        let mut shares = vec![0; present.len()];
        for site in 0..sites {
            for location in of(3).who(&format!("https://site-{site}.example/"), &present) {
                shares[present.iter().position(|known| *known == location).unwrap()] += 1;
            }
        }
        // 1,800 each; ± 5 standard deviations of a fair draw.
        assert!(shares.iter().all(|share| (1_625..=1_975).contains(share)), "{shares:?}");
    }

    proptest! {
        #[test]
        fn the_order_of_the_locations_makes_no_difference(name in ".{1,20}", count in 1usize..12, number in 1u32..6, turn in 0usize..12) {
            let present = places(count);
            let mut turned = present.clone();
            turned.rotate_left(turn % count);
            turned.push(present[0].clone());
            let chosen = of(number).who(&name, &present);
            prop_assert_eq!(&chosen, &of(number).who(&name, &turned));
            prop_assert_eq!(chosen.len(), count.min(number as usize));
            prop_assert!(chosen.is_sorted());
        }

        #[test]
        fn a_location_that_leaves_moves_only_its_own_sites(name in ".{1,20}", count in 2usize..12, number in 1u32..6, gone in 0usize..12) {
            let present = places(count);
            let gone = present[gone % count].clone();
            let left: Vec<Location> = present.iter().filter(|location| **location != gone).cloned().collect();
            let (before, after) = (of(number).who(&name, &present), of(number).who(&name, &left));
            let stay: Vec<&Location> = before.iter().filter(|location| **location != gone).collect();
            prop_assert!(stay.iter().all(|location| after.contains(location)), "{:?} {:?}", before, after);
            prop_assert_eq!(after.len() - stay.len(), usize::from(before.contains(&gone) && number as usize <= left.len()));
        }

        /// With one more wanted, the others stay.
        #[test]
        fn a_higher_number_only_adds(name in ".{1,20}", count in 1usize..12, number in 1u32..6) {
            let present = places(count);
            let (few, more) = (of(number).who(&name, &present), of(number + 1).who(&name, &present));
            prop_assert!(few.iter().all(|location| more.contains(location)));
        }
    }
}
