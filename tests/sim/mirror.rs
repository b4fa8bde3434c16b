//! A mirror in memory that may be behind, lost or empty after a crash, and the seal and place of bases.
//!
//! Stands in for sled, whose promise it keeps: after a crash the rows are exactly those of some earlier cursor.

use std::collections::BTreeMap;

use ssf_hub::hub::base::{self, Seal, hex};
use ssf_hub::hub::command::{Answer, AtSnapshot, Refused};
use ssf_hub::hub::mirror::{Cursor, row_key};
use ssf_hub::hub::names;
use ssf_hub::hub::start::{self, States};
use ssf_hub::hub::state::FOLD_VERSION;
use ssf_hub::journal::sim::SimDisk;
use ssf_hub::journal::{JournalId, Position};
use ssf_hub::store::Change;

use crate::chance::Dice;

/// Every write so far; each is atomic.
#[derive(Default)]
pub struct FakeMirror(Vec<(Vec<Change>, Cursor)>);

impl FakeMirror {
    pub fn apply(&mut self, changes: Vec<Change>, cursor: Cursor) {
        self.0.push((changes, cursor));
    }

    /// Made anew of the states.
    pub fn seed(&mut self, states: &mut States, journal: JournalId, position: Position) {
        let mut changes: Vec<Change> = vec![];
        for (tenant, state) in states {
            let mut rows = vec![];
            state.dump(&mut rows);
            state.settle();
            changes.extend(rows.into_iter().map(|(key, value)| (row_key(tenant, &key), Some(value))));
        }
        let cursor = Cursor { journal: journal.0, position, fold_version: FOLD_VERSION };
        self.0 = vec![(changes, cursor)];
    }

    /// The power goes: it stands at an earlier cursor, or is gone.
    pub fn crash(&mut self, dice: &mut Dice) {
        let kept = if dice.once_in(6) { 0 } else { dice.below(self.0.len() + 1) };
        self.0.truncate(kept);
    }

    /// The states that it holds, as the product reads them.
    pub fn states(&self, id: JournalId, end: Position) -> Option<(States, Position)> {
        let (_, cursor) = self.0.last()?;
        let mut rows: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for (changes, _) in &self.0 {
            rows.extend(changes.iter().cloned());
        }
        let rows = rows.into_iter().filter_map(|(key, value)| Some((key, value?)));
        start::from_rows(&serde_json::to_vec(cursor).unwrap(), rows.map(Some), id, end)
    }
}

/// A seal that only this test can make.
pub struct SimSeal;

fn sealed(header: &[u8]) -> String {
    hex(&names::hash(&[b"the seal of the simulation", header]).0)
}

impl Seal for SimSeal {
    fn sign(&self, header: &[u8]) -> Result<String, String> {
        Ok(format!("{}.{}", hex(header), sealed(header)))
    }

    fn open(&self, compact: &str) -> Result<Vec<u8>, String> {
        let (header, seal) = compact.split_once('.').ok_or("no seal")?;
        let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok());
        let header: Option<Vec<u8>> = header.as_bytes().chunks(2).map(byte).collect();
        let header = header.ok_or("no header")?;
        if sealed(&header) == seal { Ok(header) } else { Err("another seal".into()) }
    }
}

/// Writes a base of the snapshot that it is given.
pub fn write_base(disk: SimDisk, answer: Answer<String>) -> AtSnapshot {
    Box::new(move |_, snapshot| {
        drop(answer.send(base::write(&snapshot, &disk, &SimSeal, 2).map_err(Refused::Unfit)));
    })
}
