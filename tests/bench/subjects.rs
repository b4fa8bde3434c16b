//! Subjects: an event among 1,000,000 subjects of one stream against the same among 1,000; memory after they came and
//! after a start. The same with complex ones; and with every combination of members that there may be.
//!
//! In this process, on the fold alone: what a match costs beside everything else of a SET.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use ssf_hub::clock::Stopwatch;
use ssf_hub::hub::apply::Stamped;
use ssf_hub::hub::effect::Effect;
use ssf_hub::hub::entry::streams::Subjects;
use ssf_hub::hub::entry::{Body, Route, SetInput};
use ssf_hub::hub::object::Object;
use ssf_hub::hub::state::State;
use ssf_hub::lineage::keyed::KeyHash;
use ssf_hub::stream::StreamNo;
use ssf_hub::tenant::TenantId;

use super::figures::{Aim, Figure, Unit, median};
use super::{Bench, cpu};

const TYPE: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
/// Events that are matched, half of them about somebody in the stream.
const EVENTS: u64 = 20_000;
const T0_MS: i64 = 1_800_000_000_000;
/// Subjects of the full stream.
const MANY: u64 = 1_000_000;
/// Entries of a batch, after which the hub hands over what changed.
const BATCH: u64 = 512;
/// The members that SSF names (SSF 1.0, 3.3).
const NAMED: [&str; 7] = ["user", "device", "session", "application", "tenant", "org_unit", "group"];

/// The subject with a number.
type Subject = fn(u64) -> Value;

fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap()
}

fn email(n: u64) -> Value {
    json!({ "format": "email", "email": format!("user-{n}@example.com") })
}

fn opaque(id: &str) -> Value {
    json!({ "format": "opaque", "id": id })
}

/// A person on a device.
fn complex(n: u64) -> Value {
    json!({ "format": "complex", "user": email(n), "device": opaque(&format!("device-{n}")) })
}

/// A person's session: it shares one member with that.
fn session(n: u64) -> Value {
    json!({ "format": "complex", "user": email(n), "session": opaque(&format!("session-{n}")) })
}

/// Of seven members those that the number chooses, and nobody else's user.
fn chosen(n: u64) -> Value {
    let mut value = json!({ "format": "complex" });
    for (at, name) in NAMED.iter().enumerate().filter(|(at, _)| n & (1 << at) != 0) {
        value[*name] = opaque(&format!("{at}"));
    }
    value
}

/// Somebody, by all seven: every second one is known by each combination of members.
fn somebody(n: u64) -> Value {
    let mut value = chosen(127);
    if n >= MANY {
        NAMED.iter().for_each(|name| value[*name] = opaque(&format!("nobody-{n}")));
    }
    value
}

fn fold(state: &mut State, body: Body) -> Vec<Effect> {
    let entry = Stamped { seq: state.seq().next(), time_ms: T0_MS, body };
    state.apply(&entry)
}

/// A tenant with one stream that begins with no subject.
fn tenant() -> State {
    let mut state = State::new(TenantId::default_tenant());
    let object: Object = serde_json::from_value(json!({"stream": {
        "stream_id": "s", "client": "c", "method": "poll", "aud": ["a"], "events_requested": ["*"],
        "default_subjects": "NONE",
    }}))
    .unwrap();
    fold(&mut state, Body::Put { object, by: "bench".into() });
    state
}

fn add(state: &mut State, subject: &Value) {
    let (stream, subject) = (StreamNo(1), raw(subject.to_string()));
    fold(state, Body::Subjects(Subjects { stream, add: true, subject, by: "c".into(), grace_ms: 0 }));
}

/// CPU of one event that is folded (µs); every second one is about a subject of the stream.
fn event_us(state: &mut State, subjects: u64, of: Subject) -> f64 {
    let events: Vec<Body> = (0..EVENTS)
        .map(|n| {
            let who = if n % 2 == 0 { n.wrapping_mul(7919) % subjects } else { MANY + n };
            Body::Set(SetInput {
                read: None,
                upstream: "idp".into(),
                iss: "https://idp.example".into(),
                jti: format!("{subjects}-{n}-{}", state.seq()),
                compact: String::new(),
                payload_hash: KeyHash([0; 16]),
                uri: TYPE.into(),
                sub_id: raw(of(who).to_string()),
                event: raw("{}".into()),
                txn: "t".into(),
                toe: None,
                all_sessions: false,
                route: Route::Forward,
                echo: KeyHash([1; 16]),
                names: vec![],
            })
        })
        .collect();
    let owed = state.owed_len();
    let before = cpu::of_thread();
    for body in events {
        fold(state, body);
    }
    let spent = cpu::of_thread() - before;
    assert_eq!(
        state.owed_len() - owed,
        EVENTS as usize / 2,
        "half of them are about a subject of the stream"
    );
    spent / EVENTS as f64
}

/// A stream with so many subjects, from the first on.
fn with(first: u64, subjects: u64, of: Subject) -> State {
    let mut state = tenant();
    for n in first..first + subjects {
        add(&mut state, &of(n));
        if n % BATCH == 0 {
            state.settle();
        }
    }
    state.settle();
    state
}

/// Memory of this process.
fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096.0
}

/// What a million subjects come to.
struct Cost {
    small_us: f64,
    large_us: f64,
    bytes: f64,
    loaded_bytes: f64,
    start_us: f64,
}

/// Of subjects `of`, asked for by events about `asked`.
fn cost(b: &Bench, of: Subject, asked: Subject) -> Cost {
    let mut few = with(0, 1_000, of);
    let before = resident_bytes();
    let mut full = with(0, MANY, of);
    let bytes = (resident_bytes() - before) / MANY as f64;
    // Before anything happens to them: what is remembered of events is no subject.
    let (loaded_bytes, start_us) = started(&full);
    let (mut small, mut large) = (vec![], vec![]);
    for _ in 0..b.rounds() {
        small.push(event_us(&mut few, 1_000, asked));
        large.push(event_us(&mut full, MANY, asked));
    }
    Cost { small_us: median(small), large_us: median(large), bytes, loaded_bytes, start_us }
}

/// Loads the rows of a state: memory of each subject, and how long it took. Nothing of it is given back, for what comes
/// next would take that, and look smaller than it is.
fn started(state: &State) -> (f64, f64) {
    let mut rows = vec![];
    state.dump(&mut rows);
    let before = resident_bytes();
    let watch = Stopwatch::start();
    let mut back = State::new(TenantId::default_tenant());
    rows.iter().for_each(|(key, value)| back.load(key, value).unwrap());
    back.reindex();
    let start_us = watch.elapsed().as_secs_f64() * 1e6;
    let bytes = (resident_bytes() - before) / MANY as f64;
    std::mem::forget((rows, back));
    (bytes, start_us)
}

pub fn run(b: &mut Bench) {
    let simple = cost(b, email, email);
    let complex = cost(b, complex, session);
    let (mut one, mut every) = (with(127, 1, chosen), with(1, 127, chosen));
    let (mut of_one, mut of_every) = (vec![], vec![]);
    for _ in 0..b.rounds() {
        of_one.push(event_us(&mut one, 1_000, somebody));
        of_every.push(event_us(&mut every, 1_000, somebody));
    }

    let mut put = |name, what: &str, unit, value, raw, aim| {
        b.figures.put(Figure { name, what, unit, value, raw, aim });
    };
    let (us, bytes) = (Unit::Us, Unit::Bytes);
    let what = "CPU of an event among 1,000,000 subjects of a stream : among 1,000";
    put("subject_match", what, us, simple.large_us, Some(simple.small_us), Aim::Ratio(1.5));
    put("subject_bytes", "memory of a subject, of 1,000,000", bytes, simple.bytes, None, Aim::Most(100.0));
    let what = "memory of a subject after a start";
    put("subject_bytes_loaded", what, bytes, simple.loaded_bytes, None, Aim::Most(100.0));
    put("subject_start", "1,000,000 subjects loaded at a start", us, simple.start_us, None, Aim::None);
    let what = "the same of complex subjects of two members, one in common";
    put("complex_match", what, us, complex.large_us, Some(complex.small_us), Aim::Ratio(1.5));
    put("complex_bytes", "memory of one, of 1,000,000", bytes, complex.bytes, None, Aim::None);
    put("complex_bytes_loaded", "memory of one after a start", bytes, complex.loaded_bytes, None, Aim::None);
    put("complex_start", "1,000,000 of them loaded at a start", us, complex.start_us, None, Aim::None);
    let what = "CPU of an event, all 127 combinations of SSF's members there : one";
    put("complex_kinds", what, us, median(of_every), Some(median(of_one)), Aim::None);
}
