//! A name that is taken away: its holder changed it, or somebody else has it now (RISC identifier-changed,
//! identifier-recycled; SIGNALS, default effects).
//!
//! In the flow: `hub::apply` closes the names that a decision says. Who had the name keeps his other names, his links
//! and his ends; what stands under the name's keys stands on. Never decides which name to close.

use super::alias::Alias;
use super::graph::Graph;
use super::node::NodeId;

impl Graph {
    /// Takes a name away: whoever registers it next is somebody else. Returns whose it was.
    pub fn close_name(&mut self, alias: &Alias) -> Option<NodeId> {
        let id = self.names.remove(alias)?.node;
        let rest = self.more_names.entry(id).or_default();
        rest.retain(|other| other != alias);
        if self.nodes.get(&id).is_some_and(|node| node.name == *alias)
            && let Some(node) = self.nodes.get_mut(&id)
        {
            // A node must be called something. `closed` is nobody's name, so it is in no index.
            node.name = if rest.is_empty() { Alias::new("closed", "", "-") } else { rest.remove(0) };
        }
        if rest.is_empty() {
            self.more_names.remove(&id);
        }
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{IDP, alias, company};
    use super::*;
    use crate::rows::Tables as _;

    #[test]
    fn who_comes_next_is_somebody_else() {
        let mut told = company();
        let alice = told.id("iss_sub", IDP, "alice");
        let email = Alias::new("email", "", "alice@example.com");
        assert_eq!(told.graph.close_name(&email), Some(alice));
        assert_eq!(told.graph.close_name(&email), None);
        let human = |id: &str, name: &str| {
            format!(r#"{{"fact":"agent","id":"{id}","class":"human","aliases":[{name}]}}"#)
        };
        told.tell(&human("next", &alias("email", "", "alice@example.com")));
        let next = told.graph.find(&email).unwrap();
        assert_ne!(next, alice);
        assert_eq!(told.graph.aliases(alice).count(), 1);
        // The name under which she is spoken of goes too; another takes its place, or none.
        told.tell(r#"{"fact":"edge","type":"alias_of","from":{"kind":"iss_sub","iss":"https://idp.example","value":"alice"},"to":{"kind":"email","value":"al@example.com"}}"#);
        let sub = Alias::new("iss_sub", IDP, "alice");
        told.graph.close_name(&sub);
        assert_eq!(told.graph.node(alice).unwrap().name.value, "al@example.com");
        assert_eq!(told.graph.named(alice).len(), 1);
        told.graph.close_name(&Alias::new("email", "", "al@example.com"));
        assert!(told.graph.named(alice).is_empty());
        assert!(told.graph.ancestors(told.run("night")).contains(&alice), "her runs stay hers");
        // As after a restart.
        let mut rows = vec![];
        told.graph.dump(&mut rows);
        let mut back = Graph::default();
        rows.iter().for_each(|(key, value)| assert!(back.load(key, value).unwrap()));
        back.pack();
        back.reindex();
        assert_eq!(back.aliases(alice).collect::<Vec<_>>(), told.graph.aliases(alice).collect::<Vec<_>>());
        assert_eq!(back.find(&email), Some(next));
    }
}
