//! Facts and a small company for tests: alice and her laptop, a day run that she launched, a night shift that
//! acts for her, a sub-agent. Never built into the product.

use sha2::{Digest, Sha256};

use super::alias::Alias;
use super::check::Conflict;
use super::fact::Fact;
use super::fold::Folded;
use super::graph::Graph;
use super::keyed::{KeyHash, Named};
use super::node::NodeId;
use crate::tenant::Seq;

/// The issuer of people and sessions.
pub const IDP: &str = "https://idp.example";
/// When the first fact is told (ms since 1970).
pub const T0_MS: i64 = 1_700_000_000_000;

/// A graph that facts are told to, one entry each.
#[derive(Default)]
pub struct Told {
    /// The graph.
    pub graph: Graph,
    seq: u64,
}

/// Stand-ins for keyed hashes: as many as any kind of alias has.
pub fn hashes(alias: &Alias) -> Vec<KeyHash> {
    let one = |n: u8| {
        let full = Sha256::digest(format!("{n}\0{}\0{}\0{}", alias.kind, alias.iss, alias.value));
        KeyHash(full[..16].try_into().unwrap())
    };
    vec![one(0), one(1), one(2)]
}

/// An alias with its stand-ins.
pub fn named(alias: Alias) -> Named {
    Named { hashes: hashes(&alias), alias }
}

impl Told {
    /// Nothing told yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells a fact, as JSON, by a source.
    pub fn by(&mut self, source: &str, json: &str) -> Result<Folded, Conflict> {
        let fact = serde_json::from_str::<Fact>(json).unwrap().checked().unwrap();
        self.graph.check(&fact, source)?;
        self.seq += 1;
        let of_names: Vec<Vec<KeyHash>> = fact.aliases().iter().map(hashes).collect();
        self.graph.fold(Seq(self.seq), T0_MS, source, &fact, &of_names)
    }

    /// Tells a fact that must be taken.
    pub fn tell(&mut self, json: &str) -> Folded {
        self.by("broker", json).unwrap()
    }

    /// The node of a name.
    pub fn id(&self, kind: &str, iss: &str, value: &str) -> NodeId {
        self.graph.find(&Alias::new(kind, iss, value)).unwrap()
    }

    /// A run's node.
    pub fn run(&self, id: &str) -> NodeId {
        self.id("run", "", id)
    }
}

/// A run fact: its id, then further members.
pub fn run(id: &str, agent: &str, more: &str) -> String {
    let agent = format!(r#"{{"kind":"agent","value":"{agent}"}}"#);
    format!(r#"{{"fact":"run","id":"{id}","agent":{agent},"deadline":1700003600{more}}}"#)
}

/// A token fact of issuer `https://as`.
pub fn token(jti: &str, run: &str) -> String {
    format!(
        r#"{{"fact":"token","iss":"https://as","jti":"{jti}","run":"{run}","aud":"api","iat":1700000000,"exp":1700003000}}"#
    )
}

/// An alias as JSON.
pub fn alias(kind: &str, iss: &str, value: &str) -> String {
    format!(r#"{{"kind":"{kind}","iss":"{iss}","value":"{value}"}}"#)
}

/// An edge fact.
pub fn edge(kind: &str, from: &str, to: &str) -> String {
    format!(r#"{{"fact":"edge","type":"{kind}","from":{from},"to":{to}}}"#)
}

/// The small company.
pub fn company() -> Told {
    let mut told = Told::new();
    let (alice, s1) = (alias("iss_sub", IDP, "alice"), alias("session", IDP, "s1"));
    let client = alias("client", "https://as", "bot");
    let sub = alias("iss_sub", "https://as", "bot");
    told.tell(&format!(r#"{{"fact":"agent","id":"bot","aliases":[{client},{sub}],"owner":"ops"}}"#));
    told.tell(r#"{"fact":"agent","id":"helper"}"#);
    told.tell(&edge("session_of", &s1, &alice));
    told.tell(&edge("on_device", &s1, &alias("device", IDP, "laptop")));
    told.tell(&edge("alias_of", &alice, &alias("email", "", "Alice@example.com")));
    told.tell(&run("day", "bot", &format!(r#","session":{s1},"on_behalf_of":{alice}"#)));
    told.tell(&run("sub", "helper", r#","parent":"day""#));
    told.tell(&run("night", "bot", &format!(r#","on_behalf_of":{alice}"#)));
    told.tell(&run("batch", "bot", &format!(r#","session":{s1},"interactive":false"#)));
    for (jti, of) in [("t-day", "day"), ("t-sub", "sub"), ("t-night", "night"), ("t-batch", "batch")] {
        told.tell(&token(jti, of));
    }
    told
}
