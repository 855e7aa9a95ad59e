//! The export to InfluxDB: against servers that answer by script, as a program, and against real servers where they are
//! installed (`apt-get install influxdb victoria-metrics`); where they are not, those tests say so and pass.

mod program;
mod real;
mod scripted;
mod servers;
