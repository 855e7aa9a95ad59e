//! What the user arranged of the dashboard: the keys of its actions, and the columns of its tables.
//!
//! sites.yaml is read by these names, and a running dashboard follows a change of them.

pub(crate) mod actions;
pub(crate) mod column;
pub(crate) mod key_name;
pub(crate) mod keys;
pub(crate) mod sort;

use column::Column;
use keys::Keymap;

/// What the user arranged; the default arranges nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// The keys.
    pub keys: Keymap,
    /// The columns after the name, from the left; none for those that the width has room for.
    pub columns: Vec<Column>,
}
