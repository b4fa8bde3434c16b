//! A base: the states of all tenants at one place of the journal, signed (DESIGN 8).
//!
//! A file of its own beside the journal: one line with the signed header (compact JWS), then the rows, each behind
//! its lengths. The header holds the digest of the rows, of each state, and the chain heads, so that a
//! base can be checked alone and against the journal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::mirror::{row_key, split_key};
use super::spine::Spine;
use super::state::{Copied, FOLD_VERSION, State};
use crate::journal::disk::Disk;
use crate::journal::{Journal, JournalId, Link, Position};
use crate::tenant::{Seq, TenantId};

/// What the header of a base says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Format of this file.
    pub version: u16,
    /// How it was folded.
    pub fold_version: u16,
    /// Which journal (hex).
    pub journal: String,
    /// Everything before it is in.
    pub position: Position,
    /// Number of rows.
    pub rows: u64,
    /// SHA-256 over the row bytes of the file (hex).
    pub rows_sha256: String,
    /// Per tenant.
    pub tenants: BTreeMap<TenantId, Mark>,
}

/// Where a tenant stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Its last entry.
    pub seq: Seq,
    /// Digest of its state (hex).
    pub digest: String,
    /// Its chain head (hex).
    pub head: String,
}

/// Why a base cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk.
    #[error("base {name}: {source}")]
    Disk {
        /// Which file.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is damaged or not signed by this hub.
    #[error("base {name}: {what}")]
    Bad {
        /// Which file.
        name: String,
        /// What is wrong.
        what: String,
    },
}

/// Signs a header, and checks one: both work on the header's JSON.
pub trait Seal: Send + Sync {
    /// The header as compact JWS.
    fn sign(&self, header: &[u8]) -> Result<String, String>;
    /// The header back, if the signature is this hub's.
    fn open(&self, compact: &str) -> Result<Vec<u8>, String>;
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// The file name of the base at a position; names sort like positions.
pub fn name_of(position: Position) -> String {
    format!("base-{:08}-{:012}", position.segment, position.offset)
}

/// A place of a journal, for a base of the states there.
pub struct Place {
    /// Which journal.
    pub journal: JournalId,
    /// Everything before it is in.
    pub position: Position,
    /// Its chain heads there.
    pub heads: Vec<(TenantId, Seq, Link)>,
}

/// What a base is written of, and a digest taken.
pub trait Folded {
    /// The last entry folded.
    fn seq(&self) -> Seq;
    /// SHA-256 over all rows.
    fn digest(&self) -> [u8; 32];
    /// Every row.
    fn dump(&self, out: &mut Vec<(Vec<u8>, Vec<u8>)>);
}

/// What the spine held at one place of the journal. It is copied between two batches; whoever has it may take their
/// time, for the spine goes on.
pub struct Snapshot {
    /// The rows of each tenant.
    pub states: BTreeMap<TenantId, Copied>,
    /// Where.
    pub place: Place,
}

impl Snapshot {
    /// Copies what the spine holds. The time it takes is that of copying the rows in memory: nothing is encoded.
    pub fn of(spine: &Spine) -> Self {
        let place = Place::end_of(spine.journal());
        let states = spine.states().iter().map(|(tenant, state)| (tenant.clone(), state.copy())).collect();
        Self { states, place }
    }
}

impl Place {
    /// Where the journal ends.
    pub fn end_of(journal: &Journal) -> Self {
        Self { journal: journal.id(), position: journal.end(), heads: journal.heads() }
    }
}

/// Writes a base of a snapshot, and drops bases beyond the newest `keep`.
///
/// # Errors
/// The disk's, or the seal's, in words; then there is no new base.
pub fn write(snapshot: &Snapshot, disk: &dyn Disk, seal: &dyn Seal, keep: usize) -> Result<String, String> {
    let name = write_states(&snapshot.states, &snapshot.place, disk, seal)?;
    let mut old = names(disk).map_err(|e| e.to_string())?;
    while old.len() > keep.max(1) {
        // The newest stand at the end; a base that cannot be removed only takes room.
        let _ = disk.remove(&old.remove(0));
    }
    Ok(name)
}

/// Writes a base of these states at a place of a journal.
pub fn write_states<S: Folded>(
    states: &BTreeMap<TenantId, S>,
    place: &Place,
    disk: &dyn Disk,
    seal: &dyn Seal,
) -> Result<String, String> {
    let mut body = Vec::new();
    let mut rows = 0u64;
    let mut tenants = BTreeMap::new();
    let heads: BTreeMap<&TenantId, &Link> = place.heads.iter().map(|(t, _, head)| (t, head)).collect();
    for (tenant, state) in states {
        let mut dump = Vec::new();
        state.dump(&mut dump);
        rows += dump.len() as u64;
        for (key, value) in dump {
            push(&mut body, &row_key(tenant, &key));
            push(&mut body, &value);
        }
        let head = heads.get(tenant).map(|h| hex(*h)).unwrap_or_default();
        tenants.insert(tenant.clone(), Mark { seq: state.seq(), digest: hex(&state.digest()), head });
    }
    let header = Header {
        version: 1,
        fold_version: FOLD_VERSION,
        journal: hex(&place.journal.0),
        position: place.position,
        rows,
        rows_sha256: hex(&Sha256::digest(&body)),
        tenants,
    };
    let json = serde_json::to_vec(&header).map_err(|e| e.to_string())?;
    let mut file = seal.sign(&json)?.into_bytes();
    file.push(b'\n');
    file.extend_from_slice(&body);
    let name = name_of(header.position);
    disk.put(&name, &file).map_err(|e| e.to_string())?;
    Ok(name)
}

fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The bases there are, oldest first.
pub fn names(disk: &dyn Disk) -> std::io::Result<Vec<String>> {
    let mut names: Vec<_> =
        disk.list()?.into_iter().filter(|n| n.starts_with("base-") && !n.contains('.')).collect();
    names.sort();
    Ok(names)
}

/// Reads a base and checks its signature, its rows, and that each state has the digest that the header says. Rows of
/// another fold version are another release's to read: such a base has no states.
pub fn read(
    disk: &dyn Disk,
    seal: &dyn Seal,
    name: &str,
) -> Result<(Header, BTreeMap<TenantId, State>), Error> {
    let bad = |what: &str| Error::Bad { name: name.into(), what: what.into() };
    let file = disk.read(name).map_err(|source| Error::Disk { name: name.into(), source })?;
    let end = file.iter().position(|b| *b == b'\n').ok_or_else(|| bad("it has no header"))?;
    let (compact, body) = (&file[..end], &file[end + 1..]);
    let compact = std::str::from_utf8(compact).map_err(|_| bad("its header is not text"))?;
    let json = seal.open(compact).map_err(|_| bad("it is not signed by this hub"))?;
    let header: Header = serde_json::from_slice(&json).map_err(|_| bad("its header cannot be read"))?;
    if header.rows_sha256 != hex(&Sha256::digest(body)) {
        return Err(bad("its rows are damaged"));
    }
    if header.fold_version != FOLD_VERSION {
        return Ok((header, BTreeMap::new()));
    }
    let mut states: BTreeMap<TenantId, State> = BTreeMap::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (key, value);
        (key, rest) = pull(rest).ok_or_else(|| bad("its rows are cut"))?;
        (value, rest) = pull(rest).ok_or_else(|| bad("its rows are cut"))?;
        let (tenant, key) = split_key(key).ok_or_else(|| bad("a row has no tenant"))?;
        let state = states.entry(tenant.clone()).or_insert_with(|| State::new(tenant));
        state.load(key, value).map_err(|e| bad(&e.to_string()))?;
    }
    for (tenant, mark) in &header.tenants {
        let Some(state) = states.get_mut(tenant) else { return Err(bad("a tenant is missing")) };
        state.reindex();
        state.settle();
        if hex(&state.digest()) != mark.digest {
            return Err(bad("a state does not have the digest that was signed"));
        }
    }
    Ok((header, states))
}

fn pull(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*len) as usize)
}
