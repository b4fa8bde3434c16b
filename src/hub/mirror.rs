//! The mirror's feed: changed rows, gathered behind the answer path (DESIGN 7, 8).
//!
//! The spine merges what changed into [`Feed`]; one thread writes it to the store, one atomic batch with
//! its cursor. Rows that come and go between two writes are never written. A mirror that fails is closed and
//! reported; the hub goes on and the next start folds from a base.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state::{FOLD_VERSION, State};
use crate::journal::{JournalId, Position};
use crate::rows::Change;
use crate::store::{Change as Row, Mirror};
use crate::tenant::TenantId;

/// More rows than this waiting: the mirror cannot keep up and is closed rather than let memory grow.
pub const ROWS_MAX: usize = 2_000_000;
/// About how many bytes a row that waits has, on average: most are references, records and nodes.
pub const ROW_BYTES: usize = 256;
/// Rows of one batch while a mirror is made.
const SEED_ROWS: usize = 50_000;
/// What stands for the cursor while a mirror is made.
const NO_CURSOR: &[u8] = b"";
/// How long changes gather before they are written.
const GATHER: Duration = Duration::from_millis(500);

/// How far the mirror is: everything up to `position` of this journal, folded like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Which journal.
    pub journal: [u8; 16],
    /// Up to where.
    pub position: Position,
    /// Folded how.
    pub fold_version: u16,
}

impl Cursor {
    fn to_vec(self) -> Vec<u8> {
        serde_json::to_vec(&self).unwrap_or_default()
    }
}

#[derive(Default)]
struct Waiting {
    /// Changes as they came: of one row the last counts.
    rows: Vec<Change>,
    cursor: Option<Cursor>,
    stop: bool,
    closed: bool,
}

/// What waits to be written.
#[derive(Default)]
pub struct Feed {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

impl Feed {
    /// Puts changed rows; the newest change of a row wins.
    pub fn put(&self, changes: Vec<Change>, journal: JournalId, position: Position) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.closed {
            return;
        }
        waiting.rows.extend(changes);
        if waiting.rows.len() > ROWS_MAX {
            waiting.rows = newest(std::mem::take(&mut waiting.rows));
        }
        // While changes gather, nobody waits for more of them.
        let first = waiting.cursor.is_none();
        waiting.cursor = Some(Cursor { journal: journal.0, position, fold_version: FOLD_VERSION });
        if waiting.rows.len() > ROWS_MAX {
            tracing::error!(
                rows = waiting.rows.len(),
                "the mirror cannot keep up and is closed until the next start"
            );
            waiting.closed = true;
            waiting.rows = Vec::new();
            waiting.cursor = None;
        }
        if first {
            self.wake.notify_one();
        }
    }

    /// Lets [`Feed::run`] write what waits, and end.
    pub fn stop(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.wake.notify_one();
    }

    /// Whether the mirror failed and is closed.
    pub fn is_closed(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// Writes until stopped; run on a thread of its own.
    pub fn run(&self, mirror: &mut Mirror) {
        loop {
            let (rows, cursor, stop) = self.take();
            if let Some(cursor) = cursor
                && let Err(error) = write(mirror, rows, &cursor.to_vec())
            {
                tracing::error!(%error, "the mirror failed and is closed until the next start; the hub goes on");
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.closed = true;
                waiting.rows = Vec::new();
                return;
            }
            if stop {
                // An orderly end leaves nothing to fold at the next start.
                if let Err(error) = mirror.barrier() {
                    tracing::warn!(%error, "the mirror was not flushed; the next start folds a little more");
                }
                return;
            }
        }
    }

    /// Takes what waits now, if anything does: for who writes the rows in step, as the simulation does.
    pub fn take_now(&self) -> Option<(Vec<Row>, Cursor)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let cursor = waiting.cursor.take()?;
        Some((to_write(std::mem::take(&mut waiting.rows)), cursor))
    }

    fn take(&self) -> (Vec<Row>, Option<Cursor>, bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.cursor.is_none() && !waiting.stop {
            waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if !waiting.stop {
            // Gather: most rows of a busy moment are gone again before it is over.
            let woken = self.wake.wait_timeout_while(waiting, GATHER, |w| !w.stop);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let rows = std::mem::take(&mut waiting.rows);
        let (cursor, stop) = (waiting.cursor.take(), waiting.stop);
        drop(waiting);
        (to_write(rows), cursor, stop)
    }
}

/// The last change of every row that is or was written, in the order of their keys.
fn newest(mut rows: Vec<Change>) -> Vec<Change> {
    // Stable: of one row the changes stay in the order in which they came.
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows.dedup_by(|later, kept| {
        let same = later.key == kept.key;
        if same {
            kept.value = later.value.take();
        }
        same
    });
    // What came and went in between was never written: sled would look for it in vain.
    rows.retain(|row| row.value.is_some() || !row.born);
    rows
}

fn to_write(rows: Vec<Change>) -> Vec<Row> {
    newest(rows).into_iter().map(|row| (row.key, row.value)).collect()
}

fn write(mirror: &mut Mirror, rows: Vec<Row>, cursor: &[u8]) -> Result<(), crate::store::Error> {
    // On a full disk sled may panic where it should answer; this thread must live to say that the mirror is closed.
    let applied = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| mirror.apply(rows, cursor)));
    applied.unwrap_or(Err(crate::store::Error::Unreadable))
}

/// Gives an empty mirror every row. The cursor comes last: until then it is no mirror, and a start passes it over.
pub fn seed(
    mirror: &mut Mirror,
    states: &mut BTreeMap<TenantId, State>,
    (journal, position): (JournalId, Position),
) -> Result<usize, crate::store::Error> {
    let mut written = 0;
    for (tenant, state) in states.iter_mut() {
        let mut rows = Vec::new();
        state.dump(&mut rows);
        state.settle();
        written += rows.len();
        let mut rows = rows.into_iter().map(|(key, value)| (row_key(tenant, &key), Some(value)));
        loop {
            let some: Vec<Row> = rows.by_ref().take(SEED_ROWS).collect();
            if some.is_empty() {
                break;
            }
            write(mirror, some, NO_CURSOR)?;
        }
    }
    let cursor = Cursor { journal: journal.0, position, fold_version: FOLD_VERSION };
    write(mirror, vec![], &cursor.to_vec())?;
    Ok(written)
}

/// A row's key in the mirror and in a base: whose row it is stands in front.
pub fn row_key(tenant: &TenantId, key: &[u8]) -> Vec<u8> {
    let name = tenant.as_str().as_bytes();
    let mut out = Vec::with_capacity(1 + name.len() + key.len());
    // A tenant's name has at most 63 bytes.
    out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(name);
    out.extend_from_slice(key);
    out
}

/// The opposite of [`row_key`].
pub fn split_key(key: &[u8]) -> Option<(TenantId, &[u8])> {
    let (len, rest) = key.split_first()?;
    let (name, key) = rest.split_at_checked(usize::from(*len))?;
    Some((TenantId::parse(std::str::from_utf8(name).ok()?).ok()?, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_row_the_last_change_counts() {
        let row = |key: u8, value: Option<u8>, born: bool| Change {
            key: vec![key],
            value: value.map(|v| vec![v]),
            born,
        };
        let came = vec![
            row(2, Some(1), false),
            row(1, Some(1), true),
            row(4, Some(1), true),
            row(2, None, false),
            row(3, None, false),
            row(1, Some(2), false),
            row(4, None, false),
            row(3, Some(3), true),
        ];
        // The fourth was never written.
        let left = [row(1, Some(2), true), row(2, None, false), row(3, Some(3), false)];
        assert_eq!(newest(came), left);
    }
}
