//! What the spine does with what an operator says himself: refuse, answer again, or stage. Never decided.

use super::{Fatal, Spine};
use crate::hub::accounts::Word;
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
            self.later(answer, Emitted { id, txn, owed: vec![], withheld: 0, no_change: true });
            return Ok(());
        }
        if let Err(refused) = may_opt(state, &draft.uri, draft.sub_id.get()) {
            return self.refuse(answer, refused);
        }
        let (uri, sub_id, event) = (draft.uri, draft.sub_id, draft.event);
        let emit = Emit { by: draft.by, uri, sub_id, event, txn: txn.clone(), toe: draft.toe, stream, echo };
        let id = self.stage(&tenant, Body::Emit(emit))?;
        let fx = self.effects.last().map_or(&[][..], |(_, fx)| fx.as_slice());
        let (owed, withheld) = (owed(fx), withheld(fx));
        self.later(answer, Emitted { id, txn, owed, withheld, no_change: false });
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

fn withheld(fx: &[Effect]) -> usize {
    let withheld = fx.iter().filter_map(|effect| match effect {
        Effect::Withheld { streams, .. } => Some(*streams),
        _ => None,
    });
    withheld.sum()
}

/// An operator says of an account only what its state allows (RISC 2.8).
fn may_opt(state: &State, uri: &str, sub_id: &str) -> Result<(), Refused> {
    let Some(word) = Word::of(uri) else { return Ok(()) };
    match state.opted(sub_id, "") {
        Some((opted, _)) if opted != word.from() => Err(Refused::Unfit(format!(
            "the account is in the state {}; {} leads only from {} (RISC 2.8)",
            opted.as_str(),
            word.as_str(),
            word.from().as_str()
        ))),
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::sample::{Bench, RISC};

    const MAIL: &str = r#"{"format":"email","email":"ann@example.com"}"#;

    /// RISC 2.8, the figure: one word leads out of opt-in and one out of opt-out, two out of opt-out-initiated.
    #[test]
    fn an_operator_says_what_the_state_allows() {
        let words = ["opt-in", "opt-out-initiated", "opt-out-cancelled", "opt-out-effective"];
        let table: [(&[&str], &str, [bool; 4]); 3] = [
            (&[], "opt-in", [false, true, false, false]),
            (&["opt-out-initiated"], "opt-out-initiated", [false, false, true, true]),
            (&["opt-out-initiated", "opt-out-effective"], "opt-out", [true, false, false, false]),
        ];
        for (before, state, may) in table {
            let mut bench = Bench::new("");
            for word in before {
                bench.signal(&format!("{RISC}{word}"), "{}", MAIL, None);
            }
            for (word, may) in words.iter().zip(may) {
                match may_opt(&bench.state, &format!("{RISC}{word}"), MAIL) {
                    Ok(()) => assert!(may, "{word} in {state}"),
                    Err(refused) => {
                        let said = refused.to_string();
                        assert!(
                            !may && said.contains(&format!("in the state {state};")),
                            "{word} in {state}: {said}"
                        );
                    }
                }
            }
            assert!(may_opt(&bench.state, &format!("{RISC}account-enabled"), MAIL).is_ok());
        }
    }
}
