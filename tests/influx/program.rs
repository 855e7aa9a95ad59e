//! webmon with an export, as people start it: what it says, what it leaves alone, and how it ends.
