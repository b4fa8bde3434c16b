//! Kafka out: what the journal says, as messages for `signals.received`, `revocations`, `signals.rejected`.
//!
//! A projection (DESIGN 13): reads the journal's files behind the durable mark with a cursor of its own, so that a
//! broker that is away delays Kafka and loses nothing. Refused SETs are no entries: they come from the operational
//! events, at most once. Records are signed, so that a rogue producer can neither forge nor clear one.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::hub::entry::{Body, Decision, SetInput};
use crate::jose::alg::Alg;
use crate::jose::sign::sign_json_flattened;
use crate::journal::{Entry, Payload, Position, Reader};
use crate::kafka::record::{self, Revocation, State};
use crate::kafka::source::{CursorStore, Source, Step};
use crate::kafka::wire::{self, Message, Received, Rejected};
use crate::keys::{Keys, TenantKeys};
use crate::operations::Operations;
use crate::revocation::key::{KeyHash, Kind};
use crate::revocation::record::{Basis, Effect, Record, Standing, Until};
use crate::set::sub_id::SubId;
use crate::tenant::{Seq, TenantId};

/// `typ` of a signed revocation record.
const RECORD_TYP: &str = "ssf-hub-revocation+jwt";
/// Expiring records that are followed, to clear them; beyond it consumers rely on `expires_at` alone.
const EXPIRING_MAX: usize = 1_000_000;

/// What clears a record when it has expired.
struct Expiring {
    tenant: TenantId,
    record: Record,
    txn: String,
    seq: Seq,
}

/// The journal as a source of Kafka messages.
pub struct Projection {
    reader: Reader,
    durable: Arc<Mutex<Position>>,
    keys: Arc<Keys>,
    public_url: String,
    operations: Arc<Operations>,
    /// By expiry time and key: cleared once, with the entry that shows that the time has passed.
    expiring: BTreeMap<(i64, KeyHash, u8), Expiring>,
    /// When each of them expires by what was said of it last.
    expires_at: HashMap<(KeyHash, u8), i64>,
    rejected: u64,
    per_tenant: HashMap<TenantId, (Arc<TenantKeys>, String)>,
}

impl Projection {
    /// A projection of the journal that `reader` reads.
    pub fn new(
        reader: Reader,
        durable: Arc<Mutex<Position>>,
        keys: Arc<Keys>,
        public_url: String,
        operations: Arc<Operations>,
    ) -> Self {
        // From now on refused SETs are gathered.
        operations.drain_tap();
        let (expiring, expires_at, per_tenant) = (BTreeMap::new(), HashMap::new(), HashMap::new());
        Self { reader, durable, keys, public_url, operations, expiring, expires_at, rejected: 0, per_tenant }
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

    fn messages(&mut self, entry: &Entry) -> Result<Vec<Message>, String> {
        let mut out = self.cleared(entry.time_ms)?;
        let Payload::Present(payload) = &entry.payload else { return Ok(out) };
        match Body::parse(entry.kind, entry.version, payload).map_err(|e| e.to_string())? {
            Body::Set(set) => out.push(received(entry, &set)),
            Body::Decision(decision) => self.revocations(entry, &decision, &mut out)?,
            _ => {}
        }
        Ok(out)
    }

    fn revocations(
        &mut self,
        entry: &Entry,
        decision: &Decision,
        out: &mut Vec<Message>,
    ) -> Result<(), String> {
        let mut index = 0;
        for lifted in &decision.lifted {
            let gone = Record {
                kind: lifted.kind,
                key: lifted.key,
                until: Until::Hold,
                effect: Effect::Deny,
                basis: lifted.basis,
                reason_code: "lifted".into(),
                expires_at: None,
            };
            out.push(self.revocation(entry, &gone, index, &decision.txn, State::Cleared)?);
            let left = Record {
                until: Until::Watermark(lifted.at_ms),
                basis: Basis::Issued,
                expires_at: Some(lifted.expires_at),
                ..gone
            };
            out.push(self.revocation(entry, &left, index + 1, &decision.txn, State::Active)?);
            self.follow(entry, left, &decision.txn);
            index += 2;
        }
        for record in &decision.records {
            out.push(self.revocation(entry, record, index, &decision.txn, State::Active)?);
            self.follow(entry, record.clone(), &decision.txn);
            index += 1;
        }
        Ok(())
    }

    fn follow(&mut self, entry: &Entry, record: Record, txn: &str) {
        let Some(at_ms) = record.expires_at else { return };
        if self.expiring.len() >= EXPIRING_MAX {
            return;
        }
        let key = (record.key, record.basis as u8);
        if let Some(before_ms) = self.expires_at.insert(key, at_ms) {
            self.expiring.remove(&(before_ms, key.0, key.1));
        }
        let expiring = Expiring { tenant: entry.tenant.clone(), record, txn: txn.into(), seq: entry.seq };
        self.expiring.insert((at_ms, key.0, key.1), expiring);
    }

    /// Follows a record that stood when the projection began, to clear it when it has expired.
    pub fn stands(&mut self, tenant: &TenantId, kind: Kind, key: KeyHash, standing: &Standing) {
        let Some(at_ms) = standing.expires_at else { return };
        if self.expiring.len() >= EXPIRING_MAX {
            return;
        }
        let record = Record {
            kind,
            key,
            until: standing.until,
            effect: standing.effect,
            basis: standing.basis,
            reason_code: standing.reason_code.clone(),
            expires_at: standing.expires_at,
        };
        let basis = record.basis as u8;
        self.expires_at.insert((key, basis), at_ms);
        let expiring = Expiring { tenant: tenant.clone(), record, txn: String::new(), seq: standing.seq };
        self.expiring.insert((at_ms, key, basis), expiring);
    }

    /// Records whose time has passed are cleared in words first, then taken out of the topic.
    fn cleared(&mut self, now_ms: i64) -> Result<Vec<Message>, String> {
        let mut out = Vec::new();
        while let Some(((at_ms, ..), _)) = self.expiring.first_key_value()
            && *at_ms <= now_ms
            && let Some(((_, key, basis_no), old)) = self.expiring.pop_first()
        {
            self.expires_at.remove(&(key, basis_no));
            let entry = Entry {
                tenant: old.tenant.clone(),
                seq: old.seq,
                time_ms: now_ms,
                kind: 0,
                version: 0,
                payload: Payload::Erased,
                chain: [0; 32],
            };
            out.push(self.revocation(&entry, &old.record, 0, &old.txn, State::Cleared)?);
            let (keys, _) = self.of_tenant(&old.tenant)?;
            let hash = record::feed_hash(keys.feed_key(), &old.record.key.0);
            out.push(record::tombstone(
                &old.tenant,
                old.record.kind.as_str(),
                &hash,
                basis(old.record.basis),
            ));
        }
        Ok(out)
    }

    fn revocation(
        &mut self,
        entry: &Entry,
        r: &Record,
        index: u32,
        txn: &str,
        state: State,
    ) -> Result<Message, String> {
        let (keys, iss) = self.of_tenant(&entry.tenant)?;
        let signing = keys.signing(Alg::ES256).map_err(|e| e.to_string())?;
        let hash = record::feed_hash(keys.feed_key(), &r.key.0);
        let revocation = Revocation {
            tenant: &entry.tenant,
            iss: &iss,
            kind: r.kind.as_str(),
            hash: &hash,
            basis: basis(r.basis),
            until: match r.until {
                Until::Watermark(at_ms) => record::Until::Watermark(at_ms),
                Until::Hold => record::Until::Hold,
            },
            effect: match r.effect {
                Effect::Deny => "deny",
                Effect::Suspend => "suspend",
            },
            reason_code: &r.reason_code,
            txn,
            issued_at: entry.time_ms,
            expires_at: r.expires_at,
            seq: entry.seq,
            index,
            state,
        };
        let sign =
            |json: &[u8]| sign_json_flattened(&signing, Some(RECORD_TYP), json).map_err(|e| e.to_string());
        record::revocation(&revocation, &sign).map_err(|e| e.to_string())
    }

    /// Refused SETs since the last look.
    fn rejections(&mut self) -> Vec<Message> {
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

fn received(entry: &Entry, set: &SetInput) -> Message {
    // What order is kept within: the user of the subject, else the whole subject; hashed, for a key shows in consoles.
    let subject =
        SubId::parse_str(set.sub_id.get()).map(|s| s.member("user").map_or_else(|| s.key(), |u| u.key()));
    let subject = subject.unwrap_or_else(|_| set.sub_id.get().into());
    let principal = crate::hub::names::hash(&[b"principal", subject.as_bytes()]).text();
    wire::received(&Received {
        tenant: &entry.tenant,
        seq: entry.seq,
        principal: &principal,
        compact: &set.compact,
        iss: &set.iss,
        uri: &set.uri,
        at_ms: entry.time_ms,
    })
}

impl Source for Projection {
    fn next(&mut self, after: &[u8], max: usize) -> Result<Vec<Step>, String> {
        let from = match after {
            [] => Position::OLDEST,
            bytes => serde_json::from_slice(bytes).map_err(|e| e.to_string())?,
        };
        let durable = *self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batches = Vec::new();
        for batch in self.reader.batches(from).map_err(|e| e.to_string())? {
            let batch = batch.map_err(|e| e.to_string())?;
            if batch.at >= durable || batches.len() >= max {
                break;
            }
            batches.push(batch);
        }
        let mut steps = Vec::with_capacity(batches.len() + 1);
        for batch in batches {
            let mut messages = Vec::new();
            for entry in &batch.entries {
                messages.extend(self.messages(entry)?);
            }
            steps.push(Step {
                cursor: serde_json::to_vec(&batch.after).map_err(|e| e.to_string())?,
                messages,
            });
        }
        let rejected = self.rejections();
        if !rejected.is_empty() {
            let cursor = steps.last().map_or_else(|| after.to_vec(), |s| s.cursor.clone());
            steps.push(Step { cursor, messages: rejected });
        }
        Ok(steps)
    }
}

/// The cursor in a side file: losing it repeats everything, under the same names.
pub struct CursorFile {
    path: PathBuf,
    journal: String,
}

impl CursorFile {
    /// The cursor of a journal (by its id in hex) in `path`.
    pub fn new(path: PathBuf, journal: String) -> Self {
        Self { path, journal }
    }
}

impl CursorStore for CursorFile {
    fn load(&mut self) -> Result<Vec<u8>, String> {
        let Some(file) = crate::keys::file::read(&self.path).map_err(|e| e.to_string())? else {
            return Ok(vec![]);
        };
        let text = String::from_utf8(file).map_err(|e| e.to_string())?;
        // A cursor of another journal points nowhere in this one.
        Ok(match text.split_once(' ') {
            Some((journal, cursor)) if journal == self.journal => cursor.as_bytes().to_vec(),
            _ => vec![],
        })
    }

    fn save(&mut self, cursor: &[u8]) -> Result<(), String> {
        let text = format!("{} {}", self.journal, String::from_utf8_lossy(cursor));
        crate::keys::write_private(&self.path, text.as_bytes()).map_err(|e| e.to_string())
    }
}
