//! The projection over a real journal: what expires is said, whenever it began and wherever it went back to.

use std::sync::Arc;

use super::*;
use crate::clock::{OsChance, System};
use crate::hub::entry::Decision;
use crate::journal::{Draft, Folder, Journal, Options};
use crate::kafka::topics::Topic;
use crate::keys::Keys;
use crate::operations::Operations;
use crate::revocation::record::{Basis, Effect, Record, Until};
use crate::tenant::Seq;

struct Told {
    dir: tempfile::TempDir,
    journal: Journal,
    durable: Arc<Mutex<Position>>,
}

fn tenant() -> TenantId {
    TenantId::parse("default").unwrap()
}

impl Told {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(Folder::open(&dir.path().join("journal")).unwrap());
        let options = Options { segment_bytes: 1 << 20, fold_version: 1 };
        let (journal, _) = Journal::open(disk, options, Arc::new(OsChance)).unwrap();
        let durable = Arc::new(Mutex::new(journal.durable_end()));
        Self { dir, journal, durable }
    }

    /// One batch with one entry.
    fn write(&mut self, time_ms: i64, body: &Body) {
        let payload = body.to_vec().unwrap();
        let draft = Draft {
            tenant: tenant(),
            kind: body.kind(),
            version: crate::hub::entry::VERSION,
            time_ms,
            payload,
        };
        self.journal.append(&[draft]).unwrap();
        self.journal.flush().unwrap();
        *self.durable.lock().unwrap() = self.journal.durable_end();
    }

    /// A decision whose record, under the key `n`, expires.
    fn decide(&mut self, time_ms: i64, n: u8, until: i64, expires_at: i64) {
        let record = Record {
            kind: Kind::User,
            key: KeyHash([n; 16]),
            until: Until::Watermark(until),
            effect: Effect::Deny,
            basis: Basis::Issued,
            reason_code: "sessions_revoked".into(),
            expires_at: Some(expires_at),
        };
        let decision = Decision {
            cause: Seq(1),
            txn: format!("txn-{n}"),
            rule: "r".into(),
            reason_code: "sessions_revoked".into(),
            path: vec![],
            records: vec![record],
            lifted: vec![],
            ends: vec![],
            revived: vec![],
            derived: vec![],
            touched: Default::default(),
            closed: vec![],
            residual: vec![],
        };
        self.write(time_ms, &Body::Decision(decision));
    }

    fn tick(&mut self, time_ms: i64) {
        self.write(time_ms, &Body::Tick);
    }

    fn projection(&self) -> Projection {
        let read = || Reader::open(Arc::new(Folder::read_only(&self.dir.path().join("journal")))).unwrap();
        let keys = Arc::new(Keys::open(self.dir.path().join("keys"), Arc::new(OsChance)).unwrap());
        let operations = Arc::new(Operations::open(self.dir.path(), Arc::new(System)).unwrap());
        Projection::new(Parts {
            reader: read(),
            ahead: read(),
            durable: self.durable.clone(),
            speaker: Speaker::new(keys, "http://hub".into(), operations),
            before: Box::new(|_| None),
        })
    }
}

/// What steps say: `+` a record, `-` cleared, `x` a tombstone.
fn said(steps: &[Step]) -> String {
    use base64::Engine as _;
    let one = |message: &Message| {
        assert_eq!(message.topic, Topic::Revocations);
        let Some(payload) = &message.payload else { return 'x' };
        let part = std::str::from_utf8(payload).unwrap().split('.').nth(1).unwrap();
        let record = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part);
        let record: serde_json::Value = serde_json::from_slice(&record.unwrap()).unwrap();
        if record["state"] == "active" { '+' } else { '-' }
    };
    steps.iter().flat_map(|step| step.messages.iter().map(one)).collect()
}

fn end(steps: &[Step]) -> Vec<u8> {
    steps.last().unwrap().cursor.clone()
}

#[test]
fn what_expired_is_cleared_and_taken_out_also_when_it_goes_back_or_begins_anew() {
    let mut told = Told::new();
    let mut projection = told.projection();
    told.decide(10, 1, 5, 100);
    told.decide(20, 2, 5, 200);
    let first = projection.next(&[], 64).unwrap();
    assert_eq!(said(&first), "++");
    projection.settled(&end(&first));
    told.tick(150);
    let second = projection.next(&end(&first), 64).unwrap();
    assert_eq!(said(&second), "-x");
    // Its delivery failed: asked again from where the broker is.
    assert_eq!(said(&projection.next(&end(&first), 64).unwrap()), "-x");
    // Another process, and by now the other one has expired too.
    told.tick(250);
    let mut projection = told.projection();
    assert_eq!(said(&projection.next(&end(&first), 64).unwrap()), "-x-x");
    assert_eq!(said(&projection.next(&end(&second), 64).unwrap()), "-x");
    let mut projection = told.projection();
    assert_eq!(said(&projection.next(&end(&second), 64).unwrap()), "-x", "the first was cleared before");
}

#[test]
fn a_base_saves_the_way_from_the_beginning() {
    let mut told = Told::new();
    told.decide(10, 1, 5, 100);
    let at = *told.durable.lock().unwrap();
    told.tick(50);
    let cursor = serde_json::to_vec(&*told.durable.lock().unwrap()).unwrap();
    told.tick(150);
    let mut projection = told.projection();
    projection.parts.before = Box::new(move |before| {
        assert!(at <= before);
        let (until, effect) = (Until::Watermark(5), Effect::Deny);
        let (basis, reason_code) = (Basis::Issued, "sessions_revoked".to_string());
        let standing = Standing { basis, until, effect, expires_at: Some(100), seq: Seq(1), reason_code };
        // One that is in no entry shows that the base was taken.
        let two = [1, 9].map(|n| (tenant(), Kind::User, KeyHash([n; 16]), standing.clone()));
        Some((at, two.to_vec()))
    });
    assert_eq!(said(&projection.next(&cursor, 64).unwrap()), "-x-x");
}

#[test]
fn the_lag_is_counted_in_batches() {
    let mut told = Told::new();
    let mut projection = told.projection();
    for n in 0..5 {
        told.tick(n);
    }
    assert_eq!(projection.behind(&[]), 5);
    let two = projection.next(&[], 2).unwrap();
    assert_eq!((two.len(), projection.behind(&end(&two))), (2, 3));
    told.tick(9);
    assert_eq!(projection.behind(&end(&two)), 4);
    assert_eq!(projection.behind(&[]), 6, "it went back");
    let rest = projection.next(&end(&two), 64).unwrap();
    assert_eq!((rest.len(), projection.behind(&end(&rest))), (4, 0));
}
