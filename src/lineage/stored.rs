//! The graph as rows: what the mirror and the base take, and how it comes back.
//!
//! In the flow: `hub` drains changes behind the answer path, and loads rows at start. The rows are the state; the
//! indexes are built anew from them. Does no I/O itself.

use sha2::Sha256;

use super::graph::Graph;
use super::node::Link;
use crate::rows::{BadRow, Change};

impl Graph {
    /// Hands over the rows that changed since the last call.
    pub fn drain(&mut self, prefix: &[u8], out: &mut Vec<Change>) {
        self.nodes.drain(prefix, out);
        self.names.drain(prefix, out);
        self.links.drain(prefix, out);
    }

    /// Every row.
    pub fn dump(&self, out: &mut Vec<(Vec<u8>, Vec<u8>)>) {
        self.nodes.dump(out);
        self.names.dump(out);
        self.links.dump(out);
    }

    /// Feeds every row into a digest.
    pub fn digest(&self, sha: &mut Sha256) {
        self.nodes.digest(sha);
        self.names.digest(sha);
        self.links.digest(sha);
    }

    /// Takes a row back in; `false` if it is none of the graph's. Call [`Graph::reindex`] after the last.
    pub fn load(&mut self, key: &[u8], value: &[u8]) -> Result<bool, BadRow> {
        Ok(self.nodes.load(key, value)? || self.names.load(key, value)? || self.links.load(key, value)?)
    }

    /// Forgets which rows changed.
    pub fn settle(&mut self) {
        self.nodes.settle();
        self.names.settle();
        self.links.settle();
    }

    /// Builds the indexes anew from the rows.
    pub fn reindex(&mut self) {
        self.up.clear();
        self.below_count.clear();
        self.more_names.clear();
        let links: Vec<Link> = self.links.iter().map(|(link, _)| *link).collect();
        links.iter().for_each(|link| self.index_link(link));
        for (alias, name) in &self.names {
            if self.nodes.get(&name.node).is_some_and(|node| node.name != *alias) {
                self.more_names.entry(name.node).or_default().push(alias.clone());
            }
        }
    }
}
