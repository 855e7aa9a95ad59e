//! One request and its answer over HTTP/1.1 or HTTP/2, and what leads from one answer to the next request.

pub(crate) mod chunks;
pub(crate) mod connection;
pub(crate) mod cookies;
pub(crate) mod errors;
pub(crate) mod exchange;
pub(crate) mod goaway;
pub(crate) mod head_repair;
pub(crate) mod pool;
pub(crate) mod redirect;
pub(crate) mod request;
pub(crate) mod status_line;
pub(crate) mod unexpected_status;
