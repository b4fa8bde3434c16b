//! An account of what is owed, kept from the journal's entries alone and without the product's fold.
//!
//! Deliberately simple: who wants what is asked of the stream's configuration as journaled, references are a set. What
//! the product's state owes must be exactly what this says.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ssf_hub::hub::effect::Item;
use ssf_hub::hub::entry::streams::StatusChange;
use ssf_hub::hub::entry::{Body, Fate, Outcome, Redrive, Route};
use ssf_hub::hub::names;
use ssf_hub::hub::object::{Object, ObjectKind};
use ssf_hub::lineage::keyed::KeyHash;
use ssf_hub::stream::Stream;
use ssf_hub::stream::status::Status;
use ssf_hub::tenant::{Seq, TenantId};

use crate::fail::{Failure, ensure};
use crate::optout::Optouts;

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

/// The status of a stream, and what it becomes once an item has ended or at a time (ms).
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Life {
    pub status: Status,
    pub ending: Option<(Status, Item, i64)>,
}

/// Where something that is owed comes from; a SET with the `aud` of its original.
#[derive(Clone, Copy)]
enum Came<'a> {
    From(&'a [String]),
    Derived,
    Said,
}

/// One tenant's account.
#[derive(Default)]
pub struct Account {
    next_no: u32,
    numbers: BTreeMap<(ObjectKind, String), u32>,
    streams: BTreeMap<u32, Stream>,
    optouts: Optouts,
    /// Streams that are not simply enabled.
    lives: BTreeMap<u32, Life>,
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
        Body::Emit(emit) => emit_print(&emit.uri, emit.sub_id.get(), emit.event.get()),
        other => names::hash(&[other.name().as_bytes(), &other.to_vec().unwrap()]),
    }
}

pub fn emit_print(uri: &str, sub_id: &str, event: &str) -> KeyHash {
    names::hash(&[b"emit", uri.as_bytes(), sub_id.as_bytes(), event.as_bytes()])
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
        let due = |life: &Life| life.ending.is_some_and(|(.., due_ms)| due_ms <= time_ms);
        let due: Vec<u32> = self.lives.iter().filter(|(_, life)| due(life)).map(|(no, _)| *no).collect();
        for no in due {
            // The hub itself gives up what the receiver did not hear in time.
            if let Some((_, item, _)) = self.stop(no)
                && self.owed.remove(&(no, item))
            {
                self.dropped.insert((no, item));
                self.dead.insert((no, item));
            }
        }
        match body {
            Body::Put { object, .. } => self.put(object),
            Body::Remove { kind, id, .. } => self.remove(*kind, id),
            Body::Set(set) => {
                let key = (set.upstream.clone(), set.jti.clone());
                self.sets.entry(key).or_default().push((seq, time_ms, set.payload_hash));
                if set.route == Route::Forward {
                    let (sub_id, event) = (set.sub_id.get().into(), set.event.get().into());
                    let said = Said { uri: set.uri.clone(), sub_id, event, txn: set.txn.clone() };
                    self.owe(Item { seq, index: 0 }, said, Came::From(&audience(&set.compact)));
                    self.optouts.hear(&set.uri, set.sub_id.get());
                }
            }
            Body::Decision(decision) => {
                let cause = decision.cause;
                ensure!(cause.next() == seq, "decision", "a decision on {cause} is not right behind it");
                for (n, derived) in decision.derived.iter().enumerate() {
                    let (sub_id, event) = (derived.sub_id.get().into(), derived.event.get().into());
                    let said = Said { uri: derived.uri.clone(), sub_id, event, txn: decision.txn.clone() };
                    self.owe(Item { seq: cause, index: n as u32 + 1 }, said, Came::Derived);
                }
            }
            Body::Outcomes(outcomes) => outcomes.iter().for_each(|outcome| self.outcome(outcome)),
            Body::Fact(input) => self.optouts.fact(&input.fact),
            Body::Kill(_) | Body::Lift(_) | Body::Keys(_) | Body::Tick => {}
            Body::ClockAccepted { .. } | Body::Subjects(_) | Body::Restored(_) => {}
            Body::Redrive(redrive) => self.redrive(redrive),
            Body::Status(change) => self.status(seq, time_ms, change),
            Body::Control(control) => {
                let event = match &control.state {
                    Some(state) => serde_json::json!({ "state": state }),
                    None => serde_json::json!({}),
                };
                let disabled = self.life(control.stream.0).status == Status::Disabled;
                if !disabled {
                    self.tell(seq, control.stream.0, "verification", event, &control.txn);
                }
            }
            Body::Emit(emit) => {
                let allowed = self.optouts.allows(&emit.uri, emit.sub_id.get());
                ensure!(allowed, "opt", "{} was said out of turn", emit.uri);
                let (sub_id, event) = (emit.sub_id.get().into(), emit.event.get().into());
                let said = Said { uri: emit.uri.clone(), sub_id, event, txn: emit.txn.clone() };
                match emit.stream {
                    None => self.owe(Item { seq, index: 0 }, said, Came::Said),
                    Some(no) => self.owe_one(Item { seq, index: 0 }, said, no.0),
                }
                self.optouts.hear(&emit.uri, emit.sub_id.get());
            }
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
            self.lives.remove(&no);
        }
    }

    fn life(&self, no: u32) -> Life {
        self.lives.get(&no).cloned().unwrap_or_default()
    }

    fn status(&mut self, seq: Seq, time_ms: i64, change: &StatusChange) {
        let no = change.stream.0;
        if !self.streams.contains_key(&no) {
            return;
        }
        let before = self.life(no);
        let told = change.announce_ms.filter(|_| before.status != change.status);
        let mut event = serde_json::json!({ "status": change.status.as_str() });
        if let Some(reason) = &change.reason {
            event["reason"] = reason.as_str().into();
        }
        // Who was told of a stop that does not come is told that it goes on, whoever says so.
        let goes_on = change.status == Status::Enabled && before.ending.is_some();
        match told {
            Some(ms) if before.status == Status::Enabled => {
                let item = self.tell(seq, no, "stream-updated", event, &change.txn);
                let ending = Some((change.status, item, time_ms + ms));
                self.lives.insert(no, Life { ending, ..before });
            }
            _ if goes_on || (told.is_some() && change.status == Status::Enabled) => {
                self.tell(seq, no, "stream-updated", event, &change.txn);
                self.become_status(no, change.status);
            }
            _ => self.become_status(no, change.status),
        }
    }

    fn become_status(&mut self, no: u32, status: Status) {
        self.lives.insert(no, Life { status, ending: None });
        if status == Status::Disabled {
            let gone: Vec<_> = self.owed.iter().filter(|(on, _)| *on == no).copied().collect();
            for one in gone {
                self.owed.remove(&one);
                self.dropped.insert(one);
            }
        }
    }

    /// A stream that was told so stops; what it became, and by which item.
    fn stop(&mut self, no: u32) -> Option<(Status, Item, i64)> {
        let ending = self.life(no).ending?;
        self.become_status(no, ending.0);
        Some(ending)
    }

    /// An event about the stream itself.
    fn tell(&mut self, seq: Seq, no: u32, name: &str, event: serde_json::Value, txn: &str) -> Item {
        let item = Item { seq, index: 0 };
        let Some(stream) = self.streams.get(&no).cloned() else { return item };
        let sub_id = serde_json::json!({ "format": "opaque", "id": stream.stream_id }).to_string();
        let uri = format!("https://schemas.openid.net/secevent/ssf/event-type/{name}");
        self.said.insert(item, Said { uri, sub_id, event: event.to_string(), txn: txn.into() });
        self.owed.insert((no, item));
        self.matched.insert(item, vec![(no, stream)]);
        item
    }

    fn owe(&mut self, item: Item, said: Said, came: Came<'_>) {
        let wants = |s: &Stream| {
            let asked = s.events_requested.iter().any(|uri| uri == "*" || *uri == said.uri);
            let goes_on = match came {
                Came::From(aud) => !s.relay || aud.iter().any(|one| s.aud.contains(one)),
                Came::Derived => s.derived && !s.relay,
                Came::Said => !s.relay,
            };
            asked && goes_on
        };
        let withheld = !matches!(came, Came::Derived) && self.optouts.withholds(&said.uri, &said.sub_id);
        let holds = |no: u32| !withheld && self.life(no).status != Status::Disabled;
        let wanting: Vec<_> = self
            .streams
            .iter()
            .filter(|(no, s)| holds(**no) && wants(s))
            .map(|(no, s)| (*no, s.clone()))
            .collect();
        self.owed.extend(wanting.iter().map(|(no, _)| (*no, item)));
        self.matched.insert(item, wanting);
        self.said.insert(item, said);
    }

    fn owe_one(&mut self, item: Item, said: Said, no: u32) {
        let wants = |s: &Stream| s.events_requested.iter().any(|uri| uri == "*" || *uri == said.uri);
        let withheld = self.optouts.withholds(&said.uri, &said.sub_id);
        let open = !withheld && self.life(no).status != Status::Disabled;
        let one = self.streams.get(&no).filter(|s| open && wants(s) && !s.relay);
        let one: Vec<_> = one.map(|s| (no, s.clone())).into_iter().collect();
        self.owed.extend(one.iter().map(|(no, _)| (*no, item)));
        self.matched.insert(item, one);
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
            if self.life(one.0).ending.is_some_and(|(_, item, _)| item == one.1) {
                self.stop(one.0);
            }
        }
    }
}
