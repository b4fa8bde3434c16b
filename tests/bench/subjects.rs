//! Subjects: an event among 1,000,000 subjects of one stream against the same among 1,000; memory and start of each.
//!
//! In this process, on the fold alone: what a match costs beside everything else of a SET.

use serde_json::json;
use serde_json::value::RawValue;
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

fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap()
}

fn subject(n: u64) -> String {
    json!({ "format": "email", "email": format!("user-{n}@example.com") }).to_string()
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

fn add(state: &mut State, n: u64) {
    let (stream, subject) = (StreamNo(1), raw(subject(n)));
    fold(state, Body::Subjects(Subjects { stream, add: true, subject, by: "c".into(), grace_ms: 0 }));
}

/// CPU of one event that is folded (µs); every second one is about a subject of the stream.
fn event_us(state: &mut State, subjects: u64) -> f64 {
    let events: Vec<Body> = (0..EVENTS)
        .map(|n| {
            let who = if n % 2 == 0 { n.wrapping_mul(7919) % subjects } else { subjects + n };
            Body::Set(SetInput {
                upstream: "idp".into(),
                iss: "https://idp.example".into(),
                jti: format!("{subjects}-{n}-{}", state.seq()),
                compact: String::new(),
                payload_hash: KeyHash([0; 16]),
                uri: TYPE.into(),
                sub_id: raw(subject(who)),
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

/// A stream with so many subjects.
fn with(subjects: u64) -> State {
    let mut state = tenant();
    (0..subjects).for_each(|n| add(&mut state, n));
    state.settle();
    state
}

/// Memory of this process.
fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096.0
}

pub fn run(b: &mut Bench) {
    let many = 1_000_000;
    let mut few = with(1_000);
    let before = resident_bytes();
    let mut full = with(many);
    let bytes = (resident_bytes() - before) / many as f64;
    let (mut small, mut large) = (vec![], vec![]);
    for _ in 0..b.rounds() {
        small.push(event_us(&mut few, 1_000));
        large.push(event_us(&mut full, many));
    }
    let (small, large) = (median(small), median(large));

    let mut rows = vec![];
    full.dump(&mut rows);
    drop(full);
    let watch = Stopwatch::start();
    let mut back = State::new(TenantId::default_tenant());
    rows.iter().for_each(|(key, value)| back.load(key, value).unwrap());
    back.reindex();
    let start_us = watch.elapsed().as_secs_f64() * 1e6;

    let mut put = |name, what: &str, unit, value, raw, aim| {
        b.figures.put(Figure { name, what, unit, value, raw, aim });
    };
    let what = "CPU of an event among 1,000,000 subjects of a stream : among 1,000";
    put("subject_match", what, Unit::Us, large, Some(small), Aim::Ratio(1.5));
    put("subject_bytes", "memory of a subject, of 1,000,000", Unit::Bytes, bytes, None, Aim::Most(100.0));
    put("subject_start", "1,000,000 subjects loaded at a start", Unit::Us, start_us, None, Aim::None);
}
