//! The dashboard: snapshot to view model to cells.
