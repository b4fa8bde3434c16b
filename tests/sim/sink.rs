//! Where effects go in the simulation: what a gate and an outbox would hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use ssf_hub::hub::effect::{Claims, Effect, Item, Original, Sink};
use ssf_hub::hub::state::State;
use ssf_hub::journal::Position;
use ssf_hub::revocation::set::Set;
use ssf_hub::stream::{Stream, StreamNo};
use ssf_hub::tenant::TenantId;

/// One thing owed: whose, on which stream, what.
pub type Owed = (TenantId, StreamNo, Item);

/// What the outside holds by the effects it was told.
#[derive(Default)]
pub struct Told {
    pub sets: BTreeMap<TenantId, Set>,
    pub streams: BTreeMap<(TenantId, StreamNo), Arc<Stream>>,
    pub owed: BTreeMap<Owed, Arc<Claims>>,
    pub originals: BTreeMap<(TenantId, Item), Arc<Original>>,
    pub durable: Position,
    /// Events that were wanted and not owed, and opt events out of turn, since somebody looked.
    pub withheld: usize,
    pub undefined: usize,
    /// What no sink may ever be told.
    pub wrong: Option<String>,
}

/// The sink of one life of the process.
#[derive(Default)]
pub struct SimSink(Mutex<Told>);

impl SimSink {
    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }
}

impl Sink for SimSink {
    fn objects(&self, _: &State) {}

    fn durable(&self, end: Position) {
        let mut told = self.told();
        if end < told.durable {
            told.wrong = Some(format!("the durable mark went back from {} to {end}", told.durable));
        }
        told.durable = end;
    }

    fn noted(&self, _: &'static str, _: &str) {}
    fn publish(&self, tenant: &TenantId, effects: Vec<Effect>) {
        let mut told = self.told();
        told.sets.entry(tenant.clone()).or_default();
        for effect in effects {
            told.one(tenant, effect);
        }
    }
}

impl Told {
    fn one(&mut self, tenant: &TenantId, effect: Effect) {
        match effect {
            Effect::Owed { item, claims, streams } => {
                for stream in streams.iter().copied() {
                    if !self.streams.contains_key(&(tenant.clone(), stream)) {
                        self.wrong =
                            Some(format!("{tenant}: {item:?} is owed to {stream:?}, which is no stream"));
                    }
                    self.owed.insert((tenant.clone(), stream, item), claims.clone());
                }
            }
            Effect::Settled { stream, item, .. } => {
                if self.owed.remove(&(tenant.clone(), stream, item)).is_none() {
                    self.wrong = Some(format!("{tenant}: {item:?} on {stream:?} ended and was not owed"));
                }
            }
            Effect::Stream { no, stream: Some(stream) } => {
                self.streams.insert((tenant.clone(), no), stream);
            }
            Effect::Stream { no, stream: None } => {
                self.streams.remove(&(tenant.clone(), no));
                self.owed.retain(|(of, on, _), _| (of, on) != (tenant, &no));
            }
            Effect::Standing { key, standing } => self.sets[tenant].put(key, standing),
            Effect::Token { key, lineage } => self.sets[tenant].put_token(key, lineage),
            Effect::Dropped { stream, item } => {
                if self.owed.remove(&(tenant.clone(), stream, item)).is_none() {
                    self.wrong = Some(format!("{tenant}: {item:?} on {stream:?} dropped and was not owed"));
                }
            }
            Effect::Flow { .. } => {}
            Effect::Original { item, original: Some(original) } => {
                self.originals.insert((tenant.clone(), item), original);
            }
            Effect::Original { item, original: None } => {
                if self.originals.remove(&(tenant.clone(), item)).is_none() {
                    self.wrong =
                        Some(format!("{tenant}: the original of {item:?} is let go and was not held"));
                }
            }
            Effect::Withheld { .. } => self.withheld += 1,
            Effect::Undefined { .. } => self.undefined += 1,
            Effect::Unkept { .. }
            | Effect::Unannounced { .. }
            | Effect::Recorded { .. }
            | Effect::Overfull { .. }
            | Effect::Objects
            | Effect::Tenant(_) => {}
        }
    }
}
