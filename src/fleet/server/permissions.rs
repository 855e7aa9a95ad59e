//! What each user of a fleet may publish and hear: no more than its part needs.
//!
//! A location reaches its own subjects only, so a thief of its key cannot speak for another one, read what others send, or
//! change the server. `watch` reads and changes nothing. A hub rules the streams and buckets.

use crate::fleet::connection::Role;
use crate::fleet::subjects::{
    HUB_BUCKET, LEASE_BUCKET, PLAN_BUCKET, ROOT, SITES_KEY, STATUS, assignment_key, bucket_stream, have_of, inbox, kv,
};

/// Subjects, with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Permissions {
    pub(super) publish: Vec<String>,
    pub(super) subscribe: Vec<String>,
}

impl Permissions {
    /// Those of `role`, where the frames are in `stream`.
    pub(super) fn of(role: &Role, stream: &str) -> Self {
        let own = format!("{}.>", inbox(role.name()));
        match role {
            Role::Location(location) => {
                let plan = [SITES_KEY.to_owned(), assignment_key(location)].map(|key| (PLAN_BUCKET, key));
                let read = [(HUB_BUCKET, format!("*.{location}"))].into_iter().chain(plan);
                let (gets, changes): (Vec<String>, Vec<String>) =
                    read.map(|(bucket, key)| (direct_get(bucket, &key), kv(bucket, &key))).unzip();
                let speak = [format!("{ROOT}.{location}.>"), have_of("*", location)];
                Self {
                    publish: speak.into_iter().chain(gets).collect(),
                    subscribe: [own].into_iter().chain(changes).collect(),
                }
            }
            Role::Hub => {
                let buckets = [HUB_BUCKET, PLAN_BUCKET, LEASE_BUCKET].map(|bucket| kv(bucket, ">"));
                let all = || [format!("{ROOT}.>")].into_iter().chain(buckets.iter().cloned());
                // The second: answers to those that ask what it has.
                let publish = all().chain(["$JS.API.>".to_owned(), "_INBOX.>".to_owned()]).collect();
                Self { publish, subscribe: all().chain([own]).collect() }
            }
            Role::Watch => {
                let api = |call: &str| format!("$JS.API.{call}");
                let hubs = bucket_stream(HUB_BUCKET);
                let publish = vec![
                    api(&format!("STREAM.INFO.{stream}")),
                    api(&format!("CONSUMER.CREATE.{stream}")),
                    api(&format!("CONSUMER.CREATE.{stream}.>")),
                    api(&format!("CONSUMER.INFO.{stream}.>")),
                    api(&format!("CONSUMER.MSG.NEXT.{stream}.>")),
                    api(&format!("STREAM.INFO.{hubs}")),
                    direct_get(HUB_BUCKET, ">"),
                ];
                Self { publish, subscribe: vec![own, kv(HUB_BUCKET, &format!("*.{STATUS}"))] }
            }
        }
    }
}

/// Where the value of `key` in `bucket` is asked for without a consumer.
fn direct_get(bucket: &str, key: &str) -> String {
    format!("$JS.API.DIRECT.GET.{}.{}", bucket_stream(bucket), kv(bucket, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Location;

    #[test]
    fn a_location_reaches_what_is_its_own() {
        let permissions = Permissions::of(&Role::Location(Location::new("fra1").unwrap()), "WEBMON");
        assert_eq!(
            permissions.publish,
            [
                "webmon.v1.fra1.>",
                "webmon.v1.hub.*.have.fra1",
                "$JS.API.DIRECT.GET.KV_WEBMON_HUB.$KV.WEBMON_HUB.*.fra1",
                "$JS.API.DIRECT.GET.KV_WEBMON_PLAN.$KV.WEBMON_PLAN.sites",
                "$JS.API.DIRECT.GET.KV_WEBMON_PLAN.$KV.WEBMON_PLAN.assignment.fra1",
            ]
        );
        assert_eq!(
            permissions.subscribe,
            ["_INBOX.fra1.>", "$KV.WEBMON_HUB.*.fra1", "$KV.WEBMON_PLAN.sites", "$KV.WEBMON_PLAN.assignment.fra1",]
        );
    }

    #[test]
    fn a_watcher_changes_nothing() {
        let permissions = Permissions::of(&Role::Watch, "CHECKS");
        let reads = ["STREAM.INFO.", "CONSUMER.", "DIRECT.GET."];
        for subject in &permissions.publish {
            let call = subject.strip_prefix("$JS.API.").unwrap_or_else(|| panic!("{subject}"));
            assert!(reads.iter().any(|read| call.starts_with(read)), "{subject}");
            assert!(call.contains(".CHECKS") || call.contains(".KV_WEBMON_HUB"), "{subject}");
        }
    }
}
