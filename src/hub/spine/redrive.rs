//! What the spine does when an operator sends dead letters again, or throws them away.
//!
//! One command does one entry's worth and says where to go on, so that a hundred thousand of them never hold up a SET.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Fatal, Spine};
use crate::hub::command::{Answer, Redriven, Refused, Which};
use crate::hub::entry::{Body, REDRIVE_MAX, Redrive};
use crate::hub::state::State;
use crate::stream::StreamNo;
use crate::tenant::TenantId;

impl Spine {
    pub(super) fn redrive(
        &mut self,
        tenant: TenantId,
        which: &Which,
        by: String,
        answer: Answer<Redriven>,
    ) -> Result<(), Fatal> {
        if let Err(refused) = self.intake_of(&tenant) {
            return self.refuse(answer, refused);
        }
        let Some(state) = self.states.get(&tenant) else { return self.refuse(answer, Refused::NoTenant) };
        let (items, mut redriven) = chosen(state, which);
        if !items.is_empty() {
            redriven.items = items.len();
            let body = Redrive { by, items, discard: which.discard };
            redriven.id = Some(self.stage(&tenant, Body::Redrive(body))?);
        }
        self.later(answer, redriven);
        Ok(())
    }
}

/// The next dead letters that are meant, and where to go on.
fn chosen(state: &State, which: &Which) -> (Vec<(StreamNo, crate::tenant::Seq, u32)>, Redriven) {
    let mut redriven = Redriven::default();
    let mut room: BTreeMap<StreamNo, usize> = BTreeMap::new();
    let mut items = vec![];
    let from = which.after.map_or(Bound::Unbounded, Bound::Excluded);
    for (no, item, letter) in state.dead_letters_in((from, Bound::Unbounded)) {
        if items.len() >= REDRIVE_MAX {
            redriven.more = true;
            break;
        }
        redriven.last = Some((no, item));
        if !which.means(no, item, &letter.why) {
            continue;
        }
        // What a full stream got would be a dead letter again at once.
        let room = room.entry(no).or_insert_with(|| state.room_of(no));
        if !which.discard && *room == 0 {
            redriven.no_room += 1;
            continue;
        }
        *room = room.saturating_sub(1);
        items.push((no, item.seq, item.index));
    }
    (items, redriven)
}
