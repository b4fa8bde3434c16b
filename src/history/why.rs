//! `why`: from a decision id to its cause, read from the journal's files without a lock.
//!
//! Reads segment by segment from the oldest on.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::hub::entry::Body;
use crate::journal::{Entry, Folder, Payload, Position, Reader};
use crate::policy::reason::Reason;
use crate::tenant::{EntryId, Seq};

/// The journal's files.
pub struct Journaled {
    dir: PathBuf,
}

impl Journaled {
    /// Reads under `dir`.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// An entry in words, and what caused it. `None` where there is no such entry. Blocking.
    pub fn why(&self, id: &EntryId) -> Result<Option<Value>, String> {
        let Some(entry) = self.find(id)? else { return Ok(None) };
        let mut shown = show(id, &entry)?;
        if let Some(cause) = shown["decision"]["cause"].as_u64() {
            let cause = EntryId { tenant: id.tenant.clone(), seq: Seq(cause) };
            if let Some(entry) = self.find(&cause)? {
                shown["caused_by"] = show(&cause, &entry)?;
            }
        }
        Ok(Some(shown))
    }

    fn find(&self, id: &EntryId) -> Result<Option<Entry>, String> {
        let disk = Arc::new(Folder::read_only(&self.dir));
        let mut reader = Reader::open(disk).map_err(|e| e.to_string())?;
        for batch in reader.batches(Position::OLDEST).map_err(|e| e.to_string())? {
            for entry in batch.map_err(|e| e.to_string())?.entries {
                if entry.tenant == id.tenant && entry.seq == id.seq {
                    return Ok(Some(entry));
                }
            }
        }
        Ok(None)
    }
}

/// An entry for people: the evidence is named, secrets are not there to begin with.
fn show(id: &EntryId, entry: &Entry) -> Result<Value, String> {
    let Payload::Present(payload) = &entry.payload else {
        return Ok(json!({ "id": id.to_string(), "time_ms": entry.time_ms, "erased": true }));
    };
    let body = Body::parse(entry.kind, entry.version, payload).map_err(|e| e.to_string())?;
    let mut shown = json!({ "id": id.to_string(), "time_ms": entry.time_ms, "kind": body.name() });
    match &body {
        Body::Decision(decision) => {
            shown["reason"] = json!(Reason::of_code(&decision.reason_code).map(Reason::text));
            shown["decision"] = json!(decision);
        }
        Body::Set(set) => shown["set"] = json!(set),
        Body::Fact(fact) => shown["fact"] = json!(fact),
        Body::Kill(act) | Body::Lift(act) => shown["act"] = json!(act),
        Body::Put { object, by } => {
            shown["put"] = json!({ "kind": object.kind(), "id": object.id(), "by": by })
        }
        Body::Remove { kind, id, by } => shown["remove"] = json!({ "kind": kind, "id": id, "by": by }),
        Body::Keys(keys) => shown["keys"] = json!({ "upstream": keys.upstream }),
        Body::Outcomes(outcomes) => shown["outcomes"] = json!(outcomes),
        Body::ClockAccepted { by } => shown["by"] = json!(by),
        Body::Subjects(change) => shown["subjects"] = json!(change),
        Body::Status(change) => shown["status"] = json!(change),
        Body::Control(control) => shown["verification"] = json!(control),
        Body::Tick => {}
    }
    Ok(shown)
}
