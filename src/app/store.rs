//! What lies on disk, opened: the journal, the states that it adds up to, the mirror.
//!
//! The journal decides. A mirror that cannot be opened, or does not fit it, is made anew.

use std::path::PathBuf;
use std::sync::Arc;

use super::origins;
use super::seal::AuditSeal;
use crate::clock::SharedChance;
use crate::config::Config;
use crate::hub::state::FOLD_VERSION;
use crate::hub::{self, start};
use crate::journal::{Folder, Journal, JournalId, Options, Position, Reader};
use crate::store::Mirror;

/// Where things lie under the data directory.
#[derive(Clone)]
pub struct Places {
    /// The journal's segments.
    pub journal: PathBuf,
    /// Bases.
    pub bases: PathBuf,
    /// The sled mirror.
    pub mirror: PathBuf,
    /// Our keys and secrets.
    pub keys: PathBuf,
    /// Journals that a restored hub goes on from.
    pub origins: PathBuf,
    /// The directory itself: side files.
    pub root: PathBuf,
}

impl Places {
    /// The places under a data directory.
    pub fn under(root: &std::path::Path) -> Self {
        let at = |name| root.join(name);
        Self {
            journal: at("journal"),
            bases: at("bases"),
            mirror: at("mirror"),
            keys: at("keys"),
            origins: at("origins"),
            root: root.into(),
        }
    }
}

/// What the store gave: the journal, the states, the mirror.
pub(super) struct Opened {
    /// The journal.
    pub journal: Journal,
    /// The states, and where they came from.
    pub loaded: start::Loaded,
    /// The mirror, if it can be opened.
    pub mirror: Option<Mirror>,
}

/// Folds the states up to the journal's end, and holds them against its heads.
fn load_states(
    places: &Places,
    disk: &Arc<Folder>,
    journal: &Journal,
    seal: &AuditSeal,
    bases: &Folder,
    mirror: Option<&Mirror>,
) -> anyhow::Result<start::Loaded> {
    let mut reader = Reader::open(disk.clone())?;
    let at = (journal.id(), journal.end());
    let loaded = origins::load(places, bases, &mut reader, seal, mirror, at)?;
    for (tenant, seq, _) in journal.heads() {
        let folded = loaded.states.get(&tenant).map(|s| s.seq());
        anyhow::ensure!(
            folded == Some(seq),
            "tenant {tenant}: folded up to {folded:?}, but the journal ends at {seq}"
        );
    }
    Ok(loaded)
}

/// A new mirror of the states. Rows of another journal or fold version must not stay among the new ones.
fn make_mirror(
    places: &Places,
    loaded: &mut start::Loaded,
    end: (JournalId, Position),
) -> Result<Mirror, crate::store::Error> {
    Mirror::wipe(&places.mirror)?;
    let mut mirror = Mirror::open(&places.mirror)?;
    hub::mirror::seed(&mut mirror, &mut loaded.states, end)?;
    Ok(mirror)
}

/// Opens the store and loads the states.
pub(super) fn open_store(
    places: &Places,
    config: &Config,
    seal: &AuditSeal,
    (disk, bases): (Arc<Folder>, &Folder),
    chance: SharedChance,
) -> anyhow::Result<Opened> {
    let options = Options { segment_bytes: config.journal.segment_bytes, fold_version: FOLD_VERSION };
    let (journal, opened) = Journal::open(disk.clone(), options, chance)?;
    if opened.cut_bytes > 0 {
        tracing::warn!(
            bytes = opened.cut_bytes,
            "the last batch was not finished and was cut; nobody was told it was taken"
        );
    }
    let mirror = match Mirror::open(&places.mirror) {
        Ok(mirror) => Some(mirror),
        Err(error) => {
            tracing::warn!(%error, "the mirror cannot be opened and is made anew");
            Mirror::wipe(&places.mirror).and_then(|()| Mirror::open(&places.mirror)).ok()
        }
    };
    let mut loaded = match load_states(places, &disk, &journal, seal, bases, mirror.as_ref()) {
        Err(error) if mirror.is_some() => {
            // The journal decides: if it is the journal's fault, it shows again without the mirror.
            tracing::warn!(error = format!("{error:#}"), "no start from the mirror; trying without it");
            load_states(places, &disk, &journal, seal, bases, None)?
        }
        loaded => loaded?,
    };
    let mirror = match (mirror, loaded.from == start::From::Mirror) {
        (Some(mirror), true) => Some(mirror),
        (Some(mirror), false) => {
            drop(mirror);
            let made = make_mirror(places, &mut loaded, (journal.id(), journal.end()));
            made.inspect_err(|error| tracing::error!(%error, "the mirror cannot be made; the hub goes on"))
                .ok()
        }
        (None, _) => None,
    };
    Ok(Opened { journal, loaded, mirror })
}
