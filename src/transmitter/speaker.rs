//! What Kafka is told, as messages: received SETs, revocation records, refused SETs.
//!
//! In the flow: `projection` says what, this says it, signed with the tenant's own keys. Principals appear as keyed
//! hashes only. Never decides what is said, never reads the journal.

use std::collections::HashMap;
use std::sync::Arc;

use super::followed::Followed;
use crate::hub::entry::SetInput;
use crate::hub::names;
use crate::jose::alg::Alg;
use crate::jose::sign::sign_compact;
use crate::journal::Entry;
use crate::kafka::record::{self, Revocation};
use crate::kafka::wire::{self, Message, Received, Rejected};
use crate::keys::{Keys, TenantKeys};
use crate::operations::Operations;
use crate::revocation::record::{Basis, Effect, Until};
use crate::set::dialect::Dialect;
use crate::set::event::Event;
use crate::set::sub_id::SubId;
use crate::tenant::TenantId;

/// `typ` of a signed revocation record.
const RECORD_TYP: &str = "ssf-hub-revocation+jwt";

/// Makes the messages.
pub struct Speaker {
    keys: Arc<Keys>,
    public_url: String,
    operations: Arc<Operations>,
    rejected: u64,
    per_tenant: HashMap<TenantId, (Arc<TenantKeys>, String)>,
}

impl Speaker {
    /// Signs with `keys`; every `iss` begins with `public_url`; refused SETs come from `operations`.
    pub fn new(keys: Arc<Keys>, public_url: String, operations: Arc<Operations>) -> Self {
        // From now on refused SETs are gathered.
        operations.drain_tap();
        Self { keys, public_url, operations, rejected: 0, per_tenant: HashMap::new() }
    }

    fn of_tenant(&mut self, tenant: &TenantId) -> Result<(Arc<TenantKeys>, String), String> {
        if let Some(kept) = self.per_tenant.get(tenant) {
            return Ok(kept.clone());
        }
        let keys = self.keys.tenant(tenant).map_err(|e| e.to_string())?;
        let kept = (keys, format!("{}/t/{tenant}", self.public_url));
        self.per_tenant.insert(tenant.clone(), kept.clone());
        Ok(kept)
    }

    /// A record, as it stands with this entry.
    pub fn revocation(&mut self, entry: &Entry, f: &Followed, index: usize) -> Result<Message, String> {
        let (keys, iss) = self.of_tenant(&f.tenant)?;
        let signing = keys.signing(Alg::ES256).map_err(|e| e.to_string())?;
        let hash = record::feed_hash(keys.feed_key(), &f.key.0);
        let revocation = Revocation {
            tenant: &f.tenant,
            iss: &iss,
            kind: f.kind.as_str(),
            hash: &hash,
            basis: basis(f.standing.basis),
            until: match f.standing.until {
                Until::Watermark(at_ms) => record::Until::Watermark(at_ms),
                Until::Hold => record::Until::Hold,
            },
            effect: match f.standing.effect {
                Effect::Deny => "deny",
                Effect::Suspend => "suspend",
            },
            reason_code: &f.standing.reason_code,
            txn: &f.txn,
            issued_at: entry.time_ms,
            expires_at: f.standing.expires_at,
            seq: entry.seq,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            state: f.state,
        };
        let sign = |json: &[u8]| sign_compact(&signing, RECORD_TYP, json).map_err(|e| e.to_string());
        record::revocation(&revocation, &sign).map_err(|e| e.to_string())
    }

    /// Takes a record's key out of the topic.
    pub fn tombstone(&mut self, f: &Followed) -> Result<Message, String> {
        let (keys, _) = self.of_tenant(&f.tenant)?;
        let hash = record::feed_hash(keys.feed_key(), &f.key.0);
        Ok(record::tombstone(&f.tenant, f.kind.as_str(), &hash, basis(f.standing.basis)))
    }

    /// A SET that was accepted.
    pub fn received(&mut self, entry: &Entry, set: &SetInput) -> Result<Message, String> {
        let (keys, _) = self.of_tenant(&entry.tenant)?;
        // What order is kept within: the user of the subject, else the whole subject.
        let subject = SubId::parse_str(set.sub_id.get())
            .map(|s| s.member("user").map_or_else(|| s.key(), |u| u.key()))
            .unwrap_or_else(|_| set.sub_id.get().into());
        let principal =
            record::feed_hash(keys.feed_key(), &names::hash(&[b"principal", subject.as_bytes()]).0);
        let event = Event::parse_str(&set.uri, set.event.get(), Dialect::default()).ok();
        let event_ms = event.and_then(|event| event.common.event_timestamp_ms);
        Ok(wire::received(&Received {
            tenant: &entry.tenant,
            seq: entry.seq,
            jti: &set.jti,
            txn: &set.txn,
            route: set.route.as_str(),
            principal: &principal,
            compact: &set.compact,
            iss: &set.iss,
            uri: &set.uri,
            event_ms: event_ms.or(set.toe.map(|s| s.saturating_mul(1000))),
            at_ms: entry.time_ms,
        }))
    }

    /// Refused SETs since the last look.
    pub fn rejections(&mut self) -> Vec<Message> {
        let mut out = Vec::new();
        for event in self.operations.drain_tap() {
            if event.kind != "set_rejected" {
                continue;
            }
            let Ok(tenant) = TenantId::parse(&event.tenant) else { continue };
            self.rejected += 1;
            let id = format!("{}-{}", event.at_ms, self.rejected);
            let hub_iss = format!("{}/t/{tenant}", self.public_url);
            let rejected = Rejected {
                tenant: &tenant,
                id: &id,
                hub_iss: &hub_iss,
                iss: None,
                upstream: &event.subject,
                reason: &event.what,
                at_ms: event.at_ms,
                size: event.bytes,
            };
            out.extend(wire::rejected(&rejected));
        }
        out
    }
}

fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Issued => "issued",
        Basis::LoggedOut => "logged_out",
        Basis::Ended => "ended",
        Basis::Disabled => "disabled",
        Basis::Outdated => "outdated",
        Basis::Pending => "pending",
        Basis::Suspended => "suspended",
        Basis::Killed => "killed",
    }
}
