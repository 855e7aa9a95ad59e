//! The subjects, the stream and the buckets of a fleet on NATS. Permissions in `nats-server.conf` are made of these names.

use crate::model::{FLEET_STREAM, Location};

/// The first two tokens of every subject; the second one is the version of the frames.
pub const ROOT: &str = "webmon.v1";

/// The stream of the frames, unless sites.yaml names another.
pub const STREAM: &str = FLEET_STREAM;

/// The bucket in which each hub says what it has committed, by location.
pub const HUB_BUCKET: &str = "WEBMON_HUB";

/// The bucket of what `webmon fleet push` gave, and of who probes what.
pub const PLAN_BUCKET: &str = "WEBMON_PLAN";

/// The key in [`PLAN_BUCKET`] of the sites.yaml that `webmon fleet push` gave.
pub const SITES_KEY: &str = "sites";

/// The first token of the keys in [`PLAN_BUCKET`] of what each location checks.
pub const ASSIGNMENT: &str = "assignment";

/// The bucket of leases: of several hubs, the one that delivers alerts.
pub const LEASE_BUCKET: &str = "WEBMON_LEASE";

/// The key in [`LEASE_BUCKET`] that the hub holds which delivers alerts.
pub const LEASE_KEY: &str = "alerting";

/// The key in [`PLAN_BUCKET`] of what people were told of.
pub const TOLD_KEY: &str = "told";

/// The user that a hub is to the servers, and the name of its certificate.
pub const HUB_USER: &str = "hub";

/// The user that `webmon watch` is to the servers.
pub const WATCH_USER: &str = "watch";

/// Where `location` publishes its frames.
#[must_use]
pub fn frames(location: &Location) -> String {
    format!("{ROOT}.{location}.frames")
}

/// Where all locations publish their frames.
#[must_use]
pub fn all_frames() -> String {
    format!("{ROOT}.*.frames")
}

/// The location that published on `subject`, if it is one of [`frames`].
#[must_use]
pub fn sender(subject: &str) -> Option<Location> {
    let rest = subject.strip_prefix(ROOT)?.strip_prefix('.')?;
    Location::new(rest.strip_suffix(".frames")?)
}

/// Where `location` asks every hub for what it has. Each answers.
#[must_use]
pub fn have(location: &Location) -> String {
    have_of("all", location)
}

/// Where `location` asks `hub` for what it has.
#[must_use]
pub fn have_of(hub: &str, location: &Location) -> String {
    format!("{ROOT}.hub.{hub}.have.{location}")
}

/// Where a hub listens for such questions.
#[must_use]
pub fn all_have() -> String {
    format!("{ROOT}.hub.all.have.*")
}

/// The location that asks on `subject`, if it is one of [`have`].
#[must_use]
pub fn asker(subject: &str) -> Option<Location> {
    let rest = subject.strip_prefix(ROOT)?.strip_prefix(".hub.all.have.")?;
    Location::new(rest)
}

/// The key in [`HUB_BUCKET`] of what the hub `hub` has committed of `location`.
#[must_use]
pub fn word_key(hub: &Location, location: &Location) -> String {
    format!("{hub}.{location}")
}

/// The key in [`PLAN_BUCKET`] of what `location` checks. Hubs read what they wrote under the name of [`HUB_USER`].
#[must_use]
pub fn assignment_key(location: &Location) -> String {
    format!("{ASSIGNMENT}.{location}")
}

/// The stream in which `bucket` is kept.
#[must_use]
pub fn bucket_stream(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// The key in [`HUB_BUCKET`] of what the hub `hub` says about its fleet.
#[must_use]
pub fn status_key(hub: &Location) -> String {
    format!("{hub}.{STATUS}")
}

/// The end of such a key. It is no location's: [`Location::is_reserved`].
pub const STATUS: &str = "status";

/// The subject on which each change of a key of `bucket` is heard by a plain subscription.
#[must_use]
pub fn kv(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// The prefix of the inboxes of `name`, in which answers arrive; only it may read them.
#[must_use]
pub fn inbox(name: &str) -> String {
    format!("_INBOX.{name}")
}

/// The hub whose word to `location` is heard on `subject`, if it is one of [`word_key`].
#[must_use]
pub fn speaker(subject: &str, location: &Location) -> Option<Location> {
    let key = subject.strip_prefix("$KV.")?.strip_prefix(HUB_BUCKET)?.strip_prefix('.')?;
    let hub = key.strip_suffix(location.name())?.strip_suffix('.')?;
    Location::new(hub)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_names_its_sender_and_nothing_else_does() {
        let fra = Location::new("fra1").unwrap();
        assert_eq!(frames(&fra), "webmon.v1.fra1.frames");
        assert_eq!(sender(&frames(&fra)), Some(fra.clone()));
        assert_eq!(asker(&have(&fra)), Some(fra.clone()));
        for other in ["webmon.v1.Fra1.frames", "webmon.v1.a.b.frames", "webmon.v2.a.frames", "webmon.v1.frames", ""] {
            assert_eq!(sender(other), None, "{other}");
            assert_eq!(asker(other), None, "{other}");
        }
        let hub = Location::new("hub").unwrap();
        let word = kv(HUB_BUCKET, &word_key(&hub, &fra));
        assert_eq!(word, "$KV.WEBMON_HUB.hub.fra1");
        assert_eq!(speaker(&word, &fra), Some(hub.clone()));
        assert_eq!(speaker(&word, &Location::new("ra1").unwrap()), None);
        assert_eq!(speaker(&kv(HUB_BUCKET, "fra1"), &fra), None);
    }
}
