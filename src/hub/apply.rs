//! The fold: `apply(state, entry) -> effects`, deterministic.
//!
//! No clock, chance, I/O, key, float or hash-map order; bounds are counts (DESIGN 2). Due timers fire first,
//! by the entry's time. Never evaluates a rule: a decision comes as an entry and carries all it needs.

mod emit;
pub mod flow;
mod opting;
mod owe;
mod redrive;
mod relay;
mod remember;
mod timers;

use std::collections::BTreeSet;
use std::sync::Arc;

use opting::Heard;
use owe::Came;
use timers::GRACE_MS;

use super::effect::{Claims, Effect, Item};
use super::entry::{Act, Body, Decision, FactInput, Lifted, Route, SetInput};
use super::names;
use super::object::{Object, ObjectKind, Strength};
use super::state::{Echo, IDEMPOTENCY_MAX, Seen, State, Stored, Timer};
use super::subjects::SWEPT_PER_ENTRY;
use crate::lineage::fact::Fact;
use crate::lineage::node::{Class, End, NodeId};
use crate::revocation::key::KeyHash;
use crate::revocation::record::{Record, Standing};
use crate::stream::StreamNo;
use crate::tenant::Seq;

/// Most known tokens whose lineage one fact may refresh.
const REFRESH_MAX: usize = 10_000;

/// An entry with its place and time.
#[derive(Clone, Debug)]
pub struct Stamped {
    /// Its place.
    pub seq: Seq,
    /// Its time (ms since 1970).
    pub time_ms: i64,
    /// Its payload.
    pub body: Body,
}

impl State {
    /// Folds an entry of the past again. What followed outside is not told token by token: [`State::everything`] tells
    /// all at the end.
    pub fn refold(&mut self, entry: &Stamped) -> Vec<Effect> {
        self.refolding = true;
        let fx = self.apply(entry);
        self.refolding = false;
        fx
    }

    /// Folds one entry. What it returns may be acted on once the entry is durable.
    pub fn apply(&mut self, entry: &Stamped) -> Vec<Effect> {
        let mut fx = Vec::new();
        self.fire(entry.time_ms, &mut fx);
        let mut undecided = false;
        match &entry.body {
            Body::Put { object, by } => self.put(object, by, &mut fx),
            Body::Remove { kind, id, .. } => self.remove(*kind, id, &mut fx),
            Body::Set(set) => {
                undecided = matches!(set.route, Route::Forward | Route::Heard);
                self.set(entry, set, &mut fx);
            }
            Body::Fact(fact) => {
                undecided = true;
                self.fact(entry, fact, &mut fx);
            }
            Body::Kill(_) | Body::Lift(_) => undecided = true,
            Body::Decision(decision) => self.decision(entry, decision, &mut fx),
            Body::Outcomes(outcomes) => {
                for outcome in outcomes {
                    self.outcome(entry.time_ms, outcome, &mut fx);
                }
            }
            Body::Tick => undecided = true,
            Body::Keys(keys) => {
                self.evidence.insert(keys.upstream.clone(), names::hash(&[keys.jwks.as_bytes()]));
            }
            Body::Subjects(change) => self.subjects_changed(entry, change),
            Body::Status(change) => self.status_changed(entry, change, &mut fx),
            Body::Control(control) => self.verification(entry, control, &mut fx),
            Body::Emit(emit) => self.emit(entry, emit, &mut fx),
            Body::Redrive(redrive) => self.redrive(entry.time_ms, redrive, &mut fx),
            Body::ClockAccepted { .. } | Body::Restored(_) => {}
        }
        self.subjects.sweep(SWEPT_PER_ENTRY);
        self.meta_mut(|m| {
            m.seq = entry.seq;
            m.time_ms = entry.time_ms;
            m.undecided = undecided;
        });
        fx
    }

    /// Effects that rebuild everything outside the state from it, at start.
    pub fn everything(&self) -> Vec<Effect> {
        let mut fx = vec![Effect::Tenant(self.tenant.clone()), Effect::Objects];
        fx.extend(self.streams.iter().map(|(no, s)| Effect::Stream { no: *no, stream: Some(s.clone()) }));
        let flows = self.life.iter().map(|(no, _)| Effect::Flow { stream: *no, flow: self.flow_of(*no) });
        fx.extend(flows);
        fx.extend(self.standings().map(|(key, _, list)| Effect::Standing { key, standing: list.to_vec() }));
        let tokens = self.graph.nodes().filter(|(_, node)| node.class == Class::Token);
        fx.extend(tokens.filter_map(|(id, _)| self.token_effect(id)));
        fx.extend(
            self.originals
                .iter()
                .map(|(item, held)| Effect::Original { item: *item, original: Some(held.original.clone()) }),
        );
        fx.extend(self.owing.by_row().filter_map(|(item, streams)| {
            Some(Effect::Owed { item, claims: self.claims.get(&item)?.clone(), streams: streams.into() })
        }));
        fx
    }

    /// The longest that any token of a configured issuer may live (ms).
    pub(super) fn longest_token_ms(&self) -> i64 {
        let both = [ObjectKind::TokenIssuer, ObjectKind::Upstream];
        let lifetimes =
            both.into_iter().flat_map(|kind| self.objects_of(kind)).filter_map(|s| match &s.object {
                Object::TokenIssuer(i) => Some(i.max_token_lifetime_s),
                Object::Upstream(u) => Some(u.max_token_lifetime_s),
                _ => None,
            });
        i64::from(lifetimes.max().unwrap_or(86_400)) * 1000
    }

    fn put(&mut self, object: &Object, by: &str, fx: &mut Vec<Effect>) {
        let key = (object.kind(), object.id().to_string());
        let no = match self.objects.get(&key) {
            Some(stored) => stored.no,
            None => {
                let no = self.meta().next_no;
                self.meta_mut(|m| m.next_no = no.saturating_add(1));
                no
            }
        };
        if let Object::Stream(stream) = object {
            let stream = Arc::new(stream.clone());
            if let Some(old) = self.streams.insert(StreamNo(no), stream.clone()) {
                self.topics.remove(StreamNo(no), &old);
                self.subjects.change(StreamNo(no), &old, &stream);
            }
            self.count_special();
            self.topics.insert(StreamNo(no), &stream);
            fx.push(Effect::Stream { no: StreamNo(no), stream: Some(stream) });
        }
        if let Object::Tenant(tenant) = object
            && let Ok(id) = crate::tenant::TenantId::parse(&tenant.id)
        {
            fx.push(Effect::Tenant(id));
        }
        self.objects.insert(key, Stored { object: object.clone(), by: by.into(), no });
        fx.push(Effect::Objects);
    }

    fn remove(&mut self, kind: ObjectKind, id: &str, fx: &mut Vec<Effect>) {
        let Some(stored) = self.objects.remove(&(kind, id.to_string())) else { return };
        match stored.object {
            Object::Stream(_) => self.drop_stream(StreamNo(stored.no), fx),
            Object::Upstream(_) => {
                for (_, _, key) in self.seen_order.remove(&stored.no).unwrap_or_default() {
                    self.seen.remove(&key);
                }
            }
            _ => {}
        }
        fx.push(Effect::Objects);
    }

    fn set(&mut self, entry: &Stamped, set: &SetInput, fx: &mut Vec<Effect>) {
        let no = self.object(ObjectKind::Upstream, &set.upstream).map_or(0, |s| s.no);
        let seen = Seen { upstream: no, at_ms: entry.time_ms, seq: entry.seq, payload: set.payload_hash };
        self.remember(names::seen_key(&set.upstream, &set.iss, &set.jti), seen);
        if !matches!(set.route, Route::Forward | Route::Heard) {
            return;
        }
        let said = Some((self.strength_of(&set.upstream), names::names_hash(&set.names)));
        self.remember_echo(set.echo, Echo { seq: entry.seq, said });
        if set.route == Route::Heard {
            return;
        }
        let claims = || Claims {
            uri: set.uri.clone(),
            sub_id: set.sub_id.get().into(),
            event: set.event.get().into(),
            txn: set.txn.clone(),
            toe: set.toe,
            iat: entry.time_ms / 1000,
            accepted_ms: entry.time_ms,
            subject: names::subject_order(set.sub_id.get()),
        };
        let about = (set.uri.as_str(), set.sub_id.get());
        self.owe(Item { seq: entry.seq, index: 0 }, about, claims, Came::From(set), fx);
        let (uri, sub_id) = about;
        let heard = Heard { seq: entry.seq, uri, sub_id, event: set.event.get(), scope: &set.iss };
        self.opt(&heard, fx);
    }

    /// The strongest effect that an upstream may cause.
    pub(super) fn strength_of(&self, upstream: &str) -> Strength {
        match self.object(ObjectKind::Upstream, upstream).map(|stored| &stored.object) {
            Some(Object::Upstream(upstream)) => upstream.authority.effect,
            _ => Strength::Record,
        }
    }

    fn fact(&mut self, entry: &Stamped, input: &FactInput, fx: &mut Vec<Effect>) {
        if let Some(key) = &input.idempotency_key {
            let key = (input.client.clone(), key.clone());
            if self.idempotency_order.len() >= IDEMPOTENCY_MAX
                && let Some((_, old)) = self.idempotency_order.pop_front()
            {
                self.idempotency.remove(&old);
            }
            self.idempotency_order.push_back((entry.seq, key.clone()));
            self.idempotency.insert(key, (entry.seq, names::fact_hash(&input.fact)));
        }
        // The sequencer has checked it on this very state; a fold that meets a conflict all the same changes nothing.
        let Ok(folded) = self.graph.fold(entry.seq, entry.time_ms, &input.client, &input.fact, &input.hashes)
        else {
            return;
        };
        for (node, deadline_ms) in folded.deadlines {
            self.timers.insert((deadline_ms, Timer::Deadline(node)), ());
        }
        if let Fact::Token(token) = &input.fact
            && let Some(node) = folded.node
        {
            let until = token.exp.saturating_mul(1000).saturating_add(GRACE_MS);
            self.timers.insert((until, Timer::Forget(node)), ());
        }
        for node in self.tokens_below(&folded.relinked, REFRESH_MAX) {
            fx.extend(self.token_effect(node));
        }
    }

    /// A token's own key: what the gate knows it by.
    fn jti_key(&self, token: NodeId) -> Option<KeyHash> {
        self.graph
            .hashed(token)
            .find(|(alias, _)| alias.kind == "jti")
            .and_then(|(_, hashes)| hashes.first().copied())
    }

    /// Tokens below nodes, nearest first, at most `max`.
    fn tokens_below(&self, nodes: &[NodeId], max: usize) -> Vec<NodeId> {
        let (mut queue, mut at) = (nodes.to_vec(), 0);
        let mut seen: BTreeSet<NodeId> = nodes.iter().copied().collect();
        let mut tokens = Vec::new();
        while let Some(&here) = queue.get(at) {
            at += 1;
            if self.graph.node(here).is_some_and(|n| n.class == Class::Token) {
                tokens.push(here);
            }
            if tokens.len() >= max || queue.len() >= 10 * max {
                break;
            }
            let below = self.graph.below(here).filter(|(kind, _)| kind.cascades());
            queue.extend(below.map(|(_, id)| id).filter(|id| seen.insert(*id)));
        }
        tokens
    }

    fn token_effect(&self, node: NodeId) -> Option<Effect> {
        if self.refolding {
            return None;
        }
        let key = self.jti_key(node)?;
        let lineage = crate::revocation::ancestry::token_lineage(&self.graph, node);
        let lineage = crate::revocation::set::Lineage { keys: lineage.into() };
        Some(Effect::Token { key, lineage: Some(lineage) })
    }

    fn decision(&mut self, entry: &Stamped, decision: &Decision, fx: &mut Vec<Effect>) {
        for (node, how) in &decision.ends {
            self.graph.end(*node, End { at_ms: entry.time_ms, seq: entry.seq, how: *how });
            let last_ms = self.graph.lasts_until_ms(*node);
            // What is killed or suspended may come back before its deadline; that still ends it then.
            if let Some(last_ms) = last_ms.filter(|_| !how.is_reversible()) {
                self.timers.remove(&(last_ms, Timer::Deadline(*node)));
                self.forget_later(*node, entry.time_ms.max(last_ms));
            }
        }
        for (node, how) in &decision.revived {
            self.graph.revive(*node, *how);
        }
        for lifted in &decision.lifted {
            self.lift(entry.seq, lifted, fx);
        }
        for record in &decision.records {
            self.stand(entry.seq, record, fx);
        }
        for alias in &decision.closed {
            // What stands under the name's keys is for who has it next, and no longer for tokens of who had it.
            let node = self.graph.close_name(alias);
            for token in self.tokens_below(node.as_slice(), REFRESH_MAX) {
                fx.extend(self.token_effect(token));
            }
        }
        self.derive(entry, decision, fx);
    }

    fn derive(&mut self, entry: &Stamped, decision: &Decision, fx: &mut Vec<Effect>) {
        let mut echoes = Vec::with_capacity(decision.derived.len());
        for (n, derived) in decision.derived.iter().enumerate() {
            let item = Item { seq: decision.cause, index: u32::try_from(n + 1).unwrap_or(u32::MAX) };
            echoes.push(derived.echo);
            let claims = || Claims {
                uri: derived.uri.clone(),
                sub_id: derived.sub_id.get().into(),
                event: derived.event.get().into(),
                txn: decision.txn.clone(),
                toe: None,
                iat: entry.time_ms / 1000,
                accepted_ms: entry.time_ms,
                subject: names::subject_order(derived.sub_id.get()),
            };
            self.owe(item, (&derived.uri, derived.sub_id.get()), claims, Came::Derived, fx);
        }
        // The order in which echoes are forgotten must be the one that a reload finds.
        echoes.sort_unstable();
        for echo in echoes {
            self.remember_echo(echo, Echo { seq: entry.seq, said: None });
        }
    }

    /// Puts a record beside what stands under its key; what holds never shrinks.
    fn stand(&mut self, seq: Seq, record: &Record, fx: &mut Vec<Effect>) {
        let (_, mut list) = self.take_standing(record.key).unwrap_or((record.kind, vec![]));
        match list.iter_mut().find(|s| s.basis == record.basis) {
            Some(standing) => standing.merge(record, seq),
            None => list.push(Standing::of(record, seq)),
        }
        fx.push(Effect::Standing { key: record.key, standing: list.clone() });
        fx.push(Effect::Recorded { seq, record: record.clone() });
        self.put_standing(record.key, record.kind, list);
    }

    /// Turns a hold into a watermark: what was issued up to the lift stays dead.
    fn lift(&mut self, seq: Seq, lifted: &Lifted, fx: &mut Vec<Effect>) {
        let Some((kind, mut list)) = self.take_standing(lifted.key) else { return };
        list.retain(|s| s.basis != lifted.basis);
        self.put_standing(lifted.key, kind, list);
        self.stand(seq, &lifted.left(), fx);
    }
}

/// The target of a kill or lift, for logs: kind and value of its alias.
pub fn target_of(act: &Act) -> String {
    format!("{} {}", act.target.alias.kind, act.target.alias.value)
}
