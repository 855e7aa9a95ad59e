//! The keys of `expect`, of a site and of a step.

use super::{DeclaredKey, MINUTE, ValueForm, key, millis};

pub(super) static EXPECT: &[DeclaredKey] = &[
    key("status", ValueForm::Status, "or \"200,204,301-308\", or a list").or("200-299"),
    key("headers", ValueForm::HeaderWishes, "with * for any text; or present, absent, { regex: PATTERN }")
        .such_as("{ content-type: \"application/json*\" }"),
    key("body_contains", ValueForm::Names(20), "a text that the body must contain, or a list: all of them")
        .such_as("\"ok\""),
    key("body_not_contains", ValueForm::Names(20), "a text that it must not contain, or a list: none of them")
        .such_as("[Fatal error]"),
    key("body_regex", ValueForm::Text, "a regular expression that the body must match").such_as("\"^\\\\{\""),
    key("body_not_regex", ValueForm::Text, "a regular expression that it must not match").such_as("\"(?i)exception\""),
    key(
        "json",
        ValueForm::JsonWishes,
        "by JSON Pointer or JSONPath: a value, several, \"< 5\", { regex: PATTERN }, present, absent",
    )
    .such_as("{ /status: ok, /queue/depth: \"< 1000\" }"),
    key("max_response_time", millis(1, 10 * MINUTE * 1_000), "slower than this is down").such_as("2s"),
];
