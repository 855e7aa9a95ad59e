//! Notifies people: one outlet is one service with its address, credentials and terms.

pub(crate) mod outlet;
pub mod template;

pub use outlet::{Outlet, OutletClass, OutletTls, Service, Smtp, SmtpSecurity};
