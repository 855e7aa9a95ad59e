//! What a certificate grants, and what it does not: nobody speaks for another location, and whoever reads changes nothing.

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use webmon::fleet::connection::{Link, Role};
use webmon::fleet::stream::{StreamLimits, ensure};
use webmon::fleet::subjects::{HUB_BUCKET, frames, have, kv};
use webmon::model::Location;

use crate::server::{Server, at};
use crate::support::program::PATIENCE;

fn location(name: &str) -> Location {
    Location::new(name).unwrap()
}

/// Publishes to `subject` as nobody may, and returns what the server says.
async fn refused(link: &Link, subject: &str) -> String {
    link.client.publish(subject.to_owned(), "x".into()).await.unwrap();
    said(link, subject).await
}

/// What the server says about `subject`.
async fn said(link: &Link, subject: &str) -> String {
    let mut state = link.state();
    let is_about = |text: &String| text.contains(&format!("\"{subject}\""));
    let told = state.wait_for(|state| state.refusal.as_ref().is_some_and(is_about));
    tokio::time::timeout(PATIENCE, told).await.expect(subject).unwrap().refusal.clone().unwrap()
}

/// A server with the stream and the buckets, a hub's word to b in them.
async fn server() -> Option<(Server, Link)> {
    let server = Server::start()?;
    let hub = server.link(&Role::Hub).await.unwrap();
    ensure(&hub, &server.terms(), StreamLimits::default()).await.unwrap();
    hub.jetstream.publish(kv(HUB_BUCKET, "hub1.b"), "of b".into()).await.unwrap().await.unwrap();
    hub.jetstream.publish(kv(HUB_BUCKET, "hub1.a"), "of a".into()).await.unwrap().await.unwrap();
    Some((server, hub))
}

#[tokio::test]
async fn a_location_speaks_for_itself_alone() {
    let Some((server, hub)) = server().await else { return };
    let link = server.link(&at("a")).await.unwrap();
    let acked = link.jetstream.publish(frames(&location("a")), "frame".into()).await.unwrap().await.unwrap();
    assert_eq!(acked.sequence, 1);
    for subject in [
        frames(&location("b")),
        have(&location("b")),
        kv(HUB_BUCKET, "hub1.a"),
        "$JS.API.STREAM.DELETE.WEBMON".to_owned(),
        "$JS.API.STREAM.PURGE.WEBMON".to_owned(),
        "$JS.API.CONSUMER.CREATE.WEBMON".to_owned(),
        "$JS.API.STREAM.MSG.GET.WEBMON".to_owned(),
        "$JS.API.DIRECT.GET.WEBMON".to_owned(),
        "$JS.API.DIRECT.GET.KV_WEBMON_HUB.$KV.WEBMON_HUB.hub1.b".to_owned(),
        "_INBOX.b.x".to_owned(),
    ] {
        let told = refused(&link, &subject).await;
        assert!(told.to_lowercase().starts_with("permissions violation for publish"), "{told}");
    }
    for subject in [frames(&location("b")), "_INBOX.b.>".to_owned(), kv(HUB_BUCKET, "hub1.b"), ">".to_owned()] {
        let _heard = link.client.subscribe(subject.clone()).await.unwrap();
        let told = said(&link, &subject).await;
        assert!(told.to_lowercase().starts_with("permissions violation for subscription"), "{told}");
    }
    let mut stream = hub.jetstream.get_stream("WEBMON").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 1);
}

#[tokio::test]
async fn a_location_asks_the_hubs_and_reads_their_word() {
    let Some((server, hub)) = server().await else { return };
    let link = server.link(&at("a")).await.unwrap();
    let bucket = link.jetstream.get_stream_no_info("KV_WEBMON_HUB").await.unwrap();
    let word = bucket.direct_get_last_for_subject(kv(HUB_BUCKET, "hub1.a")).await.unwrap();
    assert_eq!(&*word.payload, b"of a");
    let mut changes = link.client.subscribe(kv(HUB_BUCKET, "*.a")).await.unwrap();
    let mut questions = hub.client.subscribe("webmon.v1.hub.all.have.*").await.unwrap();
    // The server does what one client asks in order: it has the subscriptions once it has answered.
    bucket.direct_get_last_for_subject(kv(HUB_BUCKET, "hub1.a")).await.unwrap();
    hub.jetstream.get_stream("WEBMON").await.unwrap();
    let answer = tokio::spawn(async move {
        let question = questions.next().await.unwrap();
        hub.client.publish(question.reply.unwrap(), "everything".into()).await.unwrap();
        hub.client.publish(kv(HUB_BUCKET, "hub1.a"), "changed".into()).await.unwrap();
        hub.client.flush().await.unwrap();
    });
    let answered = link.client.request(have(&location("a")), "?".into());
    let answered = tokio::time::timeout(PATIENCE, answered).await.unwrap().unwrap();
    assert_eq!(&*answered.payload, b"everything");
    let news = tokio::time::timeout(PATIENCE, changes.next()).await.unwrap().unwrap();
    assert_eq!(&*news.payload, b"changed");
    answer.await.unwrap();
}

#[tokio::test]
async fn a_watcher_reads_the_frames_and_changes_nothing() {
    let Some((server, hub)) = server().await else { return };
    hub.jetstream.publish(frames(&location("a")), "frame".into()).await.unwrap().await.unwrap();
    let link = server.link(&Role::Watch).await.unwrap();
    let mut stream = link.jetstream.get_stream("WEBMON").await.unwrap();
    let config = async_nats::jetstream::consumer::pull::OrderedConfig::default();
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let frame = tokio::time::timeout(PATIENCE, messages.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(&*frame.payload, b"frame");
    for subject in [
        frames(&location("a")),
        kv(HUB_BUCKET, "hub1.a"),
        "$JS.API.STREAM.DELETE.WEBMON".to_owned(),
        "$JS.API.STREAM.PURGE.WEBMON".to_owned(),
        "$JS.API.STREAM.UPDATE.WEBMON".to_owned(),
        "$JS.API.STREAM.CREATE.X".to_owned(),
    ] {
        let told = refused(&link, &subject).await;
        assert!(told.to_lowercase().starts_with("permissions violation for publish"), "{told}");
    }
    assert_eq!(stream.info().await.unwrap().state.messages, 1);
}

#[tokio::test]
async fn a_hub_rules_the_streams() {
    let Some((_server, hub)) = server().await else { return };
    let purged: Value = hub.jetstream.request("STREAM.PURGE.WEBMON", &json!({})).await.unwrap();
    assert_eq!(purged["success"], true);
}
