//! Text, JSON lines, CSV and tables: pure functions to a writer.
