//! An account of who opted out (RISC 2.8), kept from the journal's entries alone and without the product's code.
//!
//! People are sets of names: those of one subject, and those that facts said to be of one person. Each name has its
//! state; who is out by one of his names is out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use ssf_hub::lineage::alias::Alias;
use ssf_hub::lineage::fact::{EdgeType, Fact};

use crate::words::RISC;

/// The four opt events.
pub const OPTS: [&str; 4] = ["opt-in", "opt-out-initiated", "opt-out-cancelled", "opt-out-effective"];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Is {
    In,
    Leaving,
    Out,
}

/// One tenant's people.
#[derive(Default)]
pub struct Optouts {
    people: Vec<BTreeSet<String>>,
    states: BTreeMap<String, Is>,
}

fn name(alias: &Alias) -> String {
    format!("{} {} {}", alias.kind, alias.iss, alias.value)
}

fn named(sub_id: &str) -> Option<String> {
    let subject: Value = serde_json::from_str(sub_id).unwrap();
    let one = if subject["format"] == "complex" { subject.get("user")? } else { &subject };
    let text = |member: &str| one[member].as_str().unwrap();
    Some(match text("format") {
        "iss_sub" => format!("iss_sub {} {}", text("iss"), text("sub")),
        "email" => format!("email  {}", text("email")),
        other => panic!("nobody speaks of {other} here"),
    })
}

fn word(uri: &str) -> Option<&str> {
    uri.strip_prefix(RISC).filter(|last| OPTS.contains(last))
}

impl Optouts {
    /// Names that a fact says to be of one.
    pub fn fact(&mut self, fact: &Fact) {
        let names: BTreeSet<String> = match fact {
            Fact::Agent(agent) => agent.aliases.iter().map(name).collect(),
            Fact::Edge(edge) if edge.kind == EdgeType::AliasOf => [name(&edge.from), name(&edge.to)].into(),
            _ => return,
        };
        let (mut same, other): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.people).into_iter().partition(|one| !one.is_disjoint(&names));
        same.push(names);
        self.people = other;
        self.people.push(same.into_iter().flatten().collect());
    }

    fn names(&self, sub_id: &str) -> BTreeSet<String> {
        let Some(said) = named(sub_id) else { return BTreeSet::new() };
        let known = self.people.iter().find(|one| one.contains(&said)).cloned().unwrap_or_default();
        known.into_iter().chain([said]).collect()
    }

    fn state(&self, sub_id: &str) -> Is {
        let states = self.names(sub_id).into_iter().filter_map(|name| self.states.get(&name).copied());
        states.max().unwrap_or(Is::In)
    }

    /// Whether an event is for nobody.
    pub fn withholds(&self, uri: &str, sub_id: &str) -> bool {
        uri.starts_with(RISC) && word(uri).is_none() && self.state(sub_id) == Is::Out
    }

    /// An event was accepted.
    pub fn hear(&mut self, uri: &str, sub_id: &str) {
        let Some(word) = word(uri) else { return };
        let is = match word {
            "opt-out-initiated" => Is::Leaving,
            "opt-out-effective" => Is::Out,
            _ => Is::In,
        };
        for name in self.names(sub_id) {
            self.states.insert(name, is);
        }
    }

    /// Whether an operator may say this.
    pub fn allows(&self, uri: &str, sub_id: &str) -> bool {
        let needs = match word(uri) {
            None => return true,
            Some("opt-in") => Is::Out,
            Some("opt-out-initiated") => Is::In,
            Some(_) => Is::Leaving,
        };
        self.state(sub_id) == needs
    }
}
