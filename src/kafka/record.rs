//! Messages of the compacted topic `revocations`: records and tombstones (GATES 2.2).
//!
//! In the flow: the source that `app` gives to `run` calls these for each decision. Pure functions; the signature
//! comes from a closure. What travels is keyed twice: `h` with the tenant's subject key when the entry was
//! written, and with the feed key here. Never sends anything unsigned.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::Sha256;

use super::topics::Topic;
use super::wire::{Error, Message, Sign, headers, time};
use crate::tenant::{Seq, TenantId};

/// CloudEvents type of a revocation record.
pub const REVOCATION_TYPE: &str = "dev.ssfhub.revocation.v1";

/// The key of the revocation feed: `HMAC-SHA-256(feed key, h)` cut to 16 bytes, base64url, 22 characters
/// (GATES 2.2). Says nothing to who has the subject key but not the feed key.
pub fn feed_hash(feed_key: &[u8], h: &[u8; 16]) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(feed_key).expect("any length");
    mac.update(h);
    URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..16])
}

/// Until when a key is dead; as `revocation::record` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Tokens issued up to this moment (ms since 1970).
    Watermark(i64),
    /// Every token, whenever it was issued.
    Hold,
}

/// Whether a record is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is.
    Active,
    /// It was taken back; a tombstone may follow once it has expired.
    Cleared,
}

/// A revocation record (GATES 2.2), with its `basis`: a kill and a later watermark under one key are two records,
/// and compaction must keep both.
#[derive(Clone, Copy, Debug)]
pub struct Revocation<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// The tenant's `iss`.
    pub iss: &'a str,
    /// Kind of key.
    pub kind: &'a str,
    /// The key, by [`feed_hash`].
    pub hash: &'a str,
    /// What it rests on.
    pub basis: &'a str,
    /// Watermark or hold.
    pub until: Until,
    /// `deny` or `suspend`.
    pub effect: &'a str,
    /// The reason code.
    pub reason_code: &'a str,
    /// `txn` of its cause.
    pub txn: &'a str,
    /// Entry time (ms since 1970).
    pub issued_at: i64,
    /// When it ends by itself (ms since 1970); `None`: only a lift ends it.
    pub expires_at: Option<i64>,
    /// Its entry.
    pub seq: Seq,
    /// Which of its entry's records.
    pub index: u32,
    /// In force or not.
    pub state: State,
}

#[derive(Serialize)]
struct Cause<'a> {
    txn: &'a str,
}

#[derive(Serialize)]
struct Record<'a> {
    v: u8,
    key: String,
    kind: &'a str,
    basis: &'a str,
    until: Until,
    effect: &'a str,
    reason_code: &'a str,
    cause: Cause<'a>,
    issued_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    seq: Seq,
    state: State,
}

/// The message of a revocation record, signed.
///
/// # Errors
/// [`Error::Sign`] if `sign` fails.
pub fn revocation(r: &Revocation<'_>, sign: Sign<'_>) -> Result<Message, Error> {
    let key = format!("{}:{}", r.kind, r.hash);
    let record = Record {
        v: 1,
        key: key.clone(),
        kind: r.kind,
        basis: r.basis,
        until: r.until,
        effect: r.effect,
        reason_code: r.reason_code,
        cause: Cause { txn: r.txn },
        issued_at: r.issued_at,
        expires_at: r.expires_at,
        seq: r.seq,
        state: r.state,
    };
    let id = format!("{}:{}:{}", r.tenant, r.seq, r.index);
    let mut headers = headers(r.tenant, "application/jose", &id, r.iss, REVOCATION_TYPE);
    headers.push(("ce_subject", key));
    headers.extend(time("ce_time", r.issued_at));
    headers.push(("ce_sequence", r.seq.to_string()));
    headers.push(("ce_correlationid", r.txn.into()));
    Ok(Message {
        topic: Topic::Revocations,
        key: record_key(r.tenant, r.kind, r.hash, r.basis),
        payload: Some(sign(&serde_json::to_vec(&record)?).map_err(Error::Sign)?.into_bytes()),
        headers,
    })
}

/// Takes a record's key out of the topic. Only behind a `cleared` record, and only once it has expired.
pub fn tombstone(tenant: &TenantId, kind: &str, hash: &str, basis: &str) -> Message {
    Message {
        topic: Topic::Revocations,
        key: record_key(tenant, kind, hash, basis),
        payload: None,
        headers: vec![("tenant", tenant.to_string())],
    }
}

fn record_key(tenant: &TenantId, kind: &str, hash: &str, basis: &str) -> Vec<u8> {
    format!("{tenant}/{kind}:{hash}/{basis}").into_bytes()
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
