//! Notifies people: one outlet is one service with its address, credentials and terms.

pub(crate) mod outlet;

pub use outlet::{Outlet, OutletClass, OutletTls, Service, Smtp, SmtpSecurity};
