//! Requests and answers over HTTP/1.1 and HTTP/2, and the redirects between them.

pub(crate) mod connection;
pub(crate) mod cookies;
pub(crate) mod errors;
pub(crate) mod exchange;
pub(crate) mod pool;
pub(crate) mod redirect;
pub(crate) mod repair;
pub(crate) mod request;
pub(crate) mod unexpected_header;
pub(crate) mod unexpected_status;
