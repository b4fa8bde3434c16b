//! What works on the files, beside a running hub or without one: `journal verify`, `store rebuild`, `keys reseal`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::origins;
use super::seal::AuditSeal;
use super::store::Places;
use crate::clock::{OsChance, SharedChance, System};
use crate::config::Config;
use crate::hub::base::{self, Header, hex};
use crate::hub::mirror;
use crate::hub::start::{self, States};
use crate::hub::state::FOLD_VERSION;
use crate::journal::{Folder, Journal, Options, Position, Reader};
use crate::keys::Keys;
use crate::store::Mirror;

/// Checks the chain against the payloads and the signed heads, folds everything again from the oldest base (or from
/// zero), and holds every later base's digests against the fold. Reads only; needs no lock.
pub fn verify(config: &Config) -> anyhow::Result<Value> {
    let places = Places::under(&config.data_dir);
    anyhow::ensure!(places.journal.exists(), "there is no journal in {}", places.root.display());
    let seal = AuditSeal::new(&keys(config, &places, false)?)?;
    let disk = Arc::new(Folder::read_only(&places.journal));
    let mut reader = Reader::open(disk.clone())?;
    let journal = hex(&reader.id().0);
    // What is signed while this runs may lie ahead of what was read: heads are read first.
    let heads = seal.signed_heads(&places.root, &journal)?;
    let report = crate::journal::verify::verify(&*disk, &heads)?;
    let bases = read_bases(&places, &seal, &journal)?;
    let (mut states, mut position, from) = oldest(&places, &seal, &bases)?;
    let mut entries = 0;
    let mut agreed = 0;
    let mut folding = reader.batches(position)?;
    loop {
        if let Some((name, header)) = bases.get(&position) {
            compare(name, header, &states)?;
            agreed += 1;
        }
        let Some(batch) = folding.next() else { break };
        let batch = batch?;
        // The first batch of a segment begins where no base can stand: a base stands where the batch before ended.
        position = batch.after;
        for entry in batch.entries {
            start::fold_one(&mut states, entry)?;
            entries += 1;
        }
    }
    let tenants: BTreeMap<String, Value> = states
        .iter()
        .map(|(t, s)| (t.to_string(), json!({ "seq": s.seq().0, "digest": hex(&s.digest()) })))
        .collect();
    Ok(json!({
        "journal": journal,
        "segments": report.segments,
        "entries": report.entries,
        "erased": report.erased,
        "unfinished_bytes": report.unfinished_bytes,
        "heads_agreed": report.heads_agreed,
        "folded_from": from,
        "folded": entries,
        "bases_agreed": agreed,
        "tenants": tenants,
    }))
}

/// Bases of this journal and this fold, by position. One that is damaged is an error here: it was signed.
fn read_bases(
    places: &Places,
    seal: &AuditSeal,
    journal: &str,
) -> anyhow::Result<BTreeMap<Position, (String, Header)>> {
    let mut out = BTreeMap::new();
    if !places.bases.exists() {
        return Ok(out);
    }
    let disk = Folder::read_only(&places.bases);
    for name in base::names(&disk)? {
        let (header, _) = match base::read(&disk, seal, &name) {
            // The hub beside us dropped it since the names were read.
            Err(base::Error::Disk { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                continue;
            }
            read => read?,
        };
        if header.fold_version == FOLD_VERSION && header.journal == journal {
            out.insert(header.position, (name, header));
        }
    }
    Ok(out)
}

/// Where the fold begins: at the oldest base that is still there.
fn oldest(
    places: &Places,
    seal: &AuditSeal,
    bases: &BTreeMap<Position, (String, Header)>,
) -> anyhow::Result<(States, Position, String)> {
    for (position, (name, _)) in bases {
        match base::read(&Folder::read_only(&places.bases), seal, name) {
            Err(base::Error::Disk { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            read => return Ok((read?.1, *position, name.clone())),
        }
    }
    // A restored journal goes on from its origins: zero is where they end.
    Ok((origins::states(places, seal)?, Position::OLDEST, "zero".to_string()))
}

fn compare(name: &str, header: &Header, states: &States) -> anyhow::Result<()> {
    for (tenant, mark) in &header.tenants {
        let state =
            states.get(tenant).with_context(|| format!("base {name}: tenant {tenant} is not in the fold"))?;
        anyhow::ensure!(
            state.seq() == mark.seq && hex(&state.digest()) == mark.digest,
            "base {name}: tenant {tenant} does not add up to the digest that was signed"
        );
    }
    Ok(())
}

/// Makes the mirror again from the newest base and the journal. The hub must not be running: this takes its lock.
pub fn rebuild_store(config: &Config) -> anyhow::Result<Value> {
    let places = Places::under(&config.data_dir);
    let chance: SharedChance = Arc::new(OsChance);
    anyhow::ensure!(places.journal.exists(), "there is no journal in {}", places.root.display());
    let disk = Arc::new(Folder::open(&places.journal).context("the journal is in use: stop the hub first")?);
    let seal = AuditSeal::new(&keys(config, &places, true)?)?;
    let options = Options { segment_bytes: config.journal.segment_bytes, fold_version: FOLD_VERSION };
    let (journal, _) = Journal::open(disk.clone(), options, chance)?;
    let bases = Folder::read_only(&places.bases);
    let mut reader = Reader::open(disk)?;
    let at = (journal.id(), journal.end());
    let mut loaded = origins::load(&places, &bases, &mut reader, &seal, None, at)?;
    Mirror::wipe(&places.mirror)?;
    let mut store = Mirror::open(&places.mirror)?;
    let rows = mirror::seed(&mut store, &mut loaded.states, (journal.id(), journal.end()))
        .context("the mirror could not be written")?;
    store.barrier()?;
    Ok(json!({ "rows": rows, "from": format!("{:?}", loaded.from), "folded": loaded.folded }))
}

fn keys(config: &Config, places: &Places, writes: bool) -> Result<Keys, crate::keys::vault::Error> {
    super::convert::keys(config, places, (Arc::new(System), Arc::new(OsChance)), writes)
}

/// Seals everything in `keys/` with the sealing key that is configured now. The hub must not be running: this takes its
/// lock. A start does the same.
pub fn reseal(config: &Config) -> anyhow::Result<Value> {
    let places = Places::under(&config.data_dir);
    let Some(current) = &config.keys.sealing.current else {
        anyhow::bail!("no sealing key is configured (keys.sealing_key_file)");
    };
    anyhow::ensure!(places.journal.exists(), "there is no journal in {}", places.root.display());
    let _lock = Folder::open(&places.journal).context("the journal is in use: stop the hub first")?;
    let done = keys(config, &places, true)?.resealed();
    Ok(json!({ "sealing_key": current.id(), "files": done.files, "written": done.written }))
}
