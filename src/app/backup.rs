//! `ssf-hub backup`: a whole copy of the running hub, as it was at one moment.
//!
//! A base is written, and the sequencer says where the journal ended there; what lies before that place never changes, so
//! it is copied beside the running hub. Until the keys are copied no object can be edited, so that the state never names a
//! secret that the copy does not hold, and no signing key is made, rotated or revoked: what says which one signs is copied
//! together with it. A crash on the way leaves a directory without a manifest, which is no backup.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::bases::Bases;
use super::manifest::{self, MANIFEST, Manifest, VERSION};
use super::seal::{AuditSeal, HEADS, heads_of};
use super::store::Places;
use crate::api::editing::Editing;
use crate::api::problem::Problem;
use crate::clock::SharedClock;
use crate::hub::base::{self, Place};
use crate::hub::spine::Spine;
use crate::journal::begin::file_names;
use crate::journal::{Folder, Position};
use crate::keys::{Keys, write_private};

/// Makes backups of one hub, one at a time.
pub struct Backups {
    /// Writes the base that it begins with.
    pub bases: Arc<Bases>,
    /// Where the hub's files lie.
    pub places: Places,
    /// Its keys: none changes while they are copied.
    pub keys: Arc<Keys>,
    /// Signs the manifest.
    pub seal: Arc<AuditSeal>,
    /// What time it is.
    pub clock: SharedClock,
    /// Held by who changes an object.
    pub editing: Arc<Editing>,
    /// Held while a backup is made.
    pub one: tokio::sync::Mutex<()>,
}

/// The moment of a backup.
struct Cut {
    end: Position,
    log_bytes: u64,
    segments: Vec<u32>,
    heads_bytes: u64,
}

impl Cut {
    fn of(spine: &Spine, heads: &Path) -> Self {
        let journal = spine.journal();
        let (end, log_bytes) = journal.ends();
        let segments = journal.segments().iter().map(|info| info.segment).collect();
        // Later lines are of entries that the copy does not hold.
        let heads_bytes = std::fs::metadata(heads).map_or(0, |meta| meta.len());
        Self { end, log_bytes, segments, heads_bytes }
    }
}

fn failed(error: &anyhow::Error) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the backup failed: {error:#}"))
}

impl Backups {
    /// Writes a backup into `dir`, which must be new or empty and lie outside of the data directory.
    pub async fn write(self: Arc<Self>, dir: PathBuf) -> Result<Value, Problem> {
        let Ok(_one) = self.one.try_lock() else {
            return Err(Problem::new(StatusCode::CONFLICT, "another backup is being written"));
        };
        self.fits(&dir)?;
        let written = self.clone().fill(dir.clone()).await;
        if written.is_err() {
            manifest::clear(&dir);
        }
        written
    }

    fn fits(&self, dir: &Path) -> Result<(), Problem> {
        if !dir.is_absolute() {
            return Err(Problem::bad_request("dir must be an absolute path on the hub's machine"));
        }
        manifest::empty_dir(dir).map_err(|e| Problem::new(StatusCode::CONFLICT, format!("{e:#}")))?;
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into());
        if whole(dir).starts_with(whole(&self.places.root)) {
            return Err(Problem::bad_request("dir must lie outside of the data directory"));
        }
        Ok(())
    }

    async fn fill(self: Arc<Self>, dir: PathBuf) -> Result<Value, Problem> {
        let editing = self.editing.all().await;
        let heads = self.places.root.join(HEADS);
        let cut = self.bases.cut(move |spine| Cut::of(spine, &heads)).await?;
        let (this, to) = (self.clone(), dir.clone());
        let copied = blocking(move || this.keys.while_still(|| copy_below(&this.places.keys, &to, "keys")));
        let copied = copied.await.map_err(|e| failed(&e))?;
        drop(editing);
        let this = self.clone();
        blocking(move || this.copy(&dir, &cut, copied)).await.map_err(|e| failed(&e))
    }

    /// Copies the rest, and writes the manifest.
    fn copy(
        &self,
        dir: &Path,
        (base, place, cut): &(String, Place, Cut),
        mut files: Sums,
    ) -> anyhow::Result<Value> {
        let mut put = |from: &Path, to: String, bytes| -> anyhow::Result<()> {
            let sum = manifest::copy(from, &dir.join(&to), bytes)?;
            files.push((to, sum));
            Ok(())
        };
        // The base first: a newer one may push it out.
        put(&self.places.bases.join(base), format!("bases/{base}"), None)?;
        put(&self.places.journal.join("journal.id"), "journal/journal.id".into(), None)?;
        for segment in &cut.segments {
            let ends =
                [cut.end.offset, cut.log_bytes].map(|end| (*segment == cut.end.segment).then_some(end));
            for (name, bytes) in file_names(*segment).iter().zip(ends) {
                put(&self.places.journal.join(name), format!("journal/{name}"), bytes)?;
            }
        }
        let credential = super::reconcile::ADMIN_FILE;
        put(&self.places.root.join(credential), credential.into(), None)?;
        files.extend(copy_below(&self.places.origins, dir, "origins")?);
        files.push((HEADS.into(), self.heads(dir, place, cut.heads_bytes)?));

        let (header, _) = base::read(&Folder::read_only(&dir.join("bases")), &*self.seal, base)?;
        let manifest = Manifest {
            version: VERSION,
            release: env!("CARGO_PKG_VERSION").into(),
            at_ms: self.clock.wall_ms(),
            fold_version: header.fold_version,
            journal: place.journal.to_string(),
            position: cut.end,
            base: base.clone(),
            tenants: header.tenants,
            files: files.into_iter().collect(),
        };
        anyhow::ensure!(
            manifest.position == header.position,
            "the base does not stand at the end of the journal"
        );
        manifest::sync_dirs(dir)?;
        let signed = self.seal.sign_manifest(&serde_json::to_vec(&manifest)?)?;
        write_private(&dir.join(MANIFEST), signed.as_bytes())?;
        Ok(told(dir, &manifest, self.seal.kid()))
    }
}

impl Backups {
    /// Copies the heads signed so far, and signs those at the end of the copy.
    fn heads(&self, dir: &Path, place: &Place, bytes: u64) -> anyhow::Result<manifest::Sum> {
        if bytes > 0 {
            manifest::copy(&self.places.root.join(HEADS), &dir.join(HEADS), Some(bytes))?;
        }
        self.seal.sign_heads(dir, &heads_of(place, self.clock.wall_ms()))?;
        manifest::sum_of(&dir.join(HEADS))
    }
}

/// What an operator is told of a backup.
pub fn told(dir: &Path, manifest: &Manifest, kid: &str) -> Value {
    let bytes: u64 = manifest.files.values().map(|sum| sum.bytes).sum();
    json!({
        "dir": dir,
        "journal": manifest.journal,
        "position": manifest.position,
        "at_ms": manifest.at_ms,
        "files": manifest.files.len(),
        "bytes": bytes,
        "audit_kid": kid,
        "tenants": manifest.tenants,
    })
}

type Sums = Vec<(String, manifest::Sum)>;

fn copy_below(from: &Path, dir: &Path, name: &str) -> anyhow::Result<Sums> {
    let files = manifest::files_below(from)?.into_iter();
    let copied = files.map(|path| {
        let to = Path::new(name).join(&path);
        let sum = manifest::copy(&from.join(&path), &dir.join(&to), None)?;
        let to = to.to_str().ok_or_else(|| anyhow::anyhow!("a file's name is no text"))?;
        Ok((to.to_string(), sum))
    });
    copied.collect()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}
