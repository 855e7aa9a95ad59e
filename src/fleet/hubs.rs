//! Asks the bucket of the hubs what each of them said last about its fleet. The permissions of a watcher suffice.

use serde_json::{Value, json};

use crate::model::text::{DETAIL_MAX, clean_line};

use super::connection::Link;
use super::status::HubStatus;
use super::subjects::{HUB_BUCKET, STATUS, bucket_stream, kv};

/// Most hubs that are asked for.
const HUBS_MAX: usize = 100;

/// What each hub said last, by name; a hub that is gone for ever is among them as well.
///
/// # Errors
/// Why the server cannot tell, in one clean line.
pub async fn statuses(link: &Link) -> Result<Vec<HubStatus>, String> {
    let bucket = bucket_stream(HUB_BUCKET);
    let refused = |why: &str| clean_line(&format!("the server does not tell what the hubs say: {why}"), DETAIL_MAX);
    let filter = json!({ "subjects_filter": kv(HUB_BUCKET, &format!("*.{STATUS}")) });
    let info = link.jetstream.request(format!("STREAM.INFO.{bucket}"), &filter).await;
    let info: Value = info.map_err(|error| refused(&link.reason(&error)))?;
    if let Some(error) = info["error"].as_object() {
        let is_missing = error.get("err_code").and_then(Value::as_u64) == Some(10_059);
        let said = error.get("description").and_then(Value::as_str).unwrap_or("it gives no reason");
        return Err(refused(if is_missing { "there is no bucket yet; `webmon fleet init` makes it" } else { said }));
    }
    let stream = link.jetstream.get_stream_no_info(&bucket).await.map_err(|error| refused(&error.to_string()))?;
    let subjects = info["state"]["subjects"].as_object();
    let mut told = Vec::new();
    for subject in subjects.into_iter().flat_map(|subjects| subjects.keys()).take(HUBS_MAX) {
        // A key may go between the two questions.
        if let Ok(message) = stream.direct_get_last_for_subject(subject.as_str()).await {
            told.extend(HubStatus::from_json(&message.payload));
        }
    }
    told.sort_by(|one, other| one.hub.cmp(&other.hub));
    Ok(told)
}
