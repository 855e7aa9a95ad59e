//! The keys of `page` and of `report`.

use super::{DAY, DeclaredKey, ValueForm, key, seconds};

/// Groups that come first, and groups with a note, at most.
const GROUPS_MAX: usize = 100;

pub(crate) static PAGE: &[DeclaredKey] = &[
    key("title", ValueForm::Text, "the title of the status page").such_as("Status of example.org").or("Status"),
    key("groups", ValueForm::Names(GROUPS_MAX), "groups that come first, in this order").such_as("[shop, www]"),
    key("notes", ValueForm::Texts(GROUPS_MAX), "what it says about groups").such_as("{ shop: run by others }"),
    key("days", ValueForm::Whole(1..=400), "how many days each bar has").or("90"),
    key("show_url", ValueForm::Boolean, "also the URLs of the sites, secrets as ***").or("false"),
    key("show_errors", ValueForm::Boolean, "also what alerts said").or("false"),
];

pub(crate) static REPORT: &[DeclaredKey] = &[
    key("out", ValueForm::Path, "a folder, or one file that ends in .html; relative to this file")
        .such_as("public")
        .required(),
    key("every", seconds(10, DAY), "how often").or("5m").such_as("1h"),
    key("then", ValueForm::Words(65), "run after each whole report, in the folder of this file")
        .such_as("[rclone, sync, public, \"s3:bucket\"]"),
];
