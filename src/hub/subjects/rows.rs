//! The subjects of a tenant as rows: for the mirror, a base, the digest; and what is built from them after loading.
//!
//! No row says what can be built: a kind of complex subject, a count, whose a list is.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::Sha256;

use super::Subjects;
use super::held::Held;
use super::index::Index;
use super::lists::ListNo;
use crate::rows::{BadRow, Change};
use crate::stream::{Stream, StreamNo};

impl Subjects {
    /// Feeds every row into a digest.
    pub fn digest(&self, sha: &mut Sha256) {
        self.simple.digest(sha);
        self.complex.digest(sha);
        self.leaving.digest(sha);
        self.lists.anew.digest(sha);
    }

    /// Hands over what changed; `prefix` stands in front of every key.
    pub fn drain(&mut self, prefix: &[u8], out: &mut Vec<Change>) {
        self.simple.drain(prefix, out);
        self.complex.drain(prefix, out);
        self.leaving.drain(prefix, out);
        self.lists.anew.drain(prefix, out);
    }

    /// Forgets what changed.
    pub fn settle(&mut self) {
        self.simple.settle();
        self.complex.settle();
        self.leaving.settle();
        self.lists.anew.settle();
    }

    /// Every row.
    pub fn dump(&self, out: &mut Vec<(Vec<u8>, Vec<u8>)>) {
        self.simple.dump(out);
        self.complex.dump(out);
        self.leaving.dump(out);
        self.lists.anew.dump(out);
    }

    /// Takes a row back in; `false` if it belongs to another table.
    pub fn load(&mut self, key: &[u8], value: &[u8]) -> Result<bool, BadRow> {
        Ok(self.simple.load(key, value)?
            || self.complex.load(key, value)?
            || self.leaving.load(key, value)?
            || self.lists.anew.load(key, value)?)
    }

    /// Builds what follows from the rows and from which streams there are.
    pub fn reindex(&mut self, streams: &BTreeMap<StreamNo, Arc<Stream>>) {
        self.index = Index::build(&mut self.complex);
        self.held = Held::default();
        let simple = self.simple.iter().map(|((row, list), ())| (*list, *row));
        let mut rows: Vec<_> =
            simple.chain(self.complex.iter().map(|((row, list), _)| (*list, *row))).collect();
        rows.sort_unstable();
        self.lists.build(streams.keys().copied(), rows, self.leaving.iter().map(|((list, _), _)| *list));
        let of_list: BTreeMap<ListNo, &Arc<Stream>> =
            streams.iter().map(|(no, stream)| (self.lists.of(*no), stream)).collect();
        for ((_, list), complex) in self.complex.iter() {
            if let Some(stream) = of_list.get(list) {
                self.held.enter(*list, &stream.client, &complex.names);
                self.lists.change(*list, |count| count.look_ups += complex.look_ups());
            }
        }
        self.leaving.amend(|leaving| leaving.complex.iter_mut().for_each(|c| self.index.share(c)));
        let leaving: Vec<_> =
            self.leaving.iter().map(|((list, _), leaving)| (*list, leaving.clone())).collect();
        for (list, leaving) in leaving {
            if let Some(stream) = of_list.get(&list) {
                self.awaits(list, stream, &leaving);
            }
        }
    }
}
