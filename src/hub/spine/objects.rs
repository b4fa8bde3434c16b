//! What the spine does with the objects that operators make, change and take away.

use super::{Fatal, Spine, clients};
use crate::hub::command::{Answer, Refused};
use crate::hub::entry::Body;
use crate::hub::object::{Object, ObjectKind, Role};
use crate::hub::owner;
use crate::hub::state::State;
use crate::stream::Stream;
use crate::tenant::{EntryId, TenantId};

impl Spine {
    pub(super) fn put(
        &mut self,
        tenant: TenantId,
        object: Object,
        by: String,
        answer: Answer<EntryId>,
    ) -> Result<(), Fatal> {
        if let Err(refused) = self.intake_of(&tenant).and_then(|()| self.fits(&tenant, &object, &by)) {
            return self.refuse(answer, refused);
        }
        let id = self.stage(&tenant, Body::Put { object, by })?;
        self.later(answer, id);
        Ok(())
    }

    /// Whether an object holds by itself and among those that exist.
    fn fits(&self, tenant: &TenantId, object: &Object, by: &str) -> Result<(), Refused> {
        object.check()?;
        if object.kind().in_hub() != tenant.is_hub() {
            return Err(Refused::Unfit(format!("{} do not live in this tenant", object.kind().collection())));
        }
        let Some(state) = self.states.get(tenant) else { return Err(Refused::NoTenant) };
        owner::may_change(state, object.kind(), object.id(), by)?;
        let taken = |what: &str| Err(Refused::Unfit(format!("{what} is taken by another object")));
        match object {
            Object::Stream(s) if state.object(ObjectKind::Client, &s.client).is_none() => {
                Err(Refused::Unfit("the stream's client does not exist".into()))
            }
            // One name stands for one content: it is made of the audience and not of the dialect (DESIGN 5).
            Object::Stream(s) if speaks_otherwise(state, s) => {
                Err(Refused::Unfit("another stream of this audience has another dialect".into()))
            }
            // What was owed on it would have to become something else.
            Object::Stream(s)
                if state.object(ObjectKind::Stream, &s.stream_id).is_some_and(
                    |old| matches!(&old.object, Object::Stream(old) if old.relay != s.relay),
                ) =>
            {
                let what = "a stream that relays stays one, and no other becomes one: make another stream";
                Err(Refused::Unfit(what.into()))
            }
            // An operator may give a receiver more than it may take.
            Object::Stream(s) if by.starts_with("client:") => self.has_room_for(state, s),
            Object::TokenIssuer(new) => {
                let other = state.objects().any(
                    |o| matches!(&o.object, Object::TokenIssuer(i) if i.iss == new.iss && i.id != new.id),
                );
                if other { taken("iss") } else { Ok(()) }
            }
            Object::AuthorizationServer(new) => {
                let other = state.objects().any(|o| {
                    matches!(&o.object, Object::AuthorizationServer(a) if a.iss == new.iss && a.id != new.id)
                });
                if other { taken("iss") } else { Ok(()) }
            }
            Object::Client(client) => clients::fits(state, client),
            Object::Operator(o) if o.role != Role::Admin && is_last_admin(state, &o.id) => {
                Err(Refused::Unfit("this is the last admin: nobody could make another one".into()))
            }
            Object::Operator(_) | Object::Point(_) => {
                let (kind, id) = (object.kind(), object.id());
                let mut others =
                    state.objects().map(|o| &o.object).filter(|o| o.kind() == kind && o.id() != id);
                // Who is who is told apart by the bearer.
                let shares =
                    |other: &Object| other.bearers().any(|hash| object.bearers().any(|own| own == hash));
                if others.any(shares) { taken("bearer") } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    fn has_room_for(&self, state: &State, stream: &Stream) -> Result<(), Refused> {
        if state.object(ObjectKind::Stream, &stream.stream_id).is_some() {
            return Ok(());
        }
        let max = match state.object(ObjectKind::Client, &stream.client).map(|stored| &stored.object) {
            Some(Object::Client(client)) => client.receiver.as_ref().map_or(0, |r| r.streams_max),
            _ => 0,
        };
        let own = state.streams().values().filter(|s| s.client == stream.client && !s.relay).count();
        if own < usize::try_from(max).unwrap_or(usize::MAX) { Ok(()) } else { Err(Refused::StreamsMax) }
    }

    pub(super) fn remove(
        &mut self,
        tenant: TenantId,
        kind: ObjectKind,
        id: String,
        by: String,
        answer: Answer<EntryId>,
    ) -> Result<(), Fatal> {
        if let Err(refused) = self.intake_of(&tenant).and_then(|()| self.removable(&tenant, kind, &id, &by)) {
            return self.refuse(answer, refused);
        }
        let id = self.stage(&tenant, Body::Remove { kind, id, by })?;
        self.later(answer, id);
        Ok(())
    }

    fn removable(&self, tenant: &TenantId, kind: ObjectKind, id: &str, by: &str) -> Result<(), Refused> {
        let Some(state) = self.states.get(tenant) else { return Err(Refused::NoTenant) };
        if state.object(kind, id).is_none() {
            return Err(Refused::NoObject(kind));
        }
        owner::may_change(state, kind, id, by)?;
        match kind {
            ObjectKind::Tenant => Err(Refused::Unfit("a tenant cannot be taken away".into())),
            ObjectKind::Operator if is_last_admin(state, id) => {
                Err(Refused::Unfit("this is the last admin: nobody could make another one".into()))
            }
            ObjectKind::AuthorizationServer if clients::knows(state, id) => {
                Err(Refused::Unfit("a client is known by its id at this authorization server".into()))
            }
            ObjectKind::Client if state.streams().values().any(|s| s.client == id) => {
                Err(Refused::Unfit("a stream belongs to this client".into()))
            }
            _ => Ok(()),
        }
    }
}

fn speaks_otherwise(state: &State, stream: &Stream) -> bool {
    let aud = stream.aud_json();
    let mut others = state.streams().values().filter(|s| s.stream_id != stream.stream_id);
    others.any(|other| other.dialect != stream.dialect && other.aud_json() == aud)
}

/// Whether this operator is an admin, and no other one is.
fn is_last_admin(state: &State, id: &str) -> bool {
    let admins = state.objects().filter_map(|stored| match &stored.object {
        Object::Operator(o) if o.role == Role::Admin => Some(o.id.as_str()),
        _ => None,
    });
    admins.eq([id])
}
