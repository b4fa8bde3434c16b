//! The subjects of a tenant as rows: for the mirror, a base, the digest; and what is built from them after loading.
//!
//! No row says what can be built: a kind of complex subject, a count, whose a list is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Subjects;
use super::held::Held;
use super::index::Index;
use super::lists::ListNo;
use crate::rows::{Rows, Tables};
use crate::stream::{Stream, StreamNo};

impl Tables for Subjects {
    fn each(&self, visit: &mut dyn FnMut(&dyn Rows)) {
        visit(&self.simple);
        visit(&self.complex);
        visit(&self.leaving);
        visit(&self.lists.anew);
    }

    fn each_mut(&mut self, visit: &mut dyn FnMut(&mut dyn Rows)) {
        visit(&mut self.simple);
        visit(&mut self.complex);
        visit(&mut self.leaving);
        visit(&mut self.lists.anew);
    }
}

impl Subjects {
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
