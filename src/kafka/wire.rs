//! Messages from plain arguments: received SETs, rejections, and what all messages share.
//!
//! In the flow: the source that `app` gives to `run` calls these for each journal batch. Pure functions.
//! Headers follow the CloudEvents Kafka binding, binary mode (`ce_*`). Principals appear as keyed hashes only;
//! a rejected SET's payload never does.

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

use super::topics::Topic;
use crate::tenant::{Seq, TenantId};

/// CloudEvents type of a rejection.
pub const REJECTED_TYPE: &str = "dev.ssfhub.signal.rejected.v1";

/// What a name said by an unverified sender is cut to (bytes).
const NAME_MAX_BYTES: usize = 256;
/// What a reason is cut to (bytes).
const REASON_MAX_BYTES: usize = 512;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub topic: Topic,
    /// Decides the partition, and what compaction keeps one of.
    pub key: Vec<u8>,
    /// The value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
}

/// Signs a payload (RFC 7515) and gives the JWS as text.
pub type Sign<'a> = &'a dyn Fn(&[u8]) -> Result<String, String>;

/// A message cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The value is not JSON.
    #[error("a Kafka value cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// It could not be signed.
    #[error("a Kafka value cannot be signed: {0}")]
    Sign(String),
}

/// A received SET.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// Its entry.
    pub seq: Seq,
    /// Its `jti`: with `iss` it names the event (CloudEvents `id` and `source`).
    pub jti: &'a str,
    /// Its `txn`.
    pub txn: &'a str,
    /// Where the hub routed it: what is not `forward` or `heard` has no effect, and must have none at who reads this.
    pub route: &'a str,
    /// What order is kept within: the keyed hash of its user, else of its subject, as text.
    pub principal: &'a str,
    /// The original, compact JWS.
    pub compact: &'a str,
    /// Its `iss`.
    pub iss: &'a str,
    /// Event type URI.
    pub uri: &'a str,
    /// When it happened, if that was said (ms since 1970).
    pub event_ms: Option<i64>,
    /// When the hub accepted it (ms since 1970).
    pub at_ms: i64,
}

/// The message of a received SET: its original bytes, so that the evidence stays verifiable.
pub fn received(set: &Received<'_>) -> Message {
    let key = format!("{}/{}", set.tenant, set.principal);
    let mut headers = headers(set.tenant, "application/secevent+jwt", set.jti, set.iss, &event_type(set.uri));
    headers.extend(time("ce_time", set.event_ms.unwrap_or(set.at_ms)));
    headers.extend(time("ce_recordedtime", set.at_ms));
    headers.push(("ce_sequence", set.seq.to_string()));
    headers.push(("ce_correlationid", set.txn.into()));
    headers.push(("ce_partitionkey", key.clone()));
    headers.push(("route", set.route.into()));
    Message {
        topic: Topic::Received,
        key: key.into_bytes(),
        payload: Some(set.compact.as_bytes().to_vec()),
        headers,
    }
}

/// The CloudEvents type of an event type: the OpenID ones in reverse-DNS form, any other as it is.
fn event_type(uri: &str) -> String {
    let openid = uri.strip_prefix("https://schemas.openid.net/secevent/");
    match openid.and_then(|rest| rest.split_once("/event-type/")) {
        Some((family, name)) => format!("net.openid.secevent.{family}.{name}"),
        None => uri.into(),
    }
}

/// A SET that was refused.
#[derive(Clone, Copy, Debug)]
pub struct Rejected<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// The hub's name of the rejection, unique within the tenant.
    pub id: &'a str,
    /// The tenant's `iss`.
    pub hub_iss: &'a str,
    /// What the SET says of its issuer; nobody vouches for it.
    pub iss: Option<&'a str>,
    /// By whom it was pushed.
    pub upstream: &'a str,
    /// Why, redacted: a code, or words of ours.
    pub reason: &'a str,
    /// When (ms since 1970).
    pub at_ms: i64,
    /// Size of the body (bytes).
    pub size: usize,
}

/// The message of a rejection: keyed by issuer, else by upstream. Never carries the SET.
///
/// # Errors
/// [`Error::Json`], which plain numbers and strings do not cause.
pub fn rejected(r: &Rejected<'_>) -> Result<Message, Error> {
    #[derive(Serialize)]
    struct Value<'a> {
        reason: &'a str,
        upstream: &'a str,
        at: i64,
        size: usize,
    }
    let upstream = cut(r.upstream, NAME_MAX_BYTES);
    let value = Value { reason: cut(r.reason, REASON_MAX_BYTES), upstream, at: r.at_ms, size: r.size };
    let mut headers = headers(r.tenant, "application/json", r.id, r.hub_iss, REJECTED_TYPE);
    headers.extend(time("ce_time", r.at_ms));
    let by = r.iss.map_or(upstream, |iss| cut(iss, NAME_MAX_BYTES));
    Ok(Message {
        topic: Topic::Rejected,
        key: format!("{}/{by}", r.tenant).into_bytes(),
        payload: Some(serde_json::to_vec(&value)?),
        headers,
    })
}

/// The headers that every message with a value has.
pub(super) fn headers(
    tenant: &TenantId,
    content_type: &str,
    id: &str,
    source: &str,
    event_type: &str,
) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", content_type.into()),
        ("ce_specversion", "1.0".into()),
        ("ce_id", id.into()),
        ("ce_source", source.into()),
        ("ce_type", event_type.into()),
        ("tenant", tenant.to_string()),
    ]
}

/// A time in RFC 3339; none for one beyond the calendar.
pub(super) fn time(name: &'static str, at_ms: i64) -> Option<(&'static str, String)> {
    let at = DateTime::from_timestamp_millis(at_ms)?;
    Some((name, at.to_rfc3339_opts(SecondsFormat::Millis, true)))
}

/// The first `max` bytes, cut between characters.
fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default()
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
