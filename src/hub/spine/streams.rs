//! What the spine does with a stream's subjects, status and verification.
//!
//! What asks for what already holds writes no entry: it is answered with the newest one.

use super::{Fatal, Spine};
use crate::hub::command::{Answer, Refused, StreamAct, StreamChange};
use crate::hub::entry::Body;
use crate::hub::entry::streams::{Control, StatusChange, Subjects};
use crate::hub::names;
use crate::hub::object::ObjectKind;
use crate::hub::state::State;
use crate::hub::subjects::complex::Subject;
use crate::stream::StreamNo;
use crate::stream::subject::Matcher;
use crate::tenant::{EntryId, TenantId};

impl Spine {
    pub(super) fn stream_act(
        &mut self,
        tenant: TenantId,
        act: StreamAct,
        answer: Answer<EntryId>,
    ) -> Result<(), Fatal> {
        if let Err(refused) = self.intake_of(&tenant) {
            return self.refuse(answer, refused);
        }
        let Some(state) = self.states.get(&tenant) else { return self.refuse(answer, Refused::NoTenant) };
        let seq = state.seq();
        let Some(stored) = state.object(ObjectKind::Stream, &act.stream_id) else {
            return self.refuse(answer, Refused::NoObject(ObjectKind::Stream));
        };
        let stream = StreamNo(stored.no);
        let txn = names::txn(&self.journal.id().0, &tenant, seq.next());
        match body(state, stream, act, txn) {
            Err(refused) => self.refuse(answer, refused),
            Ok(None) => {
                self.later(answer, EntryId { tenant, seq });
                Ok(())
            }
            Ok(Some(body)) => {
                let id = self.stage(&tenant, body)?;
                self.later(answer, id);
                Ok(())
            }
        }
    }
}

/// The entry of a change; `None` where it already holds.
fn body(state: &State, stream: StreamNo, act: StreamAct, txn: String) -> Result<Option<Body>, Refused> {
    let by = act.by;
    let relays = state.streams().get(&stream).is_some_and(|s| s.relay);
    Ok(match act.what {
        // Only originals go on it: nothing of the hub's own, and whatever they are about.
        StreamChange::Subject { .. } | StreamChange::Verify { .. } if relays => {
            return Err(Refused::Unfit("the stream relays originals: it is no SSF stream".into()));
        }
        StreamChange::Subject { add, subject, grace_ms, subjects_max } => {
            // What is no JSON object matches nothing.
            let Some(matcher) = Matcher::of(subject.get()) else { return Ok(None) };
            let known = Subject::from(&matcher);
            if state.subject_is(stream, add, &known) {
                return Ok(None);
            }
            state.subject_fits(stream, add, &known, subjects_max)?;
            Some(Body::Subjects(Subjects { stream, add, subject, by, grace_ms }))
        }
        StreamChange::Status { status, reason, announce_ms } => {
            let announce_ms = announce_ms.filter(|_| !relays);
            let life = state.life(stream);
            let pending = life.ending.as_ref().map(|e| (e.status, &e.reason));
            let holds = (life.ending.is_none() && life.status == status && life.reason == reason)
                || (announce_ms.is_some() && pending == Some((status, &reason)));
            let change = StatusChange { stream, status, reason, by, announce_ms, txn };
            (!holds).then_some(Body::Status(change))
        }
        StreamChange::Verify { state } => Some(Body::Control(Control { stream, by, state, txn })),
    })
}
