//! The store's side of a running monitor: saving, restoring, and views of stored history.

pub(crate) mod archive_views;
pub(crate) mod disk_thread;
#[cfg_attr(not(feature = "influx"), allow(dead_code, reason = "without an export there is no outlet"))]
pub(crate) mod export_handle;
pub(crate) mod request;
pub(crate) mod restore;
pub(crate) mod site_spec;
pub(crate) mod task;
