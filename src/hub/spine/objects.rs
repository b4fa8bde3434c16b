//! What the spine does with the objects that operators make, change and take away.
//!
//! Several that are put at once are judged as they will be together, and written together: what follows from a client's
//! rights changes with them or not at all. Only more than a batch holds is written in several: a crash in between leaves
//! the first ones, and the next start goes on (`app/reconcile.rs`).

use std::collections::BTreeMap;

use super::trial::{Change, Scene, Trial};
use super::{Fatal, Spine, clients};
use crate::hub::command::{Answer, Refused};
use crate::hub::entry::Body;
use crate::hub::object::{Object, ObjectKind, Role};
use crate::hub::owner::{self, Owner};
use crate::stream::Stream;
use crate::tenant::{EntryId, TenantId};

impl Spine {
    /// Answers with the entry of the first one.
    pub(super) fn put(
        &mut self,
        tenant: TenantId,
        puts: Vec<(Object, String)>,
        answer: Answer<EntryId>,
    ) -> Result<(), Fatal> {
        let change = Change::Put(puts);
        if let Err(refused) = self.may_make(&tenant, &change) {
            return self.refuse(answer, refused);
        }
        let Change::Put(puts) = change else { return Ok(()) };
        let mut first = None;
        for (object, by) in puts {
            let id = self.stage(&tenant, Body::Put { object, by })?;
            first.get_or_insert(id);
            if self.staged_bytes >= self.staged_max {
                self.commit()?;
            }
        }
        match first {
            Some(id) => self.later(answer, id),
            None => return self.refuse(answer, Refused::Unfit("there is nothing to be put".into())),
        }
        Ok(())
    }

    pub(super) fn remove(
        &mut self,
        tenant: TenantId,
        kind: ObjectKind,
        id: String,
        by: String,
        answer: Answer<EntryId>,
    ) -> Result<(), Fatal> {
        let change = Change::Remove(kind, id, by);
        if let Err(refused) = self.may_make(&tenant, &change) {
            return self.refuse(answer, refused);
        }
        let Change::Remove(kind, id, by) = change else { return Ok(()) };
        let id = self.stage(&tenant, Body::Remove { kind, id, by })?;
        self.later(answer, id);
        Ok(())
    }

    fn may_make(&self, tenant: &TenantId, change: &Change) -> Result<(), Refused> {
        self.intake_of(tenant)?;
        self.fits(tenant, &Trial::default(), change)
    }

    /// Whether a change holds by itself and among what exists, and what the trial says of it.
    pub(super) fn fits(&self, tenant: &TenantId, trial: &Trial, change: &Change) -> Result<(), Refused> {
        match change {
            Change::Put(puts) => self.fit(tenant, trial, puts),
            Change::Remove(kind, id, by) => removable(&self.scene(tenant, trial)?, *kind, id, by),
        }
    }

    fn fit(&self, tenant: &TenantId, trial: &Trial, puts: &[(Object, String)]) -> Result<(), Refused> {
        // Of several it is said which one is meant.
        let named = |object: &Object, refused: Refused| match puts {
            [_] => refused,
            _ => refused.of(object),
        };
        for (object, _) in puts {
            object.check().map_err(|bad| named(object, bad.into()))?;
            if object.kind().in_hub() != tenant.is_hub() {
                let what = format!("{} do not live in this tenant", object.kind().collection());
                return Err(named(object, Refused::Unfit(what)));
            }
        }
        let before = self.scene(tenant, trial)?;
        let after = before.with(puts);
        for (object, by) in puts {
            let stored = before.stored(object.kind(), object.id());
            owner::may_change(stored.map(|(_, by)| by), by).map_err(|refused| named(object, refused))?;
        }
        if let Some(stream) = speaks_otherwise(&after, puts) {
            return Err(named(
                stream,
                Refused::Unfit("another stream of this audience has another dialect".into()),
            ));
        }
        for (object, by) in puts {
            fits_among(&before, &after, object, by).map_err(|refused| named(object, refused))?;
        }
        Ok(())
    }
}

/// Whether an object fits among those that will be.
fn fits_among(before: &Scene<'_>, after: &Scene<'_>, object: &Object, by: &str) -> Result<(), Refused> {
    let taken = |what: &str| Err(Refused::Unfit(format!("{what} is taken by another object")));
    match object {
        Object::Stream(s) if after.object(ObjectKind::Client, &s.client).is_none() => {
            Err(Refused::Unfit("the stream's client does not exist".into()))
        }
        // What was owed on it would have to become something else.
        Object::Stream(s)
            if matches!(before.object(ObjectKind::Stream, &s.stream_id),
                        Some(Object::Stream(old)) if old.relay != s.relay) =>
        {
            let what = "a stream that relays stays one, and no other becomes one: make another stream";
            Err(Refused::Unfit(what.into()))
        }
        // An operator may give a receiver more than it may take.
        Object::Stream(s) if matches!(Owner::of(by), Owner::Client(_)) => has_room_for(before, s),
        Object::TokenIssuer(new) => {
            let mut others = after.objects_of(ObjectKind::TokenIssuer);
            let is_other =
                |o: &Object| matches!(o, Object::TokenIssuer(i) if i.iss == new.iss && i.id != new.id);
            if others.any(is_other) { taken("iss") } else { Ok(()) }
        }
        Object::AuthorizationServer(new) => {
            let mut others = after.objects_of(ObjectKind::AuthorizationServer);
            let is_other = |o: &Object| matches!(o, Object::AuthorizationServer(a) if a.iss == new.iss && a.id != new.id);
            if others.any(is_other) { taken("iss") } else { Ok(()) }
        }
        Object::Client(client) => clients::fits(after, client),
        Object::Operator(o) if o.role != Role::Admin && is_last_admin(before, &o.id) => {
            Err(Refused::Unfit("this is the last admin: nobody could make another one".into()))
        }
        Object::Operator(_) | Object::Point(_) => {
            let (kind, id) = (object.kind(), object.id());
            let mut others = after.objects_of(kind).filter(|o| o.id() != id);
            // Who is who is told apart by the bearer.
            let shares = |other: &Object| other.bearers().any(|hash| object.bearers().any(|own| own == hash));
            if others.any(shares) { taken("bearer") } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

fn has_room_for(before: &Scene<'_>, stream: &Stream) -> Result<(), Refused> {
    if before.object(ObjectKind::Stream, &stream.stream_id).is_some() {
        return Ok(());
    }
    let max = match before.object(ObjectKind::Client, &stream.client) {
        Some(Object::Client(client)) => client.receiver.as_ref().map_or(0, |r| r.streams_max),
        _ => 0,
    };
    let own = streams(before).filter(|s| s.client == stream.client && !s.relay).count();
    if own < usize::try_from(max).unwrap_or(usize::MAX) { Ok(()) } else { Err(Refused::StreamsMax) }
}

fn removable(scene: &Scene<'_>, kind: ObjectKind, id: &str, by: &str) -> Result<(), Refused> {
    let Some((_, owner)) = scene.stored(kind, id) else { return Err(Refused::NoObject(kind)) };
    owner::may_change(Some(owner), by)?;
    match kind {
        ObjectKind::Tenant => Err(Refused::Unfit("a tenant cannot be taken away".into())),
        ObjectKind::Operator if is_last_admin(scene, id) => {
            Err(Refused::Unfit("this is the last admin: nobody could make another one".into()))
        }
        ObjectKind::AuthorizationServer if clients::knows(scene, id) => {
            Err(Refused::Unfit("a client is known by its id at this authorization server".into()))
        }
        ObjectKind::Client if streams(scene).any(|s| s.client == id) => {
            Err(Refused::Unfit("a stream belongs to this client".into()))
        }
        _ => Ok(()),
    }
}

fn streams<'a>(scene: &Scene<'a>) -> impl Iterator<Item = &'a Stream> {
    scene.objects_of(ObjectKind::Stream).filter_map(|object| match object {
        Object::Stream(stream) => Some(stream),
        _ => None,
    })
}

/// A stream of these whose audience has another one in another dialect. One name stands for one content: it is made of
/// the audience and not of the dialect (DESIGN 5). All streams of a client may change theirs together.
fn speaks_otherwise<'a>(after: &Scene<'_>, puts: &'a [(Object, String)]) -> Option<&'a Object> {
    let mut spoken = BTreeMap::new();
    for (object, _) in puts {
        if let Object::Stream(stream) = object {
            spoken.entry(stream.aud_json()).or_insert((object, stream.dialect));
        }
    }
    let (_, first) = *spoken.values().next()?;
    // Where they all speak one dialect, who speaks the same need not be looked at any closer.
    let is_one = spoken.values().all(|(_, dialect)| *dialect == first);
    streams(after).filter(|other| !is_one || other.dialect != first).find_map(|other| {
        let (object, dialect) = spoken.get(&other.aud_json())?;
        (*dialect != other.dialect).then_some(*object)
    })
}

/// Whether this operator is an admin, and no other one is.
fn is_last_admin(scene: &Scene<'_>, id: &str) -> bool {
    let admins = scene.objects_of(ObjectKind::Operator).filter_map(|object| match object {
        Object::Operator(o) if o.role == Role::Admin => Some(o.id.as_str()),
        _ => None,
    });
    admins.eq([id])
}
