//! The shell: clock, scheduler, wiring, shutdown, command line.
