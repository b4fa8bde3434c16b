//! The state as rows: for the mirror, for bases, for the digest, and back.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::State;
use crate::hub::base::Folded;
use crate::hub::object::Object;
use crate::revocation::key::KeyHash;
use crate::revocation::record::Standing;
use crate::rows::{BadRow, Change, Rows, Tables};
use crate::stream::StreamNo;
use crate::tenant::Seq;

impl State {
    /// SHA-256 over all rows: two states with the same digest are the same.
    pub fn digest(&self) -> [u8; 32] {
        let mut sha = Sha256::new();
        self.each(&mut |rows| rows.digest(&mut sha));
        sha.finalize().into()
    }

    /// Hands over the rows that changed since the last call; `prefix` stands in front of every key.
    pub fn drain(&mut self, prefix: &[u8], out: &mut Vec<Change>) {
        Tables::drain(self, prefix, out);
    }

    /// Forgets what changed: nobody mirrors this state.
    pub fn settle(&mut self) {
        self.each_mut(&mut |rows| rows.settle());
    }

    /// Every row.
    pub fn dump(&self, out: &mut Vec<(Vec<u8>, Vec<u8>)>) {
        Tables::dump(self, out);
    }

    /// The rows as they are now, for who writes or adds them up while the state goes on.
    pub fn copy(&self) -> Copied {
        let mut tables = vec![];
        self.each(&mut |rows| tables.push(rows.copy()));
        Copied { seq: self.seq(), tables }
    }

    /// Takes a row back in.
    ///
    /// # Errors
    /// [`BadRow`] if it is no table's, or cannot be read.
    pub fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), BadRow> {
        if Tables::load(self, key, value)? {
            Ok(())
        } else {
            Err(BadRow { table: key.first().copied().unwrap_or(0) })
        }
    }

    /// Builds what follows from the rows, after the last [`State::load`].
    pub fn reindex(&mut self) {
        Tables::pack(self);
        self.streams.clear();
        self.topics.clear();
        for stored in self.objects.iter().map(|(_, s)| s) {
            if let Object::Stream(stream) = &stored.object {
                self.topics.insert(StreamNo(stored.no), stream);
                self.streams.insert(StreamNo(stored.no), Arc::new(stream.clone()));
            }
        }
        self.count_special();
        self.subjects.reindex(&self.streams);
        self.owing.reindex();
        self.dead.reindex();
        let standing = self.standing.iter().flat_map(|(key, (_, list))| expiries_of(*key, list));
        self.expiries = standing.collect();
        let mut seen: Vec<_> = self.seen.iter().map(|(k, s)| (s.seq, s.at_ms, *k, s.upstream)).collect();
        seen.sort_unstable();
        self.seen_order.clear();
        for (seq, at_ms, key, upstream) in seen {
            self.seen_order.entry(upstream).or_default().push_back((seq, at_ms, key));
        }
        let mut echoes: Vec<_> = self.echoes.iter().map(|(k, echo)| (echo.seq, *k)).collect();
        echoes.sort_unstable();
        self.echo_order = echoes.into();
        let mut keys: Vec<_> = self.idempotency.iter().map(|(k, (seq, _))| (*seq, k.clone())).collect();
        keys.sort();
        self.idempotency_order = keys.into();
        self.graph.reindex();
    }
}

impl Tables for State {
    fn each(&self, visit: &mut dyn FnMut(&dyn Rows)) {
        visit(&self.meta);
        visit(&self.objects);
        visit(&self.seen);
        visit(&self.echoes);
        visit(&self.idempotency);
        visit(&self.standing);
        visit(&self.timers);
        visit(&self.claims);
        visit(&self.owing.rows);
        visit(&self.dead.rows);
        visit(&self.evidence);
        visit(&self.originals);
        self.graph.each(visit);
        visit(&self.life);
        self.subjects.each(visit);
        self.accounts.each(visit);
    }

    fn each_mut(&mut self, visit: &mut dyn FnMut(&mut dyn Rows)) {
        visit(&mut self.meta);
        visit(&mut self.objects);
        visit(&mut self.seen);
        visit(&mut self.echoes);
        visit(&mut self.idempotency);
        visit(&mut self.standing);
        visit(&mut self.timers);
        visit(&mut self.claims);
        visit(&mut self.owing.rows);
        visit(&mut self.dead.rows);
        visit(&mut self.evidence);
        visit(&mut self.originals);
        self.graph.each_mut(visit);
        visit(&mut self.life);
        self.subjects.each_mut(visit);
        self.accounts.each_mut(visit);
    }
}

impl Folded for State {
    fn seq(&self) -> Seq {
        self.seq()
    }

    fn digest(&self) -> [u8; 32] {
        self.digest()
    }

    fn dump(&self, out: &mut Vec<(Vec<u8>, Vec<u8>)>) {
        self.dump(out);
    }
}

/// The rows of a state at one place of the journal; the state goes on without them.
pub struct Copied {
    seq: Seq,
    tables: Vec<Box<dyn Rows>>,
}

impl Folded for Copied {
    fn seq(&self) -> Seq {
        self.seq
    }

    fn digest(&self) -> [u8; 32] {
        let mut sha = Sha256::new();
        self.tables.iter().for_each(|rows| rows.digest(&mut sha));
        sha.finalize().into()
    }

    fn dump(&self, out: &mut Vec<(Vec<u8>, Vec<u8>)>) {
        self.tables.iter().for_each(|rows| rows.dump(out));
    }
}

/// When what stands under a key expires.
pub(in crate::hub) fn expiries_of(key: KeyHash, list: &[Standing]) -> impl Iterator<Item = (i64, KeyHash)> {
    list.iter().filter_map(move |standing| Some((standing.expires_at?, key)))
}
