//! The graph as rows: what the mirror and the base take, and how it comes back.
//!
//! In the flow: `hub` drains changes behind the answer path, and loads rows at start. The rows are the state; the
//! indexes are built anew from them. Does no I/O itself.

use super::graph::Graph;
use super::node::Link;
use crate::rows::{Rows, Tables};

impl Tables for Graph {
    fn each(&self, visit: &mut dyn FnMut(&dyn Rows)) {
        visit(&self.nodes);
        visit(&self.names);
        visit(&self.links);
    }

    fn each_mut(&mut self, visit: &mut dyn FnMut(&mut dyn Rows)) {
        visit(&mut self.nodes);
        visit(&mut self.names);
        visit(&mut self.links);
    }
}

impl Graph {
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
