//! The whole way for tests: an event as JSON, its plan, the walk, the conclusion; and a gate that looks up what
//! stands. Never built into the product.

use std::collections::BTreeMap;

use super::conclude::{self, Born, Conclusion, Context, Times};
use super::keys::Subject;
use super::lift;
use super::plan::{Lift, Plan, Stop, Strength, plan};
use crate::lineage::affected::Affected;
use crate::lineage::alias::Alias;
use crate::lineage::keyed::{KeyHash, Named};
use crate::lineage::node::{Class, End, NodeId};
use crate::lineage::sample::{IDP, T0_MS, Told, named};
use crate::lineage::subject::{Facet, Resolved, facets};
use crate::lineage::walk::{Bounds, Reach, affected};
use crate::revocation::ancestry::token_lineage;
use crate::revocation::key::kinds_of;
use crate::revocation::record::{Effect, Standing, Until};
use crate::set::dialect::Dialect;
use crate::set::event::Event;
use crate::set::sub_id::SubId;
use crate::tenant::Seq;

/// The prefix of CAEP types.
pub const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
/// The prefix of RISC types.
pub const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
/// When the signal was accepted (ms since 1970): a minute after the facts.
pub const NOW_MS: i64 = T0_MS + 60_000;

/// A company, and what stands under each key.
pub struct World {
    /// The graph.
    pub told: Told,
    /// What stands.
    pub standing: BTreeMap<KeyHash, Vec<Standing>>,
}

/// Times of a signal accepted now.
pub fn context() -> Context<'static> {
    let times = Times {
        accepted_ms: NOW_MS,
        event_ms: Some(NOW_MS - 5_000),
        tolerance_ms: 2_000,
        max_token_lifetime_ms: 86_400_000,
        max_refresh_lifetime_ms: 0,
    };
    Context::new("default", times)
}

/// An event.
pub fn event(uri: &str, json: &str) -> Event {
    Event::parse_str(uri, json, Dialect::Ssf).unwrap()
}

impl World {
    /// A world in which nothing is revoked.
    pub fn new(told: Told) -> Self {
        Self { told, standing: BTreeMap::new() }
    }

    /// What stands under a key.
    pub fn at(&self, key: KeyHash) -> &[Standing] {
        self.standing.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Takes a signal the whole way; `None` where the plan is nothing.
    pub fn signal(&mut self, uri: &str, json: &str, sub_id: &str, all: bool) -> Option<Conclusion> {
        let sub_id = SubId::parse_str(sub_id).unwrap();
        let facets = facets(&sub_id, IDP);
        let out = match plan(&event(uri, json), &sub_id, all, Strength::Contain) {
            Plan::Nothing(_) => return None,
            Plan::Stop(stop) => {
                let resolved = self.told.graph.resolve_to(&facets, stop.aims);
                self.stop(&stop, &facets, &resolved)
            }
            Plan::Lift(lift) => {
                let resolved = self.told.graph.resolve_to(&facets, lift.aims);
                self.lift(&lift, &facets, &resolved)
            }
        };
        self.apply(&out);
        Some(out)
    }

    /// What a stop comes to, without carrying it out.
    pub fn stop(&self, stop: &Stop, facets: &[(Facet, Alias)], resolved: &Resolved) -> Conclusion {
        let names: Vec<Named> = facets.iter().map(|(_, alias)| named(alias.clone())).collect();
        let walked = affected(&self.told.graph, resolved, stop.reach(resolved), Bounds::default());
        let subject = Subject { facets, names: &names, resolved };
        let out = conclude::conclude(stop, &subject, &walked, &context());
        let again = conclude::conclude(stop, &subject, &walked, &context());
        assert_eq!(format!("{out:?}"), format!("{again:?}"));
        out
    }

    /// What a lift comes to, without carrying it out.
    pub fn lift(&self, lift: &Lift, facets: &[(Facet, Alias)], resolved: &Resolved) -> Conclusion {
        let names: Vec<Named> = facets.iter().map(|(_, alias)| named(alias.clone())).collect();
        let walked = affected(&self.told.graph, resolved, Reach::Lifting(lift.how), Bounds::default());
        let subject = Subject { facets, names: &names, resolved };
        lift::conclude(lift, &subject, &walked, &context(), |key| self.at(key))
    }

    /// An operator's kill, a complete, a deadline.
    pub fn act(&mut self, stop: &Stop, id: NodeId, class: Class) -> Conclusion {
        let out = self.stop(stop, &[], &Resolved::to(id, class));
        self.apply(&out);
        out
    }

    /// An operator's lift.
    pub fn unkill(&mut self, id: NodeId, class: Class) -> Conclusion {
        let out = self.lift(&Lift::kill(), &[], &Resolved::to(id, class));
        self.apply(&out);
        out
    }

    /// What a fact that came late leads to.
    pub fn born(&mut self, id: NodeId) -> Conclusion {
        let class = self.told.graph.node(id).unwrap().class;
        let walked: Affected =
            affected(&self.told.graph, &Resolved::to(id, class), Reach::Nothing, Bounds::default());
        let born = match class {
            Class::Run => Born::Run(&walked.runs[0]),
            _ => Born::Token(&walked.tokens[0]),
        };
        let out = conclude::born(&born, &self.told.graph.ends_over(id), &context());
        self.apply(&out);
        out
    }

    /// As the fold does.
    pub fn apply(&mut self, out: &Conclusion) {
        for record in &out.records {
            let at = self.standing.entry(record.key).or_default();
            match at.iter_mut().find(|old| old.basis == record.basis) {
                Some(old) => old.merge(record, Seq(99)),
                None => at.push(Standing {
                    basis: record.basis,
                    until: record.until,
                    effect: record.effect,
                    expires_at: record.expires_at,
                    seq: Seq(99),
                    reason_code: record.reason_code.clone(),
                }),
            }
        }
        for lifted in &out.lifted {
            for old in self.standing.get_mut(&lifted.key).unwrap() {
                if old.basis == lifted.basis {
                    (old.until, old.expires_at) = (Until::Watermark(lifted.at_ms), Some(lifted.expires_at));
                }
            }
        }
        for (id, how) in &out.ends {
            self.told.graph.end(*id, End { at_ms: NOW_MS, seq: Seq(99), how: *how });
        }
        for (id, how) in &out.revived {
            self.told.graph.revive(*id, *how);
        }
    }

    /// What a gate says of a registered token of the company.
    pub fn gate(&self, jti: &str) -> Option<Effect> {
        let keys = token_lineage(&self.told.graph, self.told.id("jti", "https://as", jti));
        let caught = keys.iter().flat_map(|(_, key)| self.at(*key)).filter(|s| s.catches(T0_MS));
        caught.map(|standing| standing.effect).max()
    }

    /// Which of day, sub, night, batch are denied (`D`), suspended (`S`) or pass (`-`).
    pub fn gates(&self) -> String {
        let one = |jti: &str| match self.gate(jti) {
            Some(Effect::Deny) => 'D',
            Some(Effect::Suspend) => 'S',
            None => '-',
        };
        ["t-day", "t-sub", "t-night", "t-batch"].iter().map(|jti| one(jti)).collect()
    }

    /// What a gate says of an unknown token that carries one alias.
    pub fn carries(&self, alias: &Alias, iat_ms: i64) -> Vec<&'static str> {
        let hashed = named(alias.clone());
        let kinds = kinds_of(alias).iter().zip(&hashed.hashes);
        let caught = kinds.filter(|(_, key)| self.at(**key).iter().any(|s| s.catches(iat_ms)));
        caught.map(|(kind, _)| kind.as_str()).collect()
    }
}
