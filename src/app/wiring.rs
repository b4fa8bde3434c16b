//! Effects, behind the durable mark, to the parts that act on them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::gate::home::TenantDef;
use crate::gate::issuer::IssuerDef;
use crate::gate::judge::Gate;
use crate::gate::point::{PointDef, hash_of_text};
use crate::hub::bearer;
use crate::hub::effect::{Effect, Sink};
use crate::hub::metrics::Metrics;
use crate::hub::state::State;
use crate::hub::view::{View, Views};
use crate::journal::Position;
use crate::keys::Keys;
use crate::outbox::queues::Outbox;
use crate::revocation::set::Set;
use crate::stream::StreamNo;
use crate::tenant::{EntryId, TenantId};

/// More was owed than a stream may have.
const OVERFULL: &str = "stream_overfull";
/// A dead letter, given up by the spine itself.
const DEAD_LETTER: &str = "dead_letter";
/// A dead letter is not kept.
const UNKEPT: &str = "dead_letter_dropped";

/// An event is not sent because its account has opted out.
const WITHHELD: &str = "opt_out_withheld";
/// An opt event came in a state from which it does not lead.
const UNDEFINED: &str = "opt_out_undefined";

/// Where effects go.
pub struct Wiring {
    /// Objects for the doors.
    pub views: Arc<Views>,
    /// What is owed.
    pub outbox: Arc<Outbox>,
    /// What is denied.
    pub gate: Arc<Gate>,
    /// Subject keys for the gate.
    pub keys: Arc<Keys>,
    /// What is counted.
    pub metrics: Metrics,
    /// The revocation set of each tenant.
    pub sets: RwLock<HashMap<TenantId, Arc<Set>>>,
    /// Up to where the journal is durable: where the projections stop.
    pub durable: Arc<Mutex<Position>>,
    /// Called when there is something new for the projections.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    /// Where operational events go.
    pub noting: tokio::sync::mpsc::Sender<super::notes::Note>,
}

impl Wiring {
    fn set(&self, tenant: &TenantId) -> Arc<Set> {
        if let Some(set) = self.sets.read().unwrap_or_else(PoisonError::into_inner).get(tenant) {
            return set.clone();
        }
        self.sets.write().unwrap_or_else(PoisonError::into_inner).entry(tenant.clone()).or_default().clone()
    }

    /// One operational event, which is a log line too. Where too many of them wait already, the line alone.
    fn note(&self, tenant: &TenantId, kind: &'static str, subject: String, what: String) {
        if let Err(full) = self.noting.try_send((tenant.clone(), kind, subject, what)) {
            let (_, _, subject, what) = full.into_inner();
            tracing::warn!(%tenant, kind, subject, what, "an operational event that is not kept");
        }
    }

    /// What streams lost for a bound: one event a stream.
    fn tell_lost(&self, tenant: &TenantId, lost: BTreeMap<(&'static str, StreamNo), usize>) {
        for ((kind, no), n) in lost {
            let stream = self.outbox.queue(tenant, no).and_then(|queue| queue.stream());
            let stream_id = stream.map(|s| s.stream_id.clone()).unwrap_or_default();
            let what = match kind {
                OVERFULL => format!(
                    "more is owed than a stream may have: its {n} oldest are dead letters `retention`"
                ),
                DEAD_LETTER => "announcement: the stream stopped before its receiver had heard so".into(),
                _ => format!("{n} dead letters are not kept: there are as many as may be"),
            };
            self.note(tenant, kind, stream_id, what);
        }
    }

    /// What became of opt-outs (RISC 2.8): one event for each that an operator should know of.
    fn tell_opts(&self, tenant: &TenantId, effects: &[Effect]) {
        for effect in effects {
            let (kind, seq, what) = match effect {
                Effect::Withheld { item, streams } => {
                    let what =
                        format!("not sent to {streams} stream(s): its account has opted out (RISC 2.8)");
                    (WITHHELD, item.seq, what)
                }
                Effect::Undefined { seq, from, word } => {
                    let (word, from, to) = (word.as_str(), from.as_str(), word.to().as_str());
                    let what =
                        format!("{word} came in the state {from}; the account is in the state {to} now");
                    (UNDEFINED, *seq, what)
                }
                _ => continue,
            };
            self.note(tenant, kind, EntryId { tenant: tenant.clone(), seq }.to_string(), what);
        }
    }

    /// The gate's picture of a tenant. Without its subject key no token can be held against the records: the tenant
    /// is then unknown to the gate, and everything of it is refused.
    fn tell_gate(&self, tenant: &TenantId, view: &View) {
        let keys = match self.keys.tenant(tenant) {
            Ok(keys) => keys,
            Err(error) => {
                tracing::error!(%tenant, %error, "the tenant's keys cannot be read: its gate refuses everything");
                return self.gate.remove_tenant(tenant);
            }
        };
        let issuers = view.token_issuers.iter().map(|i| IssuerDef {
            iss: i.iss.clone(),
            jwks: i.jwks.clone(),
            algs: i.algs.clone(),
            clock_tolerance_s: i.clock_tolerance_s,
            max_token_lifetime_s: i.max_token_lifetime_s,
            alias_claims: i.alias_claims.clone(),
            lineage_stamp: i.lineage_stamp,
        });
        let points = view.points.iter().flat_map(|p| {
            bearer::all(&p.bearer_sha256, &p.old_bearers).filter_map(|(hash, expires_at)| {
                let bearer_sha256 = hash_of_text(hash)?;
                Some(PointDef { id: p.id.clone(), bearer_sha256, expires_at, aud: p.aud.clone() })
            })
        });
        self.gate.put_tenant(
            tenant,
            TenantDef {
                issuers: issuers.collect(),
                points: points.collect(),
                set: self.set(tenant),
                subject_key: keys.subject_key().clone(),
            },
        );
    }
}

impl Sink for Wiring {
    fn objects(&self, state: &State) {
        let view = self.views.put(state);
        if !state.tenant().is_hub() {
            self.tell_gate(state.tenant(), &view);
        }
    }

    fn durable(&self, end: Position) {
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner) = end;
        (self.wake)();
    }

    fn noted(&self, kind: &'static str, what: &str) {
        let _ = self.noting.try_send((TenantId::hub(), kind, "hub".into(), what.into()));
    }

    fn publish(&self, tenant: &TenantId, effects: Vec<Effect>) {
        // Records first: what must stop, stops before anybody is told.
        let set = self.set(tenant);
        let mut lost: BTreeMap<(&'static str, StreamNo), usize> = BTreeMap::new();
        for effect in &effects {
            match effect {
                Effect::Standing { key, standing } => set.put(*key, standing.clone()),
                Effect::Token { key, lineage } => set.put_token(*key, lineage.clone()),
                Effect::Overfull { stream } => *lost.entry((OVERFULL, *stream)).or_default() += 1,
                Effect::Unannounced { stream } => *lost.entry((DEAD_LETTER, *stream)).or_default() += 1,
                Effect::Unkept { stream } => *lost.entry((UNKEPT, *stream)).or_default() += 1,
                _ => {}
            }
        }
        self.tell_lost(tenant, lost);
        self.tell_opts(tenant, &effects);
        self.outbox.publish(tenant, &effects);
        self.metrics.effects(tenant, &effects);
    }
}
