//! What the spine does with SETs, facts, issuers' keys, kills and lifts: refuse, answer again, or stage and decide.
//!
//! Each is checked against the state as it stands behind what was staged before it. What is refused changes nothing.

use super::{Decided, Fatal, Spine};
use crate::hub::command::{Answer, Concluded, Done, Refused, SetAnswer, SetDraft};
use crate::hub::entry::{Act, Body, Decision, FactInput, IssuerKeys, Route, SetInput, Touched};
use crate::hub::state::State;
use crate::hub::{late, names};
use crate::lineage::alias::Alias;
use crate::lineage::check::Checked;
use crate::lineage::fact::Fact;
use crate::tenant::{EntryId, Seq, TenantId};

impl Spine {
    pub(super) fn set(
        &mut self,
        tenant: TenantId,
        draft: SetDraft,
        answer: Answer<SetAnswer>,
    ) -> Result<(), Fatal> {
        // The original, and what was decoded of it.
        let fits = self.fits_segment(2 * draft.compact.len());
        if let Err(refused) = self.intake_of(&tenant).and(fits) {
            return self.refuse(answer, refused);
        }
        let Some(state) = self.states.get(&tenant) else { return self.refuse(answer, Refused::NoTenant) };
        if let Some(seen) = state.seen(names::seen_key(&draft.upstream, &draft.iss, &draft.jti)) {
            let same = seen.payload == draft.payload_hash;
            self.later(answer, if same { SetAnswer::Duplicate } else { SetAnswer::Conflict });
            return Ok(());
        }
        let seq = state.seq().next();
        let txn = draft.txn.unwrap_or_else(|| names::txn(&self.journal.id().0, &tenant, seq));
        let echo = names::echo(&txn, draft.event_hash);
        let route = match (draft.route, state.echo(echo)) {
            (Route::Forward, Some(before))
                if state.mints_tokens(&draft.iss)
                    && before.leaves_room_for(
                        state.strength_of(&draft.upstream),
                        names::names_hash(&draft.names),
                    ) =>
            {
                Route::Heard
            }
            (Route::Forward, Some(_)) => Route::Echo,
            (other, _) => other,
        };
        let input = SetInput {
            upstream: draft.upstream,
            iss: draft.iss,
            jti: draft.jti,
            compact: draft.compact,
            payload_hash: draft.payload_hash,
            uri: draft.uri,
            sub_id: draft.sub_id,
            event: draft.event,
            txn: txn.clone(),
            toe: draft.toe,
            all_sessions: draft.all_sessions,
            route,
            echo,
            names: draft.names,
            read: draft.read,
        };
        let id = self.stage(&tenant, Body::Set(input))?;
        let decided = self.decide(&tenant)?;
        // Who asked is told, and says it in one line; what is doubtful has a line of its own.
        self.say(decided.as_ref().filter(|(_, decision)| decision.touched.is_doubtful()));
        let concluded =
            decided.map(|(id, d)| Concluded { id, reason_code: d.reason_code, touched: d.touched });
        self.later(answer, SetAnswer::Accepted { id, txn, route, concluded });
        Ok(())
    }

    pub(super) fn fact(
        &mut self,
        tenant: TenantId,
        input: FactInput,
        answer: Answer<Done>,
    ) -> Result<(), Fatal> {
        if let Err(refused) = self.intake_of(&tenant) {
            return self.refuse(answer, refused);
        }
        let Some(state) = self.states.get(&tenant) else { return self.refuse(answer, Refused::NoTenant) };
        if let Some(key) = &input.idempotency_key
            && let Some((seq, said)) = state.idempotent(&input.client, key)
        {
            if said != names::fact_hash(&input.fact) {
                return self.refuse(answer, Refused::IdempotencyKey);
            }
            let born_revoked = is_dead(state, &input.fact);
            self.later(answer, Done { born_revoked, ..done(&tenant, seq) });
            return Ok(());
        }
        if let Fact::Complete { target } = &input.fact
            && state.graph().find(target).is_none()
        {
            return self.refuse(answer, Refused::Unknown);
        }
        match state.graph().check(&input.fact, &input.client) {
            Err(conflict) => return self.refuse(answer, conflict.into()),
            Ok(Checked::Same) => {
                let born_revoked = is_dead(state, &input.fact);
                self.later(answer, Done { no_change: true, born_revoked, ..done(&tenant, state.seq()) });
                return Ok(());
            }
            Ok(Checked::New) => {}
        }
        let born = !matches!(input.fact, Fact::Complete { .. });
        let id = self.stage(&tenant, Body::Fact(input))?;
        let decided = self.decide_aloud(&tenant)?;
        let stops = |d: &Decision| !d.records.is_empty() || !d.ends.is_empty();
        let born_revoked = born && decided.as_ref().is_some_and(|(_, decision)| stops(decision));
        self.later(answer, with_decision(done(&tenant, id.seq), decided, born_revoked));
        Ok(())
    }

    /// Evidence: a key set that is kept already is not kept again.
    pub(super) fn keys(
        &mut self,
        tenant: TenantId,
        keys: IssuerKeys,
        answer: Answer<EntryId>,
    ) -> Result<(), Fatal> {
        let fits = self.fits_segment(keys.jwks.len());
        if let Err(refused) = self.intake_of(&tenant).and(fits) {
            return self.refuse(answer, refused);
        }
        let kept = self.states.get(&tenant).map(|s| (s.seq(), s.evidence(&keys.upstream)));
        if let Some((seq, Some(hash))) = kept
            && hash == names::hash(&[keys.jwks.as_bytes()])
        {
            self.later(answer, EntryId { tenant, seq });
            return Ok(());
        }
        let id = self.stage(&tenant, Body::Keys(keys))?;
        self.later(answer, id);
        Ok(())
    }

    /// A kill or a lift: works when the disk is nearly full and when the clock leapt.
    pub(super) fn act(
        &mut self,
        tenant: TenantId,
        kill: bool,
        act: Act,
        answer: Answer<Done>,
    ) -> Result<(), Fatal> {
        if !self.states.contains_key(&tenant) {
            return self.refuse(answer, Refused::NoTenant);
        }
        if !self.room_for_act()? {
            return self.refuse(answer, Refused::DiskFull);
        }
        let body = if kill { Body::Kill(act) } else { Body::Lift(act) };
        let id = self.stage(&tenant, body)?;
        let decided = self.decide_aloud(&tenant)?;
        let no_change = decided.is_none();
        let done = Done { no_change, ..with_decision(done(&tenant, id.seq), decided, false) };
        self.later(answer, done);
        Ok(())
    }
}

fn done(tenant: &TenantId, seq: Seq) -> Done {
    Done {
        id: EntryId { tenant: tenant.clone(), seq },
        decision: None,
        touched: Touched::default(),
        no_change: false,
        born_revoked: false,
    }
}

fn with_decision(done: Done, decided: Option<Decided>, born_revoked: bool) -> Done {
    match decided {
        None => done,
        Some((id, decision)) => Done { decision: Some(id), touched: decision.touched, born_revoked, ..done },
    }
}

/// Whether the run or token of a fact that is told again is dead by now: a broker whose first answer got lost must
/// not hand it out.
fn is_dead(state: &State, fact: &Fact) -> bool {
    let alias = match fact {
        Fact::Run(run) => Alias::new("run", "", &run.id),
        Fact::Token(token) => Alias::new("jti", &token.iss, &token.jti),
        _ => return false,
    };
    state.graph().find(&alias).is_some_and(|id| !late::ends_over(state, id).is_empty())
}
