//! Where a start begins: mirror, base or the first entry; then the tail is folded (DESIGN 8).
//!
//! The mirror is used where it belongs to this journal and this fold version; otherwise the newest base that
//! can be read; otherwise everything is folded from zero. All three give the same state, byte for byte.

use std::collections::BTreeMap;

use super::apply::Stamped;
use super::base::{self, Header, Seal, hex};
use super::effect::Effect;
use super::entry::Body;
use super::mirror::{Cursor, split_key};
use super::spine::Fatal;
use super::state::{FOLD_VERSION, State};
use crate::journal::disk::Disk;
use crate::journal::{self, Entry, JournalId, Payload, Position, Reader};
use crate::store::Mirror;
use crate::tenant::TenantId;

/// The states of all tenants.
pub type States = BTreeMap<TenantId, State>;

/// Where the fold began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// The first entry.
    Zero,
    /// A base.
    Base(String),
    /// The mirror.
    Mirror,
}

/// What a start found.
pub struct Loaded {
    /// The states, at the end of the journal.
    pub states: States,
    /// Where the fold began.
    pub from: From,
    /// How many entries were folded.
    pub folded: u64,
    /// The last entry of the journal where it is an input without its decision.
    pub undecided: Vec<(TenantId, Body)>,
}

/// Why the states cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// An entry that this build cannot read.
    #[error("entry {tenant}:{seq}: {what}")]
    Entry {
        /// Whose.
        tenant: TenantId,
        /// Which.
        seq: u64,
        /// What is wrong.
        what: String,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

impl std::convert::From<Error> for Fatal {
    fn from(error: Error) -> Self {
        match error {
            Error::Journal(e) => Fatal::Journal(e),
            other => Fatal::Fold(other.to_string()),
        }
    }
}

/// `_hub` and nothing else.
pub fn empty() -> States {
    BTreeMap::from([(TenantId::hub(), State::new(TenantId::hub()))])
}

/// Loads the states at the end of the journal. `mirror` is `None` where it is not to be used. Where the fold began at
/// the mirror, the rows that the tail changed are still marked as changed: `Spine::mirror_tail` hands them over.
pub fn load(
    disk: &dyn Disk,
    reader: &mut Reader,
    seal: &dyn Seal,
    mirror: Option<&Mirror>,
    id: JournalId,
    end: Position,
) -> Result<Loaded, Error> {
    let begun = begin(disk, seal, mirror, id, end)?;
    load_from(reader, begun)
}

/// Where a fold begins: the states there, the place in the journal, and where they come from.
pub type Begun = (States, Position, From);

/// Folds what lies behind a beginning; [`load`] with the beginning already chosen.
pub fn load_from(reader: &mut Reader, (mut states, position, from): Begun) -> Result<Loaded, Error> {
    let mut undecided = BTreeMap::new();
    let folded = fold(reader, position, &mut states, |tenant, body| {
        undecided.insert(tenant.clone(), body);
    })?;
    // Behind a mirror's rows the tail's changes stay marked: the mirror does not have them yet.
    if from != From::Mirror {
        states.values_mut().for_each(State::settle);
    }
    let undecided = undecided.into_iter().filter(|(t, _)| states.get(t).is_some_and(|s| s.meta().undecided));
    let undecided = undecided.collect();
    Ok(Loaded { states, from, folded, undecided })
}

/// Finds where to begin: mirror, newest base, or nothing at all.
pub fn begin(
    disk: &dyn Disk,
    seal: &dyn Seal,
    mirror: Option<&Mirror>,
    id: JournalId,
    end: Position,
) -> Result<Begun, Error> {
    if let Some(mirror) = mirror
        && let Some((states, position)) = from_mirror(mirror, id, end)
    {
        return Ok((states, position, From::Mirror));
    }
    for name in base::names(disk)?.into_iter().rev() {
        match base::read(disk, seal, &name) {
            Ok((header, states)) if usable(&header, id, end) => {
                return Ok((states, header.position, From::Base(name)));
            }
            Ok(_) => tracing::info!(base = name, "a base of another journal or fold version is passed over"),
            Err(error) => tracing::warn!(%error, "a base cannot be used and is passed over"),
        }
    }
    Ok((empty(), Position::default(), From::Zero))
}

fn usable(header: &Header, id: JournalId, end: Position) -> bool {
    header.fold_version == FOLD_VERSION && header.journal == hex(&id.0) && header.position <= end
}

/// The states that the mirror holds, or `None` where it is empty, of another journal, ahead or damaged.
pub fn from_mirror(mirror: &Mirror, id: JournalId, end: Position) -> Option<(States, Position)> {
    from_rows(&mirror.cursor().ok()??.0, mirror.rows().map(Result::ok), id, end)
}

/// The states of a mirror's cursor and rows, or `None` where they are of another journal, ahead or damaged; an item
/// that is `None` is a row that cannot be read.
pub fn from_rows(
    cursor: &[u8],
    rows: impl Iterator<Item = Option<(Vec<u8>, Vec<u8>)>>,
    id: JournalId,
    end: Position,
) -> Option<(States, Position)> {
    let cursor: Cursor = serde_json::from_slice(cursor).ok()?;
    if cursor.journal != id.0 || cursor.fold_version != FOLD_VERSION || cursor.position > end {
        return None;
    }
    let mut states = empty();
    for row in rows {
        let (key, value) = row?;
        let (tenant, key) = split_key(&key)?;
        states.entry(tenant.clone()).or_insert_with(|| State::new(tenant)).load(key, &value).ok()?;
    }
    for state in states.values_mut() {
        state.reindex();
        state.settle();
    }
    Some((states, cursor.position))
}

/// Folds everything from `position` on into `states`; tells the last entry of each tenant.
pub fn fold(
    reader: &mut Reader,
    position: Position,
    states: &mut States,
    mut last: impl FnMut(&TenantId, Body),
) -> Result<u64, Error> {
    let mut folded = 0;
    for batch in reader.batches(position)? {
        for entry in batch?.entries {
            let tenant = entry.tenant.clone();
            last(&tenant, fold_one(states, entry)?);
            folded += 1;
        }
    }
    Ok(folded)
}

/// Folds one entry.
pub fn fold_one(states: &mut States, entry: Entry) -> Result<Body, Error> {
    let bad = |what: String| Error::Entry { tenant: entry.tenant.clone(), seq: entry.seq.0, what };
    let Payload::Present(payload) = &entry.payload else {
        return Err(bad("its payload was erased; fold from a base behind it".into()));
    };
    let body = Body::parse(entry.kind, entry.version, payload).map_err(|e| bad(e.to_string()))?;
    let state = states.entry(entry.tenant.clone()).or_insert_with(|| State::new(entry.tenant.clone()));
    if entry.seq != state.seq().next() {
        return Err(bad(format!("it follows upon {}", state.seq())));
    }
    let stamped = Stamped { seq: entry.seq, time_ms: entry.time_ms, body };
    for effect in state.refold(&stamped) {
        if let Effect::Tenant(new) = effect {
            states.entry(new.clone()).or_insert_with(|| State::new(new));
        }
    }
    Ok(stamped.body)
}
