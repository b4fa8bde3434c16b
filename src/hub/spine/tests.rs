//! What the spine makes of deadlines, echoes and large decisions, on a simulated disk.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::sync::oneshot;

use super::{Parts, Spine};
use crate::clock::{Chance, Clock};
use crate::hub::base::{self, Folded as _, Snapshot};
use crate::hub::command::{Answer, Command, Done, Outcomes, Refused, SetAnswer, SetDraft};
use crate::hub::decide::Bounds;
use crate::hub::effect::{Effect, Sink};
use crate::hub::entry::{Act, FactInput, Named, Route};
use crate::hub::names;
use crate::hub::object::Object;
use crate::hub::state::{FOLD_VERSION, State};
use crate::journal::sim::SimDisk;
use crate::journal::{Journal, Options, Position};
use crate::lineage::alias::Alias;
use crate::lineage::fact::Fact;
use crate::revocation::key::{KeyHash, SubjectKey};
use crate::tenant::TenantId;

#[path = "objects_tests.rs"]
mod objects;

const T0_MS: i64 = 1_700_000_000_000;
const IDP: &str = "https://idp.example";
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// The wall clock, and how far it leapt ahead of the uptime.
#[derive(Default)]
struct Hands(AtomicI64, AtomicI64);

impl Clock for Hands {
    fn wall_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn boot_ms(&self) -> i64 {
        self.wall_ms() - self.1.load(Ordering::Relaxed)
    }
}

struct Zeros;

impl Chance for Zeros {
    fn fill(&self, buf: &mut [u8]) {
        buf.fill(0);
    }
}

/// Everything that left the spine.
#[derive(Default)]
struct Out(Mutex<Vec<Effect>>, Mutex<Vec<(&'static str, String)>>);

impl Sink for Out {
    fn objects(&self, _: &State) {}
    fn durable(&self, _: Position) {}
    fn noted(&self, kind: &'static str, what: &str) {
        self.1.lock().unwrap().push((kind, what.into()));
    }
    fn publish(&self, _: &TenantId, effects: Vec<Effect>) {
        self.0.lock().unwrap().extend(effects);
    }
}

struct Desk {
    spine: Spine,
    clock: Arc<Hands>,
    out: Arc<Out>,
    tenant: TenantId,
}

impl Desk {
    fn new() -> Self {
        Self::with(1 << 24)
    }

    fn with(segment_bytes: u64) -> Self {
        let options = Options { segment_bytes, fold_version: FOLD_VERSION };
        let (journal, _) = Journal::open(Arc::new(SimDisk::new(1)), options, Arc::new(Zeros)).unwrap();
        let (clock, out) =
            (Arc::new(Hands(AtomicI64::new(T0_MS), AtomicI64::new(0))), Arc::new(Out::default()));
        let parts = Parts {
            clock: clock.clone(),
            sink: out.clone(),
            mirror: None,
            leap_max_ms: 3_600_000,
            bounds: Bounds::default(),
        };
        let spine = Spine::new(journal, crate::hub::start::empty(), parts);
        let mut desk = Self { spine, clock, out, tenant: TenantId::parse("default").unwrap() };
        desk.put(TenantId::hub(), "tenant", json!({ "id": "default" }));
        let all = json!({ "stream_id": "all", "client": "c", "method": "poll", "aud": ["a"], "events_requested": ["*"],
                          "derived": true });
        desk.put(desk.tenant.clone(), "client", json!({ "id": "c", "bearer_sha256": "0".repeat(43) }));
        desk.put(desk.tenant.clone(), "stream", all);
        desk
    }

    fn put(&mut self, tenant: TenantId, kind: &str, object: serde_json::Value) {
        let object: Object = serde_json::from_value(json!({ kind: object })).unwrap();
        self.run(|answer| Command::Put(tenant, Box::new(object), "test".into(), answer)).unwrap();
    }

    fn run<T>(&mut self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Refused> {
        let (answer, mut told) = oneshot::channel();
        self.spine.batch(vec![command(answer)], Outcomes::new()).unwrap();
        told.try_recv().unwrap()
    }

    fn fact(&mut self, fact: serde_json::Value) -> Done {
        let fact = serde_json::from_value::<Fact>(fact).unwrap().checked().unwrap();
        let hashes = fact.aliases().iter().map(|a| key().hashes(a)).collect();
        let input = FactInput { client: "c".into(), fact, hashes, idempotency_key: None };
        let tenant = self.tenant.clone();
        self.run(|answer| Command::Fact(tenant, Box::new(input), answer)).unwrap()
    }

    /// A run; `deadline_s` after the beginning.
    fn start(&mut self, id: &str, parent: Option<&str>, deadline_s: i64) -> Done {
        let agent = json!({ "kind": "agent", "value": "bot" });
        let mut run =
            json!({ "fact": "run", "id": id, "agent": agent, "deadline": T0_MS / 1000 + deadline_s });
        if let Some(parent) = parent {
            run["parent"] = parent.into();
        }
        self.fact(run)
    }

    fn act(&mut self, kill: bool, kind: &str, value: &str) -> Done {
        let alias = Alias::new(kind, "", value);
        let target = Named { hashes: key().hashes(&alias), alias };
        let act = Act { by: "ops".into(), target, reason: "test".into() };
        let tenant = self.tenant.clone();
        self.run(|answer| Command::Act { tenant, kill, act, answer }).unwrap()
    }

    /// An IdP's word that the session `value` is over.
    fn set(&mut self, upstream: &str, iss: &str, jti: &str, value: &str) -> SetAnswer {
        let sub_id = format!(
            r#"{{"format":"complex","user":{{"format":"iss_sub","iss":"{IDP}","sub":"alice"}},"session":{{"format":"opaque","id":"{value}"}}}}"#
        );
        let event = r#"{"initiating_entity":"admin"}"#;
        let parsed = crate::set::sub_id::SubId::parse_str(&sub_id).unwrap();
        let names = crate::lineage::subject::names_in(&parsed, iss).into_iter();
        let raw = |text: &str| serde_json::value::RawValue::from_string(text.into()).unwrap();
        let draft = SetDraft {
            read: None,
            upstream: upstream.into(),
            iss: iss.into(),
            jti: jti.into(),
            compact: "a.b.c".into(),
            payload_hash: names::hash(&[jti.as_bytes()]),
            uri: SESSION_REVOKED.into(),
            event_hash: names::event_hash(SESSION_REVOKED, &sub_id, event),
            sub_id: raw(&sub_id),
            event: raw(event),
            txn: Some("one cause".into()),
            toe: None,
            all_sessions: false,
            route: Route::Forward,
            names: names.map(|alias| Named { hashes: key().hashes(&alias), alias }).collect(),
        };
        let tenant = self.tenant.clone();
        self.run(|answer| Command::Set(tenant, Box::new(draft), answer)).unwrap()
    }

    fn upstream(&mut self, id: &str, iss: &str, effect: &str) {
        let upstream = json!({ "id": id, "iss": iss, "aud": ["https://hub.example"],
                               "jwks": { "url": "https://idp.example/jwks" }, "authority": { "effect": effect } });
        self.put(self.tenant.clone(), "upstream", upstream);
    }

    /// Lets time pass; how many entries the tenant has then, once nothing is due any more.
    fn later(&mut self, s: i64) -> u64 {
        self.clock.0.store(T0_MS + s * 1000, Ordering::Relaxed);
        for _ in 0..50 {
            if self.state().next_timer_ms().is_none_or(|at| at > self.clock.wall_ms()) {
                return self.state().seq().0;
            }
            self.spine.batch(vec![], Outcomes::new()).unwrap();
        }
        panic!("a timer that is due stays due");
    }

    fn state(&self) -> &State {
        self.spine.state(&self.tenant).unwrap()
    }

    fn is_over(&self, run: &str) -> bool {
        let id = self.state().graph().find(&Alias::new("run", "", run)).unwrap();
        self.state().graph().node(id).unwrap().is_over()
    }

    /// Subjects of derived events that name a run, since the last call.
    fn derived(&self) -> Vec<String> {
        let effects = std::mem::take(&mut *self.out.0.lock().unwrap());
        let owed = effects.into_iter().flat_map(|effect| match effect {
            Effect::Owed { item, claims, streams } if item.index > 0 => {
                vec![claims.sub_id.clone(); streams.len()]
            }
            _ => vec![],
        });
        owed.collect()
    }
}

fn key() -> SubjectKey {
    SubjectKey::new(&[7; 32])
}

fn run_key(id: &str) -> KeyHash {
    key().hash(crate::revocation::key::Kind::Run, &Alias::new("run", "", id))
}

#[test]
fn a_deadline_rings_once_whatever_ended_its_run_before() {
    let mut desk = Desk::new();
    desk.start("root", None, 3600);
    desk.start("mid", Some("root"), 1800);
    desk.start("leaf", Some("mid"), 900);
    desk.fact(json!({ "fact": "complete", "target": { "kind": "run", "value": "mid" } }));
    desk.later(1000);
    desk.later(2000);
    desk.later(4000);
    assert!(desk.is_over("root"));
}

#[test]
fn a_deadline_that_was_cut_short_does_not_ring_at_its_old_time() {
    let mut desk = Desk::new();
    desk.start("child", Some("parent"), 600);
    desk.start("parent", None, 300);
    desk.later(301);
    assert!(desk.is_over("parent") && desk.is_over("child"));
    let entries = desk.later(500);
    assert_eq!(desk.later(700), entries + 1, "one tick for the old timer, and no decision");
}

#[test]
fn what_ends_together_is_told_once() {
    let mut desk = Desk::new();
    // The child is told first, so that its deadline is found first.
    desk.start("child", Some("parent"), 600);
    desk.start("parent", None, 600);
    desk.start("other", None, 600);
    desk.derived();
    desk.later(601);
    let mut told = desk.derived();
    assert_eq!(told.len(), 3, "{told:?}");
    told.dedup();
    assert_eq!(told.len(), 3);
}

#[test]
fn a_killed_run_still_ends_at_its_deadline() {
    let mut desk = Desk::new();
    desk.start("r", None, 600);
    desk.act(true, "run", "r");
    assert!(!desk.is_over("r"));
    desk.act(false, "run", "r");
    desk.later(601);
    assert!(desk.is_over("r"));
    assert!(!desk.state().standing(run_key("r")).is_empty());
}

#[test]
fn runs_leave_memory_when_their_last_token_is_dead() {
    let mut desk = Desk::new();
    desk.start("root", None, 600);
    desk.start("sub", Some("root"), 600);
    let token = json!({ "fact": "token", "iss": "https://as", "jti": "t", "run": "sub", "aud": "x",
                        "iat": T0_MS / 1000, "exp": T0_MS / 1000 + 600 });
    desk.fact(token);
    desk.later(700);
    desk.later(700 + 86_400 + 3600 + 60);
    // What something hung below is looked at again an hour later.
    desk.later(600 + 2 * 86_400);
    let left: Vec<&str> = desk.state().graph().nodes().map(|(_, node)| node.name.value.as_str()).collect();
    assert_eq!(left, ["bot"], "two runs and a token are gone");
}

#[test]
fn an_echo_of_a_stronger_source_still_acts() {
    let mut desk = Desk::new();
    desk.upstream("peer", "https://peer.example", "record");
    desk.upstream("idp", IDP, "contain");
    desk.upstream("relay", "https://relay.example", "contain");
    let jwks = json!({ "url": "https://idp.example/jwks" });
    desk.put(desk.tenant.clone(), "token_issuer", json!({ "id": "idp", "iss": IDP, "jwks": jwks }));
    let route = |answer| match answer {
        SetAnswer::Accepted { route, .. } => route,
        other => panic!("{other:?}"),
    };
    let records = |desk: &Desk| desk.state().standings().count();
    assert_eq!(route(desk.set("peer", "https://peer.example", "1", "s1")), Route::Forward);
    assert_eq!(records(&desk), 0, "the peer may only record");
    let owed = desk.state().owed_len();
    assert_eq!(route(desk.set("relay", "https://relay.example", "1", "s1")), Route::Echo);
    assert_eq!(records(&desk), 0, "nobody's word grows stronger by being passed on");
    assert_eq!(route(desk.set("idp", IDP, "1", "s1")), Route::Heard);
    assert!(records(&desk) > 0, "the IdP may contain");
    assert_eq!(desk.state().owed_len(), owed, "it went out already");
    let entries = desk.state().seq().0;
    assert_eq!(route(desk.set("idp", IDP, "2", "s1")), Route::Echo);
    assert_eq!(desk.state().seq().0, entries + 1, "recorded, and no decision");
}

#[test]
fn a_decision_that_would_not_fit_a_segment_is_cut_and_said() {
    let mut desk = Desk::with(1 << 20);
    desk.start("root", None, 600);
    for n in 0..1200 {
        let parent = if n == 0 { "root".to_string() } else { "sub0".to_string() };
        desk.start(&format!("sub{n}"), Some(&parent), 600);
    }
    let done = desk.act(true, "agent", "bot");
    assert!(done.decision.is_some());
    desk.later(601);
    assert!(desk.is_over("root") && desk.is_over("sub1199"));
}

#[test]
fn a_snapshot_stays_while_the_spine_goes_on() {
    let mut desk = Desk::new();
    desk.start("r1", None, 60);
    let (told, mut got) = oneshot::channel();
    let take = move |spine: &Spine, snapshot| drop(told.send((spine.journal().end(), snapshot)));
    desk.spine.batch(vec![Command::Snapshot(Box::new(take))], Outcomes::new()).unwrap();
    let (end, snapshot): (Position, Snapshot) = got.try_recv().unwrap();
    let then = desk.state().digest();
    desk.start("r2", None, 60);
    let copied = &snapshot.states[&desk.tenant];
    assert_ne!(desk.state().digest(), then);
    assert_eq!((copied.digest(), snapshot.place.position), (then, end));

    // A base of it is the state of then, whenever it is written.
    let disk = SimDisk::new(2);
    let name = base::write(&snapshot, &disk, &Plain, 2).unwrap();
    let (header, states) = base::read(&disk, &Plain, &name).unwrap();
    assert_eq!((header.position, states[&desk.tenant].digest()), (end, then));
}

/// Signs nothing.
struct Plain;

impl base::Seal for Plain {
    fn sign(&self, header: &[u8]) -> Result<String, String> {
        Ok(base::hex(header))
    }

    fn open(&self, compact: &str) -> Result<Vec<u8>, String> {
        let byte = |at: usize| u8::from_str_radix(&compact[at..at + 2], 16).map_err(|e| e.to_string());
        (0..compact.len()).step_by(2).map(byte).collect()
    }
}

#[test]
fn a_closed_intake_is_noted_once_and_so_is_its_opening() {
    let mut desk = Desk::new();
    let said = |desk: &Desk| std::mem::take(&mut *desk.out.1.lock().unwrap());
    let idle = |desk: &mut Desk| desk.spine.batch(vec![], Outcomes::new()).unwrap();
    // This desk has no mirror.
    assert_eq!(
        said(&desk),
        [("mirror_closed", "the state is not mirrored until the next start".to_string())]
    );
    desk.clock.1.store(3_600_001, Ordering::Relaxed);
    idle(&mut desk);
    idle(&mut desk);
    assert_eq!(said(&desk), [("intake_closed", "the wall clock leapt".to_string())]);
    desk.clock.1.store(0, Ordering::Relaxed);
    idle(&mut desk);
    assert_eq!(said(&desk), [("intake_opened", "new inputs are taken again".to_string())]);
}
