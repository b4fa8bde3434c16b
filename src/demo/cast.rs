//! Who takes part: one person, two agents, five runs, their tokens; and what is known of them, as facts.
//!
//! Plain data. The facts are the bodies that a broker of agent runs posts to the hub (DESIGN, Doors).

use serde_json::{Value, json};

/// The person.
pub const HUMAN: &str = "alice";
/// Her address.
pub const EMAIL: &str = "alice@example.com";
/// Her session, by the name that the IdP gave it.
pub const SESSION: &str = "S1";
/// What the runs call.
pub const TOOL: &str = "reports";
/// How long runs and tokens live (s).
pub const LIFETIME_S: i64 = 3600;

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id at the broker.
    pub id: &'static str,
    /// Whose run.
    pub agent: &'static str,
    /// The run that spawned it.
    pub parent: Option<&'static str>,
    /// Whether it descends from the person's session.
    pub of_session: bool,
    /// What it is, in words.
    pub role: &'static str,
}

const fn run(
    id: &'static str,
    agent: &'static str,
    parent: Option<&'static str>,
    of_session: bool,
    role: &'static str,
) -> Run {
    Run { id, agent, parent, of_session, role }
}

/// The agents.
pub const AGENTS: [&str; 2] = ["researcher", "deployer"];

/// The runs; those that spawned others first.
pub const RUNS: [Run; 5] = [
    run("r1", "researcher", None, true, "launched from S1, alice sits in front of it"),
    run("r1.1", "researcher", Some("r1"), true, "spawned by r1"),
    run("r1.1.1", "researcher", Some("r1.1"), true, "spawned by r1.1"),
    run("r2", "deployer", None, false, "night shift, on behalf of alice, from no session"),
    run("r2.1", "deployer", Some("r2"), false, "spawned by r2"),
];

impl Run {
    /// The id of its token at the issuer.
    pub fn jti(&self) -> String {
        format!("at-{}", self.id)
    }

    /// Whether another run of the same parent comes after it.
    pub fn has_younger(&self) -> bool {
        RUNS.iter().skip_while(|run| run.id != self.id).skip(1).any(|run| run.parent == self.parent)
    }

    /// The run above it.
    pub fn above(&self) -> Option<Self> {
        RUNS.into_iter().find(|run| Some(run.id) == self.parent)
    }

    /// How many runs are above it.
    pub fn depth(&self) -> usize {
        self.id.matches('.').count()
    }

    /// Claims of its access token (RFC 9068, RFC 8693 §4.1). Only a run of the session carries `sid`.
    pub fn claims(&self, iss: &str, aud: &str, now_s: i64) -> Value {
        let mut claims = json!({
            "iss": iss,
            "sub": HUMAN,
            "aud": aud,
            "iat": now_s,
            "exp": now_s + LIFETIME_S,
            "jti": self.jti(),
            "client_id": self.agent,
            "act": { "sub": self.agent },
        });
        if self.of_session {
            claims["sid"] = SESSION.into();
        }
        claims
    }

    fn fact(&self, iss: &str, now_s: i64) -> Value {
        let mut fact = json!({
            "id": self.id,
            "agent": alias("agent", "", self.agent),
            "deadline": now_s + LIFETIME_S,
        });
        match self.parent {
            Some(parent) => fact["parent"] = parent.into(),
            None => fact["on_behalf_of"] = alias("iss_sub", iss, HUMAN),
        }
        if self.of_session && self.parent.is_none() {
            fact["session"] = alias("session", iss, SESSION);
        }
        fact
    }
}

fn alias(kind: &str, iss: &str, value: &str) -> Value {
    json!({ "kind": kind, "iss": iss, "value": value })
}

/// All facts in the order in which they are told: the collection and the body. `iss` names people, sessions and
/// tokens; `aud` is the tool's resource.
pub fn facts(iss: &str, aud: &str, now_s: i64) -> Vec<(&'static str, Value)> {
    let human = alias("iss_sub", iss, HUMAN);
    let aliases = [human.clone(), alias("email", "", EMAIL)];
    let mut facts = vec![("agents", json!({ "id": HUMAN, "class": "human", "aliases": aliases }))];
    for agent in AGENTS {
        let names = [alias("client", iss, agent), alias("iss_sub", iss, agent)];
        facts.push(("agents", json!({ "id": agent, "aliases": names, "owner": EMAIL })));
    }
    facts.push(("tools", json!({ "id": aud, "owner": EMAIL })));
    let session_of = json!({ "type": "session_of", "from": alias("session", iss, SESSION), "to": human });
    facts.push(("edges", session_of));
    for run in RUNS {
        facts.push(("runs", run.fact(iss, now_s)));
        let (jti, exp) = (run.jti(), now_s + LIFETIME_S);
        let token = json!({ "iss": iss, "jti": jti, "run": run.id, "aud": aud, "iat": now_s, "exp": exp });
        facts.push(("tokens", token));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineage::fact::{AgentFact, EdgeFact, Fact, RunFact, TokenFact, ToolFact};

    #[test]
    fn every_fact_is_one_that_the_hub_takes() {
        let facts = facts("http://127.0.0.1:1", "http://127.0.0.1:2/reports", 1_700_000_000);
        assert_eq!(facts.len(), 1 + 2 + 1 + 1 + 2 * 5);
        for (collection, body) in facts {
            let said = body.to_string();
            let fact = match collection {
                "agents" => serde_json::from_value::<AgentFact>(body).map(Fact::Agent),
                "runs" => serde_json::from_value::<RunFact>(body).map(Fact::Run),
                "tokens" => serde_json::from_value::<TokenFact>(body).map(Fact::Token),
                "tools" => serde_json::from_value::<ToolFact>(body).map(Fact::Tool),
                _ => serde_json::from_value::<EdgeFact>(body).map(Fact::Edge),
            };
            assert!(fact.unwrap().checked().is_ok(), "{collection} {said}");
        }
    }

    #[test]
    fn parents_come_first_and_share_the_fate() {
        for (n, run) in RUNS.iter().enumerate() {
            let Some(parent) = run.parent else { continue };
            let above = RUNS[..n].iter().find(|r| r.id == parent).expect("told before");
            assert_eq!((above.agent, above.of_session), (run.agent, run.of_session));
            assert_eq!(above.depth() + 1, run.depth());
        }
        let sid = |run: &Run| run.claims("i", "a", 1)["sid"] == SESSION;
        assert!(RUNS.iter().all(|run| sid(run) == run.of_session));
    }
}
