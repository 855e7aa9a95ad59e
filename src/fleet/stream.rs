//! The stream and the buckets of a fleet on its servers: made where they are missing, compared where they are there.
//!
//! Nothing that exists is changed: what differs may be a user's decision, so webmon reports it. Invariant: the stream never grows without
//! bound; when it is full it lets go of the oldest frames, which the locations send again if a hub asks. Needs the permissions of
//! a hub.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use crate::model::FleetTerms;
use crate::model::text::{DETAIL_MAX, clean_line};
use crate::model::time::duration;

use super::connection::Link;
use super::subjects::{HUB_BUCKET, LEASE_BUCKET, PLAN_BUCKET, all_frames, bucket_stream, kv};

/// How long the server keeps a frame.
const AGE_MAX: Duration = Duration::from_hours(24);

/// How long the server recognises a frame that is sent again.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);

/// Longest frame, bytes: the limit of a server without any configuration.
const FRAME_MAX: i32 = 1 << 20;

/// Bytes of frames that the server keeps by default.
const BYTES_MAX: i64 = 1 << 30;

/// Bytes that a bucket may have.
const BUCKET_MAX: i64 = 16 << 20;

/// How long a lease lasts that is not renewed.
const LEASE: Duration = Duration::from_secs(30);

/// How much the servers keep. What is not chosen has its default where a stream is made, and any value where there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamLimits {
    /// Bytes of frames; 1 GiB by default.
    pub max_bytes: Option<u64>,
    /// Copies, each on another server of the cluster; 1 by default.
    pub replicas: Option<usize>,
}

/// What [`ensure`] found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ensured {
    /// The streams and buckets that were made, by name.
    pub made: Vec<String>,
    /// What differs from what is wanted, one sentence each.
    pub differences: Vec<String>,
}

/// Why the server has no usable stream or bucket, in one clean line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StreamFault(String);

/// Makes the stream of `terms` and the buckets within `limits` where they are missing.
///
/// # Errors
/// [`StreamFault`]: the server did not answer, lacks JetStream or room, or forbids it.
pub async fn ensure(link: &Link, terms: &FleetTerms, limits: StreamLimits) -> Result<Ensured, StreamFault> {
    let mut ensured = Ensured::default();
    for wanted in wanted(terms, limits) {
        let name = wanted.name.clone();
        match existing(link, &name).await? {
            Some(found) => ensured.differences.extend(differences(&wanted, &found, limits)),
            None => {
                if make(link, wanted).await? {
                    ensured.made.push(name);
                }
            }
        }
    }
    Ok(ensured)
}

/// The stream, then the buckets, each of which is a stream as well.
fn wanted(terms: &FleetTerms, limits: StreamLimits) -> [Config; 4] {
    let stream = Config {
        name: terms.stream.clone(),
        subjects: vec![all_frames()],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        max_bytes: limits.max_bytes.map_or(BYTES_MAX, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        max_age: AGE_MAX,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_message_size: FRAME_MAX,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        num_replicas: limits.replicas.unwrap_or(1),
        description: Some("checks of webmon, from its locations to its hubs".to_owned()),
        ..Config::default()
    };
    let bucket = |name: &str, max_age: Duration, what: &str| Config {
        name: bucket_stream(name),
        subjects: vec![kv(name, ">")],
        discard: DiscardPolicy::New,
        max_bytes: BUCKET_MAX,
        max_age,
        max_messages_per_subject: 1,
        // The server refuses a longer window than the age.
        duplicate_window: if max_age.is_zero() { DUPLICATE_WINDOW } else { max_age },
        allow_rollup: true,
        deny_delete: true,
        description: Some(what.to_owned()),
        ..stream.clone()
    };
    let hub = bucket(HUB_BUCKET, Duration::ZERO, "what the hubs of webmon have committed");
    let plan = bucket(PLAN_BUCKET, Duration::ZERO, "what the locations of webmon check");
    let lease = bucket(LEASE_BUCKET, LEASE, "which hub of webmon delivers alerts");
    [stream, hub, plan, lease]
}

/// The configuration of the stream `name`, if there is one.
async fn existing(link: &Link, name: &str) -> Result<Option<Config>, StreamFault> {
    match link.jetstream.get_stream(name).await {
        Ok(stream) => Ok(Some(stream.cached_info().config.clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            GetStreamErrorKind::JetStream(error) => Err(fault(name, &error.to_string())),
            _ => Err(fault(name, &link.reason(&error))),
        },
    }
}

/// Makes a stream. Returns whether no other one was faster.
async fn make(link: &Link, wanted: Config) -> Result<bool, StreamFault> {
    let name = wanted.name.clone();
    match link.jetstream.create_stream(wanted).await {
        Ok(_) => Ok(true),
        Err(error) => match error.kind() {
            CreateStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NAME_EXIST => Ok(false),
            CreateStreamErrorKind::JetStream(error) => Err(fault(&name, &error.to_string())),
            _ => Err(fault(&name, &link.reason(&error))),
        },
    }
}

/// What the server said about the stream `name`, and what to do about it.
fn fault(name: &str, said: &str) -> StreamFault {
    const ADVICE: [(&str, &str); 7] = [
        ("not enabled", "the server needs a section `jetstream`; `webmon fleet server-config` prints one"),
        ("no responders", "the server needs a section `jetstream`; `webmon fleet server-config` prints one"),
        ("permissions violation", "this takes the user of a hub"),
        ("not answer", "does its disk have room?"),
        ("insufficient", "raise `max_file_store` of the server, or choose a smaller --max-bytes"),
        ("overlap", "another stream takes the frames already; write its name as `stream` under `fleet`"),
        ("replicas", "a cluster of at least as many servers is needed"),
    ];
    let lower = said.to_lowercase();
    let advice = ADVICE.into_iter().find(|(word, _)| lower.contains(word));
    let advice = advice.map_or_else(String::new, |(_, advice)| format!("; {advice}"));
    StreamFault(clean_line(&format!("stream {name}: {said}{advice}"), DETAIL_MAX))
}

/// What `found` differs in from `wanted`, as far as webmon depends on it: one sentence each, with the consequence. Limits that
/// nobody chose do not differ.
fn differences(wanted: &Config, found: &Config, limits: StreamLimits) -> Vec<String> {
    let mut wanted = wanted.clone();
    if limits.max_bytes.is_none() && found.max_bytes > 0 {
        wanted.max_bytes = found.max_bytes;
    }
    wanted.num_replicas = limits.replicas.unwrap_or(found.num_replicas);
    let pairs = settings(&wanted).into_iter().zip(settings(found));
    let other = pairs.filter(|((_, should, _), (_, is, _))| should != is);
    let sentence = |((key, should, so), (_, is, _)): ((&str, String, &str), (&str, String, &str))| {
        clean_line(&format!("stream {}: {key} is {is}, not {should}: {so}", wanted.name), DETAIL_MAX)
    };
    other.map(sentence).collect()
}

/// The settings that webmon depends on: the key as NATS has it, the value, and what another value means.
fn settings(config: &Config) -> [(&'static str, String, &'static str); 11] {
    let size = |bytes: i64| if bytes > 0 { format!("{bytes} bytes") } else { "unlimited".to_owned() };
    let time = |time: Duration| if time.is_zero() { "unlimited".to_owned() } else { duration::format(time) };
    let word = |word: &dyn std::fmt::Debug| format!("{word:?}").to_lowercase();
    [
        ("subjects", config.subjects.join(", "), "what webmon sends is not kept"),
        ("retention", word(&config.retention), "what one hub has taken is gone for the others"),
        ("storage", word(&config.storage), "a restart of the server loses the content"),
        ("discard", word(&config.discard), "a full stream lets go of the wrong end"),
        ("max_bytes", size(config.max_bytes), "this much of the server's disk can be used"),
        ("max_age", time(config.max_age), "what is older is sent again by its location, if a hub lacks it"),
        ("max_msg_size", size(config.max_message_size.into()), "longer messages are refused"),
        ("max_msgs_per_subject", config.max_messages_per_subject.max(0).to_string(), "other messages are let go of"),
        ("duplicate_window", time(config.duplicate_window), "what is sent twice later than that is kept twice"),
        ("allow_direct", config.allow_direct.to_string(), "a location cannot read what the hubs say"),
        ("num_replicas", config.num_replicas.to_string(), "so many servers of the cluster have a copy"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FleetServer;

    fn terms() -> FleetTerms {
        FleetTerms::at(vec![FleetServer::parse("tls://a").unwrap()])
    }

    #[test]
    fn nothing_grows_without_bound() {
        let limits = StreamLimits { max_bytes: Some(7 << 30), replicas: Some(3) };
        let wanted = wanted(&terms(), limits);
        let names: Vec<&str> = wanted.iter().map(|config| &*config.name).collect();
        assert_eq!(names, ["WEBMON", "KV_WEBMON_HUB", "KV_WEBMON_PLAN", "KV_WEBMON_LEASE"]);
        assert!(wanted.iter().all(|config| config.max_bytes > 0 && config.max_message_size > 0));
        assert!(wanted.iter().all(|config| config.num_replicas == 3));
        assert_eq!((wanted[0].max_bytes, wanted[0].max_age), (7 << 30, AGE_MAX));
    }

    #[test]
    fn each_difference_is_a_sentence_and_free_limits_are_none() {
        let free = StreamLimits::default();
        let [stream, ..] = wanted(&terms(), free);
        assert_eq!(differences(&stream, &stream, free), Vec::<String>::new());
        let found = Config { max_bytes: 5 << 30, num_replicas: 3, ..stream.clone() };
        assert_eq!(differences(&stream, &found, free), Vec::<String>::new());
        let chosen = StreamLimits { max_bytes: Some(1 << 30), replicas: Some(1) };
        assert_eq!(
            differences(&stream, &found, chosen),
            [
                "stream WEBMON: max_bytes is 5368709120 bytes, not 1073741824 bytes: this much of the server's disk can be used",
                "stream WEBMON: num_replicas is 3, not 1: so many servers of the cluster have a copy",
            ]
        );
        let found =
            Config { max_bytes: -1, discard: DiscardPolicy::New, subjects: vec!["a\x1b".to_owned()], ..stream.clone() };
        assert_eq!(
            differences(&stream, &found, free),
            [
                "stream WEBMON: subjects is a\u{fffd}, not webmon.v1.*.frames: what webmon sends is not kept",
                "stream WEBMON: discard is new, not old: a full stream lets go of the wrong end",
                "stream WEBMON: max_bytes is unlimited, not 1073741824 bytes: this much of the server's disk can be used",
            ]
        );
    }

    #[test]
    fn a_fault_says_what_to_do() {
        for (said, advice) in [
            ("insufficient storage resources available (code 500, error code 10047)", "--max-bytes"),
            ("jetstream error: jetstream not enabled (code 503, error code 10076)", "section `jetstream`"),
            ("Permissions Violation for Publish to \"$JS.API.STREAM.INFO.WEBMON\"", "the user of a hub"),
            ("the server does not answer", "disk have room"),
        ] {
            let fault = fault("WEBMON", said).to_string();
            assert!(fault.starts_with(&format!("stream WEBMON: {said}; ")) && fault.contains(advice), "{fault}");
        }
    }
}
