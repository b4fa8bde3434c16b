//! The journals that a restored hub goes on from: `origins/NNNN-{id}/`, each with its segments and its last base.
//!
//! Read where the hub's own journal does not reach: when no base of this fold version is left, and by `why`. Never
//! written but by `restore`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::seal::AuditSeal;
use super::store::Places;
use crate::hub::start::{self, From, States};
use crate::journal::{Folder, JournalId, Position, Reader};

/// The origins, oldest first.
pub fn list(places: &Places) -> anyhow::Result<Vec<PathBuf>> {
    let listed = match std::fs::read_dir(&places.origins) {
        Ok(listed) => listed,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => return Err(e.into()),
    };
    let mut found = listed.map(|item| item.map(|item| item.path())).collect::<Result<Vec<_>, _>>()?;
    found.retain(|path| path.is_dir());
    found.sort();
    Ok(found)
}

/// The directories of all journals there are, the hub's own first.
pub fn journals(places: &Places) -> Vec<PathBuf> {
    let origins = list(places).unwrap_or_default();
    std::iter::once(places.journal.clone()).chain(origins.iter().rev().map(|o| o.join("journal"))).collect()
}

/// The name of an origin; names sort as they came about.
pub fn name(number: usize, id: &str) -> String {
    format!("{number:04}-{id}")
}

/// The states at the end of the newest origin, from its base or folded through all of them. Empty where there is none.
pub fn states(places: &Places, seal: &AuditSeal) -> anyhow::Result<States> {
    let mut states = start::empty();
    for origin in list(places)? {
        states = behind(&origin, seal, states)?;
    }
    Ok(states)
}

/// Folds one origin on top of what came before it.
fn behind(origin: &Path, seal: &AuditSeal, before: States) -> anyhow::Result<States> {
    let disk = Arc::new(Folder::read_only(&origin.join("journal")));
    let mut reader = Reader::open(disk)?;
    // A copy ends where it was cut: no base of it lies behind.
    let end = Position { segment: u32::MAX, offset: u64::MAX };
    let bases = origin.join("bases");
    let mut begun = match bases.exists() {
        true => start::begin(&Folder::read_only(&bases), seal, None, reader.id(), end)?,
        false => (start::empty(), Position::OLDEST, From::Zero),
    };
    if begun.2 == From::Zero {
        begun.0 = before;
    }
    Ok(start::load_from(&mut reader, begun)?.states)
}

/// The states at the end of a journal, wherever they can be had from: mirror, base, or the first entry of the oldest
/// origin.
pub fn load(
    places: &Places,
    bases: &Folder,
    reader: &mut Reader,
    seal: &AuditSeal,
    mirror: Option<&crate::store::Mirror>,
    (id, end): (JournalId, Position),
) -> anyhow::Result<start::Loaded> {
    let mut begun = start::begin(bases, seal, mirror, id, end)?;
    if begun.2 == From::Zero {
        begun.0 = states(places, seal)?;
    }
    Ok(start::load_from(reader, begun)?)
}
