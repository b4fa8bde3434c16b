//! What an operator says himself is owed like a signal, and remembered like one; it is never decided.

use crate::hub::apply::Stamped;
use crate::hub::apply::opting::Heard;
use crate::hub::apply::owe::Came;
use crate::hub::effect::{Claims, Effect, Item};
use crate::hub::emit::Emit;
use crate::hub::names;
use crate::hub::object::Strength;
use crate::hub::state::{Echo, State};

impl State {
    /// Owes what was emitted. When another hub sends it back it is an echo. Said with the weakest strength, for nothing
    /// was decided: who mints tokens and says the same is still heard (ADR 0010).
    pub(super) fn emit(&mut self, entry: &Stamped, emit: &Emit, fx: &mut Vec<Effect>) {
        let said = Some((Strength::Record, names::names_hash(&[])));
        self.remember_echo(emit.echo, Echo { seq: entry.seq, said });
        let item = Item { seq: entry.seq, index: 0 };
        let claims = || Claims {
            uri: emit.uri.clone(),
            sub_id: emit.sub_id.get().into(),
            event: emit.event.get().into(),
            txn: emit.txn.clone(),
            toe: emit.toe,
            iat: entry.time_ms / 1000,
            accepted_ms: entry.time_ms,
            subject: names::subject_order(emit.sub_id.get()),
        };
        let (uri, sub_id) = (emit.uri.as_str(), emit.sub_id.get());
        match emit.stream {
            None => self.owe(item, (uri, sub_id), claims, Came::Said, fx),
            Some(no) => self.owe_one(item, no, (uri, sub_id), claims, fx),
        }
        self.opt(&Heard { seq: entry.seq, uri, sub_id, event: emit.event.get(), scope: "" }, fx);
    }
}
