//! The keys of sites.yaml: declared once, read, suggested, and printed as schema and template.

pub(crate) mod declared;
pub(crate) mod json_schema;
pub(crate) mod reader;
pub(crate) mod suggest;
pub(crate) mod template;
pub(crate) mod value;
