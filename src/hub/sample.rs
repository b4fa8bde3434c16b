//! A tenant for tests: inputs as JSON, each decided and folded as the spine does, and a gate that looks up what
//! stands. Never built into the product.

use serde_json::value::RawValue;

use super::apply::Stamped;
use super::decide::{Bounds, decide};
use super::effect::Effect as Effects;
use super::entry::{Act, Body, Decision, FactInput, Named, Route, SetInput};
use super::object::Object;
use super::state::State;
use crate::lineage::alias::Alias;
use crate::lineage::fact::Fact;
use crate::lineage::sample::IDP;
use crate::lineage::subject::names_in;
use crate::revocation::ancestry::token_lineage;
use crate::revocation::key::{KeyHash, Kind, SubjectKey, kinds_of};
use crate::revocation::record::{Effect, Record};
use crate::set::sub_id::SubId;
use crate::tenant::TenantId;

/// The prefix of CAEP types.
pub const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
/// The prefix of RISC types.
pub const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
/// When the first input is accepted (ms since 1970).
pub const NOW_MS: i64 = 1_700_000_000_000;

/// A tenant.
pub struct Bench {
    /// Its state.
    pub state: State,
    /// Acceptance of the next input (ms since 1970).
    pub now_ms: i64,
    /// Where signals go.
    pub route: Route,
    /// What followed outside, of all inputs so far.
    pub fx: Vec<Effects>,
    key: SubjectKey,
}

impl Bench {
    /// With an upstream and a token issuer, the latter with more members as JSON.
    pub fn new(issuer: &str) -> Self {
        let state = State::new(TenantId::default_tenant());
        let mut bench =
            Self { state, now_ms: NOW_MS, route: Route::Forward, fx: vec![], key: SubjectKey::new(&[7; 32]) };
        let jwks = r#""jwks":{"url":"https://idp.example/jwks"}"#;
        let upstream = format!(r#"{{"upstream":{{"id":"idp","iss":"{IDP}","aud":["hub"],{jwks}}}}}"#);
        let issuer = format!(r#"{{"token_issuer":{{"id":"as","iss":"{IDP}",{jwks}{issuer}}}}}"#);
        for json in [upstream, issuer] {
            let object: Object = serde_json::from_str(&json).unwrap();
            object.check().unwrap();
            bench.input(Body::Put { object, by: "file".into() });
        }
        bench
    }

    fn fold(&mut self, body: Body) {
        let (seq, time_ms) = (self.state.seq().next(), self.now_ms);
        self.fx.extend(self.state.apply(&Stamped { seq, time_ms, body }));
    }

    /// Decides and folds an input.
    pub fn input(&mut self, body: Body) -> Option<Decision> {
        self.fold(body.clone());
        let decided = decide(&self.state, &[0; 16], &body, &Bounds::default());
        assert_eq!(
            format!("{decided:?}"),
            format!("{:?}", decide(&self.state, &[0; 16], &body, &Bounds::default()))
        );
        if let Some(decision) = &decided {
            let json = serde_json::to_vec(decision).unwrap();
            self.fold(Body::Decision(serde_json::from_slice(&json).unwrap()));
        }
        decided
    }

    fn named(&self, alias: Alias) -> Named {
        Named { hashes: self.key.hashes(&alias), alias }
    }

    /// Tells a fact that must be taken.
    pub fn fact(&mut self, json: &str) -> Option<Decision> {
        let fact = serde_json::from_str::<Fact>(json).unwrap().checked().unwrap();
        self.state.graph().check(&fact, "broker").unwrap();
        let hashes = fact.aliases().iter().map(|alias| self.key.hashes(alias)).collect();
        self.input(Body::Fact(FactInput { client: "broker".into(), fact, hashes, idempotency_key: None }))
    }

    fn act(&self, alias: &Alias) -> Act {
        Act { by: "ops".into(), target: self.named(alias.clone()), reason: "drill".into() }
    }

    /// An operator's kill.
    pub fn kill(&mut self, alias: &Alias) -> Option<Decision> {
        self.input(Body::Kill(self.act(alias)))
    }

    /// An operator's lift.
    pub fn lift(&mut self, alias: &Alias) -> Option<Decision> {
        self.input(Body::Lift(self.act(alias)))
    }

    /// A signal; `toe` in seconds.
    pub fn signal(&mut self, uri: &str, event: &str, sub_id: &str, toe: Option<i64>) -> Option<Decision> {
        let subject = SubId::parse_str(sub_id).unwrap();
        let names = names_in(&subject, IDP).into_iter().map(|alias| self.named(alias)).collect();
        let raw = |json: &str| RawValue::from_string(json.into()).unwrap();
        self.input(Body::Set(SetInput {
            read: None,
            upstream: "idp".into(),
            iss: IDP.into(),
            jti: self.state.seq().to_string(),
            compact: String::new(),
            payload_hash: KeyHash([0; 16]),
            uri: uri.into(),
            sub_id: raw(sub_id),
            event: raw(event),
            txn: "txn".into(),
            toe,
            all_sessions: false,
            route: self.route,
            echo: KeyHash([1; 16]),
            names,
        }))
    }

    /// Kinds of keys under which a token issued at `iat_ms` is stopped if it carries `alias`.
    pub fn carries(&self, alias: &Alias, iat_ms: i64) -> Vec<&'static str> {
        let stops = |key: KeyHash| self.state.standing(key).iter().any(|s| s.catches(iat_ms));
        let kinds = kinds_of(alias).iter().zip(self.key.hashes(alias));
        kinds.filter(|(_, key)| stops(*key)).map(|(kind, _)| kind.as_str()).collect()
    }

    /// What the gate does with a registered token of `https://as`, issued at `iat_ms`, by its lineage.
    pub fn gate(&self, jti: &str, iat_ms: i64) -> Option<Effect> {
        let graph = self.state.graph();
        let keys = token_lineage(graph, graph.find(&Alias::new("jti", "https://as", jti)).unwrap());
        assert!(keys.iter().any(|(kind, _)| *kind == Kind::Run), "a token of a run");
        let stands = keys.iter().flat_map(|(_, key)| self.state.standing(*key));
        stands.filter(|s| s.catches(iat_ms)).map(|s| s.effect).max()
    }
}

/// The one record of a decision under a kind of key.
pub fn record(decision: &Decision, kind: Kind) -> &Record {
    decision.records.iter().find(|record| record.kind == kind).unwrap()
}
