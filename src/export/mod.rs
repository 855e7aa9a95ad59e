//! Export to InfluxDB: every stored sample arrives, outages and restarts included.
//!
//! ```text
//! line      line protocol, pure            points    what a check, an alert and the export itself look like in it
//! ```

mod line;
mod points;
