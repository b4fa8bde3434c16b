//! Operational events: what happened that is no state, such as a refused SET.
//!
//! Ground floor. One log line, one counter, one row in a bounded side file (10,000 rows, 64 MiB, oldest dropped),
//! redacted: never a SET's payload, never a secret (DESIGN 1). Losing the file loses no state.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::SharedClock;

/// Rows kept, over both generations of the file.
pub const ROWS_MAX: usize = 10_000;
/// Bytes kept, over both generations of the file.
pub const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Longest text of one member, in bytes.
const TEXT_MAX: usize = 512;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When (ms since 1970).
    pub at_ms: i64,
    /// Whose.
    pub tenant: String,
    /// What sort: `set_rejected`, `set_conflict`, …
    pub kind: String,
    /// Which part of the tenant: an upstream, a stream, a client.
    pub subject: String,
    /// What happened, from a fixed table.
    pub what: String,
    /// Size of what was refused, in bytes.
    #[serde(default)]
    pub bytes: usize,
}

struct Log {
    file: File,
    rows: usize,
    bytes: u64,
}

/// The side file, in two generations: when the newer is half full, it becomes the older.
pub struct Operations {
    clock: SharedClock,
    path: PathBuf,
    log: Mutex<Log>,
    tap: Mutex<Option<VecDeque<Event>>>,
}

/// Events that wait for a projection; older ones are dropped.
const TAP_MAX: usize = 10_000;

impl Operations {
    /// Opens `operations.ndjson` in `dir`.
    pub fn open(dir: &Path, clock: SharedClock) -> io::Result<Self> {
        let path = dir.join("operations.ndjson");
        let log = Self::open_log(&path)?;
        Ok(Self { clock, path, log: Mutex::new(log), tap: Mutex::default() })
    }

    fn open_log(path: &Path) -> io::Result<Log> {
        let rows = std::fs::read(path).map_or(0, |b| b.iter().filter(|c| **c == b'\n').count());
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Log { file, rows, bytes })
    }

    fn older(&self) -> PathBuf {
        self.path.with_extension("ndjson.1")
    }

    /// Notes an event: a log line and a row. A row that cannot be written is only logged.
    pub fn note(&self, tenant: &str, kind: &str, subject: &str, what: &str, bytes: usize) {
        tracing::warn!(tenant, kind, subject, what, bytes, "operational event");
        let at_ms = self.clock.wall_ms();
        let event = Event {
            at_ms,
            tenant: cut(tenant),
            kind: cut(kind),
            subject: cut(subject),
            what: cut(what),
            bytes,
        };
        if let Some(tap) = self.tap.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            tap.truncate(TAP_MAX - 1);
            tap.push_front(event.clone());
        }
        let Ok(mut row) = serde_json::to_vec(&event) else { return };
        row.push(b'\n');
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.rows >= ROWS_MAX / 2 || log.bytes + row.len() as u64 > BYTES_MAX / 2 {
            let turned = std::fs::rename(&self.path, self.older()).and_then(|()| Self::open_log(&self.path));
            match turned {
                Ok(fresh) => *log = fresh,
                Err(error) => return tracing::warn!(%error, "operational events cannot be kept"),
            }
        }
        match log.file.write_all(&row) {
            Ok(()) => {
                log.rows += 1;
                log.bytes += row.len() as u64;
            }
            Err(error) => tracing::warn!(%error, "an operational event could not be kept"),
        }
    }

    /// The events since the last call, oldest first; the first call begins to gather them.
    pub fn drain_tap(&self) -> Vec<Event> {
        let mut tap = self.tap.lock().unwrap_or_else(PoisonError::into_inner);
        let gathered = tap.get_or_insert_default();
        std::mem::take(gathered).into_iter().rev().collect()
    }

    /// The newest events, oldest first, at most `max`. Reads files: not for a thread that must not block.
    pub fn latest(&self, max: usize) -> Vec<Event> {
        // Both generations are opened between two turns; who notes does not wait for the reading.
        let opened = {
            let _log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            [self.older(), self.path.clone()].map(|path| File::open(path).ok())
        };
        let mut events: Vec<Event> = opened
            .into_iter()
            .flatten()
            .filter_map(|file| io::read_to_string(file).ok())
            .flat_map(|text| text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect::<Vec<_>>())
            .collect();
        events.split_off(events.len().saturating_sub(max))
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::System;
    use std::sync::Arc;

    #[test]
    fn rows_are_bounded_and_the_newest_stay() {
        let dir = tempfile::tempdir().unwrap();
        let ops = Operations::open(dir.path(), Arc::new(System)).unwrap();
        for n in 0..ROWS_MAX + 10 {
            ops.note("t", "set_rejected", "kc", &n.to_string(), 1);
        }
        let all = ops.latest(usize::MAX);
        assert!(all.len() <= ROWS_MAX, "{}", all.len());
        assert!(all.len() > ROWS_MAX / 2);
        assert_eq!(all.last().unwrap().what, (ROWS_MAX + 9).to_string());
        assert_eq!(ops.latest(3).len(), 3);
        let reopened = Operations::open(dir.path(), Arc::new(System)).unwrap();
        reopened.note("t", "k", "s", "a\nb", 0);
        assert_eq!(reopened.latest(1)[0].what, "a b");
    }
}
