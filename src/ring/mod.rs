//! The lock-free ring of one site: a single writer, many readers, each with its own cursor.
