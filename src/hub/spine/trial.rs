//! Objects as they would be: what a change, or a whole set of them, is judged against before any of it is written.
//!
//! The spine asks here for every `Put` and `Remove`; a dry run asks for one change after another and keeps those that fit
//! in a [`Trial`]. Nothing here is staged.

use std::collections::BTreeMap;

use super::Spine;
use crate::hub::command::Refused;
use crate::hub::object::{Object, ObjectKind};
use crate::hub::state::State;
use crate::tenant::TenantId;

/// Objects of a tenant that were judged: what they would be, and whose; `None`: gone.
type Judged = BTreeMap<ObjectKind, BTreeMap<String, Option<(Object, String)>>>;

/// Changes that fit one behind the other, and are not made.
#[derive(Debug, Default)]
pub struct Trial(BTreeMap<TenantId, Judged>);

/// A change of a tenant's objects that is made as a whole or not at all.
#[derive(Clone, Debug)]
pub enum Change {
    /// Objects are made or changed, each with whose it is then.
    Put(Vec<(Object, String)>),
    /// An object is taken away, by whom.
    Remove(ObjectKind, String, String),
}

impl Trial {
    /// Whether it would make this tenant.
    fn makes(&self, tenant: &TenantId) -> bool {
        let made = self.0.get(&TenantId::hub()).and_then(|judged| judged.get(&ObjectKind::Tenant));
        made.is_some_and(|tenants| tenants.contains_key(tenant.as_str()))
    }

    fn note(&mut self, tenant: &TenantId, change: Change) {
        let judged = self.0.entry(tenant.clone()).or_default();
        match change {
            Change::Put(puts) => {
                for (object, by) in puts {
                    let of_kind = judged.entry(object.kind()).or_default();
                    of_kind.insert(object.id().to_string(), Some((object, by)));
                }
            }
            Change::Remove(kind, id, _) => {
                judged.entry(kind).or_default().insert(id, None);
            }
        }
    }
}

impl Spine {
    /// Judges a change as if those in the trial were made. One that fits is taken into the trial.
    pub fn attempt(&self, trial: &mut Trial, tenant: &TenantId, change: Change) -> Result<(), Refused> {
        self.fits(tenant, trial, &change)?;
        trial.note(tenant, change);
        Ok(())
    }

    /// The objects of a tenant, with what the trial says of them, before a change.
    pub(super) fn scene<'a>(&'a self, tenant: &TenantId, trial: &'a Trial) -> Result<Scene<'a>, Refused> {
        let state = self.state(tenant);
        if state.is_none() && !trial.makes(tenant) {
            return Err(Refused::NoTenant);
        }
        Ok(Scene { state, judged: trial.0.get(tenant), now: BTreeMap::new() })
    }
}

/// A tenant's objects as they would be.
pub(super) struct Scene<'a> {
    state: Option<&'a State>,
    judged: Option<&'a Judged>,
    now: BTreeMap<(ObjectKind, &'a str), (&'a Object, &'a str)>,
}

impl<'a> Scene<'a> {
    /// The same, with these in it.
    pub fn with(&self, puts: &'a [(Object, String)]) -> Scene<'a> {
        let now = puts.iter().map(|(object, by)| ((object.kind(), object.id()), (object, by.as_str())));
        Scene { state: self.state, judged: self.judged, now: now.collect() }
    }

    /// An object, and whose it is.
    pub fn stored(&self, kind: ObjectKind, id: &str) -> Option<(&'a Object, &'a str)> {
        if let Some(now) = self.now.get(&(kind, id)) {
            return Some(*now);
        }
        match self.judged.and_then(|judged| judged.get(&kind)?.get(id)) {
            Some(judged) => judged.as_ref().map(|(object, by)| (object, by.as_str())),
            None => self.state?.object(kind, id).map(|stored| (&stored.object, stored.by.as_str())),
        }
    }

    /// An object.
    pub fn object(&self, kind: ObjectKind, id: &str) -> Option<&'a Object> {
        self.stored(kind, id).map(|(object, _)| object)
    }

    /// All objects of a kind, in no order.
    pub fn objects_of(&self, kind: ObjectKind) -> impl Iterator<Item = &'a Object> {
        let judged = self.judged.and_then(|judged| judged.get(&kind));
        let is_now = move |id: &str| self.now.contains_key(&(kind, id));
        let stored = self.state.into_iter().flat_map(move |state| state.objects_of(kind));
        let stored = stored.map(|stored| &stored.object);
        let stored = stored.filter(move |object| {
            !is_now(object.id()) && judged.is_none_or(|judged| !judged.contains_key(object.id()))
        });
        let judged = judged.into_iter().flatten().filter(move |(id, _)| !is_now(id));
        let judged = judged.filter_map(|(_, judged)| judged.as_ref().map(|(object, _)| object));
        let now = self.now.iter().filter(move |((of, _), _)| *of == kind).map(|(_, (object, _))| *object);
        stored.chain(judged).chain(now)
    }
}
