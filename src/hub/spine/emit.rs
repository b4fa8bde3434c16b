//! What the spine does with what an operator says himself: refuse, answer again, or stage. Never decided.

use super::{Fatal, Spine};
use crate::hub::command::{Answer, Refused};
use crate::hub::effect::Effect;
use crate::hub::emit::{Emit, EmitDraft, Emitted};
use crate::hub::entry::Body;
use crate::hub::names;
use crate::hub::object::{Object, ObjectKind};
use crate::hub::state::State;
use crate::stream::StreamNo;
use crate::tenant::{EntryId, TenantId};

impl Spine {
    pub(super) fn emit(
        &mut self,
        tenant: TenantId,
        draft: EmitDraft,
        answer: Answer<Emitted>,
    ) -> Result<(), Fatal> {
        let fits = self.fits_segment(draft.sub_id.get().len() + draft.event.get().len());
        if let Err(refused) = self.intake_of(&tenant).and(fits) {
            return self.refuse(answer, refused);
        }
        let Some(state) = self.states.get(&tenant) else { return self.refuse(answer, Refused::NoTenant) };
        let stream = match draft.stream_id.as_deref().map(|id| wanting(state, id, &draft.uri)).transpose() {
            Ok(stream) => stream,
            Err(refused) => return self.refuse(answer, refused),
        };
        let seq = state.seq().next();
        let txn = draft.txn.unwrap_or_else(|| names::txn(&self.journal.id().0, &tenant, seq));
        let echo = names::echo(&txn, draft.event_hash);
        if let Some(before) = state.echo(echo) {
            let id = EntryId { tenant, seq: before.seq };
            self.later(answer, Emitted { id, txn, owed: vec![], no_change: true });
            return Ok(());
        }
        let (uri, sub_id, event) = (draft.uri, draft.sub_id, draft.event);
        let emit = Emit { by: draft.by, uri, sub_id, event, txn: txn.clone(), toe: draft.toe, stream, echo };
        let id = self.stage(&tenant, Body::Emit(emit))?;
        let owed = self.effects.last().map(|(_, fx)| owed(fx)).unwrap_or_default();
        self.later(answer, Emitted { id, txn, owed, no_change: false });
        Ok(())
    }
}

fn owed(fx: &[Effect]) -> Vec<StreamNo> {
    let owed = fx.iter().filter_map(|effect| match effect {
        Effect::Owed { streams, .. } => Some(streams.iter().copied()),
        _ => None,
    });
    owed.flatten().collect()
}

/// The stream of this id, if it takes events of this type: a stream never carries what it did not ask for (SSF 8.1.1).
fn wanting(state: &State, id: &str, uri: &str) -> Result<StreamNo, Refused> {
    let stored = state.object(ObjectKind::Stream, id).ok_or(Refused::NoObject(ObjectKind::Stream))?;
    match &stored.object {
        Object::Stream(stream) if stream.relay => Err(Refused::Unfit(
            "the stream relays originals of the first issuer; what the hub says itself has none".into(),
        )),
        Object::Stream(stream) if !stream.wants(uri) => {
            Err(Refused::Unfit("the stream did not ask for events of this type".into()))
        }
        _ => Ok(StreamNo(stored.no)),
    }
}
