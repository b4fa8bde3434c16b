//! Which streams the receivers of a run hold: those that were there before it, and whether any is left behind it.
//!
//! A run touches no stream that it did not make, so what was there before may stand in its way; and a `create` whose
//! answer never came may have made one that no case knows of. Both are said, neither is mended.

use super::exchange::{Request, send};
use super::lab::Lab;
use super::shape::quoted;
use super::token::{Who, authorization};

/// The receivers that make streams.
const RECEIVERS: [Who; 2] = [Who::A, Who::B];

/// Remembers what is there before the first case.
pub async fn remember(lab: &Lab) {
    for who in RECEIVERS {
        if let Some(ids) = list(lab, who).await {
            lab.keep_before(who, ids);
        }
    }
}

/// What is there behind the last case and was not before the first: ids as they may be shown.
pub async fn new(lab: &Lab) -> Vec<String> {
    let mut left = vec![];
    for who in RECEIVERS {
        let Some(before) = lab.before(who) else { continue };
        let now = list(lab, who).await.unwrap_or_default();
        let new = now.into_iter().filter(|id| !before.contains(id));
        left.extend(new.map(|id| quoted(&id.into())));
    }
    left
}

/// The ids of a receiver's streams; nothing where they cannot be read.
async fn list(lab: &Lab, who: Who) -> Option<Vec<String>> {
    if !who.is_known(lab) {
        return None;
    }
    let url = lab.metadata()["configuration_endpoint"].as_str()?.to_string();
    let field = authorization(lab, who).await.ok()??;
    let headers = vec![("authorization".to_string(), field), ("accept".into(), "application/json".into())];
    let request = Request { method: "GET".into(), url, headers, body: None };
    let doc = send(lab, &request).await.ok()?.doc;
    let all = doc["body"].as_array().filter(|_| doc["status"] == 200)?;
    Some(all.iter().filter_map(|stream| stream["stream_id"].as_str().map(String::from)).collect())
}
