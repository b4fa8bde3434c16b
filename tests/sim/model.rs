//! What the outside world knows: what it was answered, and what it received.
//!
//! An answer that came makes something certain; a batch that died without answering leaves it in doubt, and the next
//! answer about it settles that. Knows nothing of the journal and of the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ssf_hub::hub::command::{Refused, SetAnswer};
use ssf_hub::hub::effect::{Claims, Item};
use ssf_hub::hub::entry::Route;
use ssf_hub::hub::names;
use ssf_hub::hub::state::SEEN_WINDOW_MS;
use ssf_hub::lineage::keyed::KeyHash;
use ssf_hub::revocation::record::Basis;
use ssf_hub::set::event_type::EventType;
use ssf_hub::tenant::{EntryId, Seq};

use crate::fail::{Failure, ensure, failure};
use crate::ledger::set_print;
use crate::words::{RISC, SetWord, Who};

/// One SET as it was sent: (tenant, upstream, `jti`).
pub type Origin = (u8, String, String);

/// A SET on its way in.
#[derive(Clone, Debug)]
pub struct Sent {
    pub origin: Origin,
    pub payload: KeyHash,
    /// Where it should go, unless it is an echo.
    pub route: Route,
    /// What its echo is known by, if it has a `txn`.
    pub echo: Option<KeyHash>,
    pub uri: String,
    /// Streams that were certain to want it.
    pub must: Vec<u8>,
}

/// A SET that was acknowledged.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    pub payload: KeyHash,
    /// Its entry, if an answer told it.
    pub seq: Option<Seq>,
    pub at_ms: i64,
    pub route: Option<Route>,
    pub must: Vec<u8>,
}

/// What must be seen under a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// A hold, until then if it ends by itself.
    Held(Option<i64>),
    /// No hold on this basis.
    Free,
}

/// Something as far as it is certain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known<T> {
    Is(T),
    InDoubt,
}

/// One thing that a receiver got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    pub tenant: u8,
    pub item: Item,
    pub aud: String,
    pub content: String,
}

/// A run as its fact said, and a token.
pub type Runs = BTreeMap<(u8, u8), (u8, Option<u8>)>;
pub type Tokens = BTreeMap<(u8, u8), (u8, i64)>;

/// What the outside world knows.
#[derive(Default)]
pub struct Model {
    pub sets: BTreeMap<Origin, Acknowledged>,
    /// SETs whose answer never came: the payloads that may have been taken.
    pub maybe: BTreeMap<Origin, BTreeSet<KeyHash>>,
    pub went_out: BTreeSet<(u8, KeyHash)>,
    pub maybe_out: BTreeSet<(u8, KeyHash)>,
    /// Acknowledged entries and what they say.
    pub entries: BTreeMap<EntryId, KeyHash>,
    pub streams: BTreeMap<(u8, u8), Known<Option<u8>>>,
    /// Streams whose status was ever changed: they may be disabled, and miss what they want.
    pub moody: BTreeSet<(u8, u8)>,
    /// Tenants in which somebody may have opted out: who of them wants what RISC says, the ledger knows alone.
    pub opted: BTreeSet<u8>,
    pub holds: BTreeMap<(u8, KeyHash, Basis), Expect>,
    pub runs: Runs,
    pub tokens: Tokens,
    /// Who was killed or completed: what comes below is born revoked.
    pub over: BTreeSet<(u8, Who)>,
    pub idempotent: BTreeMap<(u8, u8, u8), Known<(KeyHash, EntryId)>>,
    /// Every `jti` that was ever received, and what it named.
    pub named: BTreeMap<String, Named>,
    /// Who received what: (tenant, stream's number, item).
    pub got: BTreeSet<(u8, u32, Item)>,
    pub gave_up: BTreeSet<(u8, u32, Item)>,
    /// What can come back as an echo.
    pub received: Vec<(u8, Arc<Claims>)>,
    /// What was sent to the hub, by tenant and `jti`: what may be relayed.
    pub originals: BTreeMap<(u8, String), BTreeSet<String>>,
    /// SETs sent so far, by tenant.
    pub sent: [Vec<SetWord>; 3],
}

impl Model {
    /// An entry was acknowledged.
    pub fn entry(&mut self, id: EntryId, print: KeyHash) -> Result<(), Failure> {
        let before = self.entries.insert(id.clone(), print);
        ensure!(before.is_none_or(|old| old == print), "two-names", "{id} was given to two different inputs");
        Ok(())
    }

    /// The answer to a SET. `refusable`: intake may be closed.
    pub fn set(
        &mut self,
        sent: Sent,
        answer: Option<Result<SetAnswer, Refused>>,
        now_ms: i64,
        refusable: bool,
    ) -> Result<&'static str, Failure> {
        let Sent { origin, payload, .. } = &sent;
        let certain = self.sets.get(origin).filter(|ack| now_ms - ack.at_ms < SEEN_WINDOW_MS);
        let maybe = self.maybe.get(origin);
        match answer {
            None => {
                self.maybe.entry(origin.clone()).or_default().insert(*payload);
                self.maybe_out.extend(sent.echo.map(|echo| (origin.0, echo)));
                Ok("set in doubt")
            }
            Some(Err(Refused::DiskFull | Refused::ClockLeapt)) if refusable => Ok("set refused"),
            Some(Err(other)) => failure("refused", format!("{origin:?}: {other}")),
            Some(Ok(SetAnswer::Duplicate)) => {
                let fits = match certain {
                    Some(ack) => ack.payload == *payload,
                    None => maybe.is_some_and(|all| all.contains(payload)) || self.sets.contains_key(origin),
                };
                ensure!(fits, "duplicate", "{origin:?} is called a duplicate and was never taken");
                if certain.is_none() && maybe.is_some() {
                    self.maybe.remove(origin);
                    let (payload, at_ms) = (*payload, now_ms);
                    let ack = Acknowledged { payload, seq: None, at_ms, route: None, must: vec![] };
                    self.sets.insert(origin.clone(), ack);
                }
                Ok("duplicate")
            }
            Some(Ok(SetAnswer::Conflict)) => {
                let fits = match certain {
                    Some(ack) => ack.payload != *payload,
                    None => {
                        let other = |all: &BTreeSet<KeyHash>| all.iter().any(|one| one != payload);
                        maybe.is_some_and(other) || self.sets.contains_key(origin)
                    }
                };
                ensure!(fits, "conflict", "{origin:?} is called a conflict and never was one");
                Ok("conflict")
            }
            Some(Ok(SetAnswer::Accepted { id, route, .. })) => {
                ensure!(
                    certain.is_none(),
                    "duplicate",
                    "{origin:?} was taken twice, the second time as {id}"
                );
                self.accepted(sent, id, route, now_ms)
            }
        }
    }

    fn accepted(
        &mut self,
        sent: Sent,
        id: EntryId,
        route: Route,
        now_ms: i64,
    ) -> Result<&'static str, Failure> {
        let (origin, payload) = (&sent.origin, sent.payload);
        let key = sent.echo.map(|echo| (origin.0, echo));
        let out = key.is_some_and(|key| self.went_out.contains(&key));
        let maybe_out = key.is_some_and(|key| self.maybe_out.contains(&key));
        let want = if sent.route == Route::Forward && out { Route::Echo } else { sent.route };
        // Whether an echo is still decided depends on who said it before (ADR 0010); it goes out no more either way.
        let heard = sent.route == Route::Forward && (out || maybe_out);
        let fits = route == want || (heard && matches!(route, Route::Echo | Route::Heard));
        ensure!(fits, "route", "{id} goes {route:?}, not {want:?}");
        if route == Route::Forward {
            self.went_out.extend(key);
        }
        self.entry(id.clone(), set_print(&origin.1, &origin.2, payload))?;
        self.maybe.remove(origin);
        let must = if route == Route::Forward { sent.must } else { vec![] };
        let ack = Acknowledged { payload, seq: Some(id.seq), at_ms: now_ms, route: Some(route), must };
        self.sets.insert(sent.origin, ack);
        Ok(match route {
            Route::Forward => "accepted",
            Route::Echo => "echo",
            Route::Heard => "heard",
            Route::Control => "control",
            Route::Beyond => "beyond",
        })
    }

    /// A receiver got something. One name, one content; one cause and audience, one name.
    pub fn receive(
        &mut self,
        jti: String,
        named: Named,
        no: u32,
        claims: &Arc<Claims>,
    ) -> Result<(), Failure> {
        let (tenant, item) = (named.tenant, named.item);
        match self.named.get(&jti) {
            Some(before) => {
                ensure!(*before == named, "jti", "jti {jti} named {before:?} and now names {named:?}");
            }
            None => {
                let same = |n: &Named| (n.tenant, n.item, &n.aud) == (tenant, item, &named.aud);
                let other = self.named.iter().find(|(_, n)| same(n));
                ensure!(other.is_none(), "jti", "{named:?} is called {jti} and {}", other.unwrap().0);
                self.named.insert(jti, named);
                // What is about a stream itself comes back to nobody.
                if !EventType::from_uri(&claims.uri).is_control() {
                    let echo = names::echo(
                        &claims.txn,
                        names::event_hash(&claims.uri, &claims.sub_id, &claims.event),
                    );
                    self.went_out.insert((tenant, echo));
                    self.received.push((tenant, claims.clone()));
                }
            }
        }
        self.got.insert((tenant, no, item));
        Ok(())
    }

    /// Streams that certainly exist and want events of this type.
    pub fn wanting(&self, tenant: u8, uri: &str) -> Vec<u8> {
        if self.opted.contains(&tenant) && uri.starts_with(RISC) {
            return vec![];
        }
        let wants = |(key, known): (&(u8, u8), &Known<Option<u8>>)| match known {
            // Who gets originals gets those that name it.
            Known::Is(Some(shape)) if crate::facts::is_relay(*shape) => None,
            Known::Is(Some(shape)) if key.0 == tenant && !self.moody.contains(key) => {
                let stream = crate::facts::stream(key.1, *shape);
                stream.events_requested.iter().any(|one| one == "*" || one == uri).then_some(key.1)
            }
            _ => None,
        };
        self.streams.iter().filter_map(wants).collect()
    }

    /// Ancestors of a token that were acknowledged: its run, the runs above, their agents.
    pub fn above(&self, tenant: u8, token: u8) -> Vec<Who> {
        let Some((run, _)) = self.tokens.get(&(tenant, token)) else { return vec![] };
        let mut out = vec![Who::Run(*run)];
        out.extend(self.above_run(tenant, *run));
        out
    }

    /// The same of a run.
    pub fn above_run(&self, tenant: u8, run: u8) -> Vec<Who> {
        let (mut out, mut next) = (vec![], Some(run));
        while let Some(run) = next {
            let Some((agent, parent)) = self.runs.get(&(tenant, run)) else { break };
            out.push(Who::Agent(*agent));
            next = parent.filter(|parent| !out.contains(&Who::Run(*parent)));
            out.extend(next.map(Who::Run));
        }
        out
    }
}
