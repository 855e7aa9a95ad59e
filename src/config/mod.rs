//! sites.yaml, from text to a validated configuration.
