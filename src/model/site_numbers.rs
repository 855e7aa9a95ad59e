//! The three numbers of a site: its id in a store, its slot in a running webmon, and its index in sites.yaml.

macro_rules! numbers {
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// From a position in a list. Panics beyond `u32::MAX`.
            #[must_use]
            pub fn new(position: usize) -> Self {
                Self(u32::try_from(position).expect("there are fewer than 2^32 sites"))
            }

            /// As a position in a list.
            #[must_use]
            pub const fn get(self) -> usize {
                self.0 as usize
            }
        }
    )+};
}

numbers! {
    /// The number of a site while webmon runs: a reload keeps it, and no other site ever gets it.
    SiteSlot;
    /// The position of a site in sites.yaml, and so in a snapshot. A reload may change it.
    SiteIndex;
}

/// The number of a site in one store, for as long as the store exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub u32);

impl SiteId {
    /// The number in alerts about webmon itself; no site gets it.
    pub const OWN: Self = Self(u32::MAX);
}

/// The name in alerts about webmon itself.
pub const OWN_NAME: &str = "webmon";
