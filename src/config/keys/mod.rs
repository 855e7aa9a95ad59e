//! The keys of sites.yaml: declared once, then read, suggested, and printed as a schema and as a template.

pub(crate) mod absent;
pub(crate) mod cache;
pub(crate) mod declared;
pub(crate) mod json_schema;
pub(crate) mod mapping;
pub(crate) mod reader;
mod schemes;
pub(crate) use crate::model::text::suggest;
pub(crate) mod template;
pub(crate) mod value;
