//! `ssf-hub restore`: a backup becomes a data directory, under a new journal id (DESIGN 5, ADR 0015).
//!
//! Works on files alone; no hub may run there. Every file is held against the manifest, the manifest against the audit
//! key, the journal against its chain and its signed heads, the state against the digest that was signed. Until all
//! of it is there a mark keeps `serve` from starting.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::manifest::{self, MANIFEST, Manifest};
use super::origins;
use super::seal::{AuditSeal, SignedHead, SignedHeads};
use super::store::Places;
use crate::clock::{Clock as _, OsChance, SharedChance, System, random};
use crate::config::Config;
use crate::hub::base::{self, hex};
use crate::hub::entry::{self, Body};
use crate::hub::restored::Restored;
use crate::hub::start::States;
use crate::hub::state::{FOLD_VERSION, State};
use crate::journal::{self, Draft, Folder, Journal, JournalId, Link, Options};
use crate::keys::{Keys, write_private};
use crate::tenant::{Seq, TenantId};

/// A data directory with this file in it is not whole.
pub const UNFINISHED: &str = "restore.unfinished";
/// Longest manifest that is read, in bytes.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// Restores `from` into the data directory of the configuration, which must be empty. `kid`: the audit key that must
/// have signed it; without one, the key that lies in the backup itself is believed.
pub fn restore(config: &Config, from: &Path, kid: Option<&str>) -> anyhow::Result<Value> {
    let places = Places::under(&config.data_dir);
    ensure!(from.join(MANIFEST).is_file(), "{} holds no whole backup: it has no {MANIFEST}", from.display());
    manifest::empty_dir(&places.root)?;
    let restored = write_private(&places.root.join(UNFINISHED), b"")
        .map_err(Into::into)
        .and_then(|()| fill(config, &places, from, kid));
    if restored.is_err() {
        manifest::clear(&places.root);
    }
    restored
}

/// Whether a restore was interrupted here.
pub fn is_unfinished(root: &Path) -> bool {
    root.join(UNFINISHED).exists()
}

fn fill(config: &Config, places: &Places, from: &Path, kid: Option<&str>) -> anyhow::Result<Value> {
    let chance: SharedChance = Arc::new(OsChance);
    // The keys first: they open the manifest. What was copied is held against it below.
    let mut copied = vec![];
    for path in manifest::files_below(&from.join("keys"))? {
        let path = Path::new("keys").join(path);
        copied.push((text(&path)?, manifest::copy(&from.join(&path), &places.root.join(&path), None)?));
    }
    let keys = super::convert::keys(config, places, (Arc::new(System), chance.clone()), false)?;
    let seal = AuditSeal::new(&keys)?;
    let manifest = read_manifest(&from.join(MANIFEST), &seal)?;
    if let Some(kid) = kid {
        ensure!(kid == seal.kid(), "the backup is signed with the key {}, not {kid}", seal.kid());
    }
    let copied: std::collections::BTreeMap<_, _> = copied.into_iter().collect();
    let listed = manifest.files.iter().filter(|(path, _)| path.starts_with("keys/"));
    for (path, sum) in copied.iter().chain(listed) {
        let same = copied.get(path) == Some(sum) && manifest.files.get(path) == Some(sum);
        ensure!(same, "{} is not as it was backed up", from.join(path).display());
    }
    let origin = copy_rest(places, from, &manifest)?;
    let (heads, states) = check(&origin, places, &seal, &manifest)?;
    can_sign(&keys, places, &states)?;
    let id = JournalId(random(&*chance));
    begin(config, places, &seal, (id, &heads), (&states, &manifest), chance)?;
    std::fs::remove_file(places.root.join(UNFINISHED))?;
    manifest::sync_dirs(&places.root)?;
    let tenants: serde_json::Map<String, Value> = states
        .iter()
        .map(|(tenant, state)| {
            (tenant.to_string(), json!({ "seq": state.seq().0, "digest": hex(&state.digest()) }))
        })
        .collect();
    Ok(json!({
        "data_dir": places.root,
        "journal": id.to_string(),
        "origin": manifest.journal,
        "backed_up_at_ms": manifest.at_ms,
        "audit_kid": seal.kid(),
        "digests": if manifest.fold_version == FOLD_VERSION { "agreed" } else { "folded anew" },
        "tenants": tenants,
    }))
}

fn text(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(Into::into).with_context(|| format!("{} is no text", path.display()))
}

fn read_manifest(path: &Path, seal: &AuditSeal) -> anyhow::Result<Manifest> {
    ensure!(std::fs::metadata(path)?.len() <= MANIFEST_BYTES_MAX, "{} is too long", path.display());
    let signed = std::fs::read_to_string(path)?;
    let opened = seal.open_manifest(signed.trim_end());
    let opened = opened.map_err(|what| anyhow::anyhow!("{} is not to be trusted: {what}", path.display()))?;
    let manifest: Manifest = serde_json::from_slice(&opened).context("the manifest cannot be read")?;
    ensure!(
        manifest.version == manifest::VERSION,
        "the manifest has a version that is not known to this build"
    );
    ensure!(
        manifest.fold_version <= FOLD_VERSION,
        "the backup was written by a newer release ({}): restore it with that one",
        manifest.release
    );
    Ok(manifest)
}

/// Copies what is not copied yet: journal and bases become an origin. Returns the origin.
fn copy_rest(places: &Places, from: &Path, manifest: &Manifest) -> anyhow::Result<PathBuf> {
    let older = manifest.files.keys().filter_map(|p| p.strip_prefix("origins/")?.split('/').next());
    let older: std::collections::BTreeSet<&str> = older.collect();
    let origin = places.origins.join(origins::name(older.len() + 1, &manifest.journal));
    for (path, sum) in &manifest.files {
        let within = manifest::inside(path)?;
        let to = match within.iter().next().and_then(|first| first.to_str()) {
            Some("keys") => continue,
            Some("journal" | "bases") => origin.join(within),
            _ => places.root.join(within),
        };
        let source = from.join(within);
        let copied = manifest::copy(&source, &to, None)?;
        ensure!(copied == *sum, "{} is damaged: it is not as it was backed up", source.display());
    }
    Ok(origin)
}

type Heads = Vec<(TenantId, Seq, Link)>;

/// Holds the journal against its chain and its signed heads, and the state that it adds up to against the manifest.
fn check(
    origin: &Path,
    places: &Places,
    seal: &AuditSeal,
    manifest: &Manifest,
) -> anyhow::Result<(Heads, States)> {
    let signed = seal.signed_heads(&places.root, &manifest.journal)?;
    let report = journal::verify::verify(&Folder::read_only(&origin.join("journal")), &signed)?;
    ensure!(report.journal.to_string() == manifest.journal, "the journal is not the one of the manifest");
    let states = origins::states(places, seal)?;
    for (tenant, mark) in &manifest.tenants {
        let state = states.get(tenant).with_context(|| format!("tenant {tenant} is missing"))?;
        let head = report.tenants.iter().find(|(t, ..)| t == tenant).map(|(.., head)| hex(head));
        ensure!(
            state.seq() == mark.seq && head.unwrap_or_default() == mark.head,
            "tenant {tenant}: the journal does not end where the manifest says"
        );
        ensure!(
            manifest.fold_version != FOLD_VERSION || hex(&state.digest()) == mark.digest,
            "tenant {tenant}: the state does not have the digest that was signed"
        );
    }
    ensure!(
        states.len() == manifest.tenants.len(),
        "the journal has tenants that the manifest does not name"
    );
    Ok((report.tenants, states))
}

/// Opens the signing keys of every tenant that has some: a hub that cannot sign is not restored.
fn can_sign(keys: &Keys, places: &Places, states: &States) -> anyhow::Result<()> {
    for tenant in states.keys() {
        let own = places.keys.join(format!("t/{tenant}"));
        if !own.is_dir() {
            continue;
        }
        // Asking for a key that is not there would make another one.
        ensure!(
            own.join("subject.key").is_file(),
            "tenant {tenant}: the backup is not whole: no subject.key"
        );
        let opened = keys.tenant(tenant).and_then(|keys| keys.list());
        opened.with_context(|| format!("tenant {tenant} could not sign: the backup is not whole"))?;
    }
    Ok(())
}

/// Begins the new journal: its base is the state of the backup, its first entry says where it comes from.
fn begin(
    config: &Config,
    places: &Places,
    seal: &AuditSeal,
    (id, heads): (JournalId, &Heads),
    (states, manifest): (&States, &Manifest),
    chance: SharedChance,
) -> anyhow::Result<()> {
    let options = Options { segment_bytes: config.journal.segment_bytes, fold_version: FOLD_VERSION };
    let disk = Arc::new(Folder::open(&places.journal)?);
    Journal::begin(&*disk, &options, id, heads)?;
    let (mut journal, _) = Journal::open(disk, options, chance)?;
    let bases = Folder::open(&places.bases)?;
    let place = base::Place::end_of(&journal);
    base::write_states(states, &place, &bases, seal).map_err(anyhow::Error::msg)?;
    let restored = Body::Restored(Restored {
        journal: id.to_string(),
        origin: manifest.journal.clone(),
        position: manifest.position,
        backed_up_at_ms: manifest.at_ms,
        tenants: manifest.tenants.clone(),
    });
    let last_ms = states.values().map(State::time_ms).max().unwrap_or(0);
    let draft = Draft {
        tenant: TenantId::hub(),
        kind: restored.kind(),
        version: entry::VERSION,
        time_ms: System.wall_ms().max(last_ms),
        payload: restored.to_vec()?,
    };
    journal.append(&[draft])?;
    journal.sync_chain()?;
    let heads = journal.heads().into_iter();
    let heads = heads.map(|(tenant, seq, head)| SignedHead { tenant, seq, head: hex(&head) }).collect();
    let signed = SignedHeads { journal: id.to_string(), at_ms: System.wall_ms(), heads };
    seal.sign_heads(&places.root, &signed)
}
