//! The export to InfluxDB: against servers that answer by script, as a program, and against real servers where they are
//! installed (`apt-get install influxdb victoria-metrics`); where they are not, those tests say so and pass.
#![cfg(all(unix, feature = "influx"))]
#![allow(clippy::unwrap_used, reason = "a test file: what cannot be had ends the test")]

#[path = "influx/program.rs"]
mod program;
#[path = "influx/real.rs"]
mod real;
#[path = "influx/scripted.rs"]
mod scripted;
#[path = "influx/servers.rs"]
mod servers;
mod support;
