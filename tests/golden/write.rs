//! Writes a golden journal into a directory: journal, one base, signed heads, the expected digests.
//!
//! Everything but the signatures follows from [`crate::steps`] and [`crate::made`]: two writes give the same bytes.

use std::path::Path;
use std::sync::Arc;

use ssf_hub::app::seal::{AuditSeal, heads_of};
use ssf_hub::clock::{Chance, Clock, OsChance};
use ssf_hub::hub::apply::Stamped;
use ssf_hub::hub::base::{self, hex};
use ssf_hub::hub::decide::{Bounds, decide};
use ssf_hub::hub::effect::{Effect, Sink};
use ssf_hub::hub::entry::{Body, VERSION};
use ssf_hub::hub::spine::{Parts, Spine};
use ssf_hub::hub::start::{self, States};
use ssf_hub::hub::state::{FOLD_VERSION, State};
use ssf_hub::journal::{Draft, Folder, Journal, Options, Position, Reader};
use ssf_hub::keys::Keys;
use ssf_hub::tenant::TenantId;

use crate::made;
use crate::steps::{self, T0_MS};

/// Small segments, so that a short journal has several.
pub const OPTIONS: Options = Options { segment_bytes: 16 << 10, fold_version: FOLD_VERSION };

/// Bytes that are the same in every run, and not all zero.
pub struct Fixed;

impl Chance for Fixed {
    fn fill(&self, buf: &mut [u8]) {
        buf.iter_mut().enumerate().for_each(|(n, byte)| *byte = (n as u8).wrapping_mul(7) | 1);
    }
}

/// A clock that stands.
pub struct Stands;

impl Clock for Stands {
    fn wall_ms(&self) -> i64 {
        T0_MS + 3_600_000
    }
    fn boot_ms(&self) -> i64 {
        1_000
    }
}

/// Nobody acts on what follows.
pub struct Nobody;

impl Sink for Nobody {
    fn objects(&self, _: &State) {}
    fn durable(&self, _: Position) {}
    fn noted(&self, _: &'static str, _: &str) {}
    fn publish(&self, _: &TenantId, _: Vec<Effect>) {}
}

/// The audit key of the golden files, kept beside them.
pub fn seal(dir: &Path) -> AuditSeal {
    AuditSeal::new(&Keys::open(dir.join("keys"), Arc::new(OsChance)).unwrap()).unwrap()
}

struct Writing {
    journal: Journal,
    states: States,
    time_ms: i64,
}

impl Writing {
    /// Appends one batch and folds it. Time goes on by a second an entry.
    fn batch(&mut self, tenant: &TenantId, bodies: Vec<Body>) {
        let mut drafts = vec![];
        for body in bodies {
            drafts.push(self.fold(tenant, body));
        }
        self.journal.append(&drafts).unwrap();
        self.journal.flush().unwrap();
    }

    fn fold(&mut self, tenant: &TenantId, body: Body) -> Draft {
        let (kind, payload) = (body.kind(), body.to_vec().unwrap());
        let state = self.states.get_mut(tenant).unwrap();
        let seq = state.seq().next();
        for effect in state.apply(&Stamped { seq, time_ms: self.time_ms, body }) {
            if let Effect::Tenant(new) = effect {
                self.states.entry(new.clone()).or_insert_with(|| State::new(new));
            }
        }
        Draft { tenant: tenant.clone(), kind, version: VERSION, time_ms: self.time_ms, payload }
    }

    fn input(&mut self, step: steps::Step) {
        self.time_ms += 1_000;
        let (tenant, body) = (step.tenant, step.body);
        let mut drafts = vec![self.fold(&tenant, body.clone())];
        let id = self.journal.id().0;
        let decided =
            step.decide.then(|| decide(&self.states[&tenant], &id, &body, &Bounds::default())).flatten();
        drafts.extend(decided.map(|decision| self.fold(&tenant, Body::Decision(decision))));
        self.journal.append(&drafts).unwrap();
        self.journal.flush().unwrap();
    }
}

/// Opens the journal in `dir` and folds it.
pub fn open(dir: &Path) -> (Journal, States, Arc<Folder>) {
    let disk = Arc::new(Folder::open(&dir.join("journal")).unwrap());
    let (journal, _) = Journal::open(disk.clone(), OPTIONS, Arc::new(Fixed)).unwrap();
    let mut states = start::empty();
    start::fold(&mut Reader::open(disk.clone()).unwrap(), Position::OLDEST, &mut states, |_, _| {}).unwrap();
    (journal, states, disk)
}

/// A spine on the journal in `dir`.
pub fn spine(dir: &Path) -> Spine {
    let (journal, states, _) = open(dir);
    let parts = Parts {
        clock: Arc::new(Stands),
        sink: Arc::new(Nobody),
        mirror: None,
        leap_max_ms: 60_000,
        bounds: Bounds::default(),
    };
    Spine::new(journal, states, parts)
}

fn base_and_heads(dir: &Path) {
    let mut spine = spine(dir);
    spine.sync_chain().unwrap();
    seal(dir).sign_heads(dir, &heads_of(&base::Place::end_of(spine.journal()), T0_MS)).unwrap();
    base::write(&base::Snapshot::of(&spine), &Folder::open(&dir.join("bases")).unwrap(), &seal(dir), 9)
        .unwrap();
}

/// Writes everything into `dir`, which may hold an audit key already.
pub fn write(dir: &Path) {
    let begin = |time_ms| {
        let (journal, states, _) = open_or_begin(dir);
        Writing { journal, states, time_ms }
    };
    let mut writing = begin(T0_MS);
    steps::steps().into_iter().for_each(|step| writing.input(step));
    let last_ms = writing.time_ms;
    drop(writing);
    base_and_heads(dir);
    let mut writing = begin(last_ms);
    let default = steps::tenant("default");
    let state = &writing.states[&default];
    let owed: Vec<_> = state.owed().map(|(no, item, _)| (no, item.seq, item.index)).collect();
    let made = made::made(state.seq(), &owed);
    for pair in made.chunks(4) {
        writing.time_ms += 1_000;
        writing.batch(&default, pair.to_vec());
    }
    let expected = expected(&writing.states, &writing.journal);
    drop(writing);
    let mut spine = spine(dir);
    spine.sync_chain().unwrap();
    seal(dir).sign_heads(dir, &heads_of(&base::Place::end_of(spine.journal()), T0_MS + 1)).unwrap();
    drop(spine);
    std::fs::write(dir.join("expected.json"), expected).unwrap();
    for name in ["journal/reserve.pay", "journal/reserve.log", "journal/journal.lock", "bases/journal.lock"] {
        std::fs::remove_file(dir.join(name)).unwrap();
    }
}

fn open_or_begin(dir: &Path) -> (Journal, States, Arc<Folder>) {
    let disk = Arc::new(Folder::open(&dir.join("journal")).unwrap());
    drop(Journal::open(disk.clone(), OPTIONS, Arc::new(Fixed)).unwrap());
    drop(disk);
    open(dir)
}

fn expected(states: &States, journal: &Journal) -> String {
    let of = |(tenant, state): (&TenantId, &State)| {
        let head = journal.heads().into_iter().find(|(of, ..)| of == tenant).map(|(.., head)| hex(&head));
        let value = serde_json::json!({ "seq": state.seq(), "digest": hex(&state.digest()), "head": head });
        (tenant.to_string(), value)
    };
    let tenants: serde_json::Map<_, _> = states.iter().map(of).collect();
    let all = serde_json::json!({
        "journal": journal.id().to_string(), "fold_version": FOLD_VERSION, "tenants": tenants,
    });
    serde_json::to_string_pretty(&all).unwrap() + "\n"
}

/// The digest of every tenant.
pub fn digests(states: &States) -> String {
    let all: serde_json::Map<_, _> =
        states.iter().map(|(tenant, state)| (tenant.to_string(), hex(&state.digest()).into())).collect();
    serde_json::to_string_pretty(&all).unwrap() + "\n"
}
