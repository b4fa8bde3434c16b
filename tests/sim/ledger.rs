//! An account of what is owed, kept from the journal's entries alone and without the product's fold.
//!
//! Deliberately simple: who wants what is asked of the stream's configuration as journaled, references are a set. What
//! the product's state owes must be exactly what this says.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ssf_hub::hub::effect::Item;
use ssf_hub::hub::entry::{Body, Fate, Outcome, Redrive, Route};
use ssf_hub::hub::names;
use ssf_hub::hub::object::{Object, ObjectKind};
use ssf_hub::lineage::keyed::KeyHash;
use ssf_hub::stream::Stream;
use ssf_hub::tenant::{Seq, TenantId};

use crate::fail::{Failure, ensure};

/// Where and when a SET was received, and the hash of its payload.
type Received = (Seq, i64, KeyHash);

/// What is sent for an item, beside the times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    pub uri: String,
    pub sub_id: String,
    pub event: String,
    pub txn: String,
}

/// One tenant's account.
#[derive(Default)]
pub struct Account {
    next_no: u32,
    numbers: BTreeMap<(ObjectKind, String), u32>,
    streams: BTreeMap<u32, Stream>,
    /// What every item says.
    pub said: BTreeMap<Item, Said>,
    /// Who was owed it: number and configuration at that time.
    pub matched: BTreeMap<Item, Vec<(u32, Stream)>>,
    pub owed: BTreeSet<(u32, Item)>,
    pub ended: BTreeMap<(u32, Item), Fate>,
    /// Owed on a stream that was taken away.
    pub dropped: BTreeSet<(u32, Item)>,
    pub dead: BTreeSet<(u32, Item)>,
    /// Fingerprint of every entry.
    pub entries: BTreeMap<Seq, KeyHash>,
    /// Every SET received, by (upstream, `jti`): where, when, and the hash of its payload.
    pub sets: BTreeMap<(String, String), Vec<Received>>,
}

/// All tenants' accounts.
#[derive(Default)]
pub struct Ledger {
    pub accounts: BTreeMap<TenantId, Account>,
    time_ms: i64,
}

/// What an entry says, in 16 bytes: an acknowledged input must be found again under its id with the same.
pub fn fingerprint(body: &Body) -> KeyHash {
    match body {
        Body::Set(set) => set_print(&set.upstream, &set.jti, set.payload_hash),
        Body::Fact(fact) => names::hash(&[b"fact", fact.client.as_bytes(), &names::fact_hash(&fact.fact).0]),
        other => names::hash(&[other.name().as_bytes(), &other.to_vec().unwrap()]),
    }
}

pub fn set_print(upstream: &str, jti: &str, payload: KeyHash) -> KeyHash {
    names::hash(&[b"set", upstream.as_bytes(), jti.as_bytes(), &payload.0])
}

/// `aud` of an original.
fn audience(compact: &str) -> Vec<String> {
    let payload = URL_SAFE_NO_PAD.decode(compact.split('.').nth(1).unwrap()).unwrap();
    let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    serde_json::from_value(payload["aud"].clone()).unwrap()
}

impl Ledger {
    /// Enters one entry.
    pub fn enter(&mut self, tenant: &TenantId, seq: Seq, time_ms: i64, body: &Body) -> Result<(), Failure> {
        ensure!(time_ms >= self.time_ms, "time", "{tenant}:{seq} is older than the entry before it");
        self.time_ms = time_ms;
        let account = self.accounts.entry(tenant.clone()).or_default();
        account
            .enter(seq, time_ms, body)
            .map_err(|f| Failure { what: format!("{tenant}:{seq}: {}", f.what), ..f })
    }
}

impl Account {
    fn enter(&mut self, seq: Seq, time_ms: i64, body: &Body) -> Result<(), Failure> {
        self.entries.insert(seq, fingerprint(body));
        match body {
            Body::Put { object, .. } => self.put(object),
            Body::Remove { kind, id, .. } => self.remove(*kind, id),
            Body::Set(set) => {
                let key = (set.upstream.clone(), set.jti.clone());
                self.sets.entry(key).or_default().push((seq, time_ms, set.payload_hash));
                if set.route == Route::Forward {
                    let (sub_id, event) = (set.sub_id.get().into(), set.event.get().into());
                    let said = Said { uri: set.uri.clone(), sub_id, event, txn: set.txn.clone() };
                    self.owe(Item { seq, index: 0 }, said, Some(&audience(&set.compact)));
                }
            }
            Body::Decision(decision) => {
                let cause = decision.cause;
                ensure!(cause.next() == seq, "decision", "a decision on {cause} is not right behind it");
                for (n, derived) in decision.derived.iter().enumerate() {
                    let (sub_id, event) = (derived.sub_id.get().into(), derived.event.get().into());
                    let said = Said { uri: derived.uri.clone(), sub_id, event, txn: decision.txn.clone() };
                    self.owe(Item { seq: cause, index: n as u32 + 1 }, said, None);
                }
            }
            Body::Outcomes(outcomes) => outcomes.iter().for_each(|outcome| self.outcome(outcome)),
            Body::Fact(_) | Body::Kill(_) | Body::Lift(_) | Body::Keys(_) | Body::Tick => {}
            Body::ClockAccepted { .. } => {}
            Body::Redrive(redrive) => self.redrive(redrive),
        }
        Ok(())
    }

    fn put(&mut self, object: &Object) {
        let next = self.next_no + 1;
        let no = *self.numbers.entry((object.kind(), object.id().to_string())).or_insert(next);
        self.next_no = self.next_no.max(no);
        if let Object::Stream(stream) = object {
            self.streams.insert(no, stream.clone());
        }
    }

    fn remove(&mut self, kind: ObjectKind, id: &str) {
        let Some(no) = self.numbers.remove(&(kind, id.to_string())) else { return };
        if self.streams.remove(&no).is_some() {
            let gone: Vec<_> = self.owed.iter().filter(|(on, _)| *on == no).copied().collect();
            for one in gone {
                self.owed.remove(&one);
                self.dropped.insert(one);
            }
            self.dead.retain(|(on, _)| *on != no);
        }
    }

    /// `aud`: whom the original names; nothing where lineage added it.
    fn owe(&mut self, item: Item, said: Said, aud: Option<&[String]>) {
        let wants = |s: &Stream| {
            let asked = s.events_requested.iter().any(|uri| uri == "*" || *uri == said.uri);
            let original = aud.is_some_and(|aud| aud.iter().any(|one| s.aud.contains(one)));
            asked && if s.relay { original } else { s.derived || aud.is_some() }
        };
        let wanting: Vec<_> =
            self.streams.iter().filter(|(_, s)| wants(s)).map(|(no, s)| (*no, s.clone())).collect();
        self.owed.extend(wanting.iter().map(|(no, _)| (*no, item)));
        self.matched.insert(item, wanting);
        self.said.insert(item, said);
    }

    fn redrive(&mut self, redrive: &Redrive) {
        for (stream, seq, index) in &redrive.items {
            let one = (stream.0, Item { seq: *seq, index: *index });
            if self.dead.remove(&one) && !redrive.discard {
                self.owed.insert(one);
            }
        }
    }

    fn outcome(&mut self, Outcome(stream, seq, index, fate, _): &Outcome) {
        let one = (stream.0, Item { seq: *seq, index: *index });
        if self.owed.remove(&one) {
            self.ended.insert(one, *fate);
            if *fate == Fate::GaveUp {
                self.dead.insert(one);
            }
        }
    }
}
