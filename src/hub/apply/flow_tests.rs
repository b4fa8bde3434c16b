//! A stream's status, subjects and control events, folded: what is owed, what flows, what comes back from the rows.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;
use crate::hub::entry::{Body, Route, SetInput};
use crate::hub::object::{Object, ObjectKind};
use crate::revocation::key::KeyHash;
use crate::tenant::{Seq, TenantId};

const T0_MS: i64 = 1_700_000_000_000;
const TYPE: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

struct Bench {
    state: State,
    now_ms: i64,
}

fn email(address: &str) -> Value {
    json!({"format": "email", "email": address})
}

impl Bench {
    fn new(default_subjects: &str) -> Self {
        let mut bench = Self { state: State::new(TenantId::default_tenant()), now_ms: T0_MS };
        for id in ["a", "b"] {
            let object: Object = serde_json::from_value(json!({"stream": {
                "stream_id": id, "client": "c", "method": "poll", "aud": [id], "events_requested": ["*"],
                "default_subjects": default_subjects,
            }}))
            .unwrap();
            bench.fold(Body::Put { object, by: "file".into() });
        }
        bench
    }

    /// Folds an entry, and holds the state against one that was loaded from its rows.
    fn fold(&mut self, body: Body) -> Vec<Effect> {
        let (seq, time_ms) = (self.state.seq().next(), self.now_ms);
        let fx = self.state.apply(&Stamped { seq, time_ms, body });
        let mut rows = vec![];
        self.state.dump(&mut rows);
        let mut back = State::new(TenantId::default_tenant());
        rows.iter().for_each(|(key, value)| back.load(key, value).unwrap());
        back.reindex();
        assert_eq!(back.digest(), self.state.digest());
        fx
    }

    fn no(&self, id: &str) -> StreamNo {
        StreamNo(self.state.object(ObjectKind::Stream, id).unwrap().no)
    }

    fn status(&mut self, id: &str, status: Status, announce_ms: Option<i64>) -> Vec<Effect> {
        let (stream, txn) = (self.no(id), "txn".into());
        let reason = Some("drill".into());
        self.fold(Body::Status(StatusChange { stream, status, reason, by: "x".into(), announce_ms, txn }))
    }

    fn subject(&mut self, id: &str, add: bool, subject: &Value, grace_ms: i64) {
        let subject = RawValue::from_string(subject.to_string()).unwrap();
        let change = Subjects { stream: self.no(id), add, subject, by: "c".into(), grace_ms };
        self.fold(Body::Subjects(change));
    }

    /// An event about somebody: the streams it is owed to.
    fn event(&mut self, subject: &Value) -> Vec<String> {
        let raw = |json: &str| RawValue::from_string(json.into()).unwrap();
        let fx = self.fold(Body::Set(SetInput {
            read: None,
            upstream: "idp".into(),
            iss: "https://idp.example".into(),
            jti: self.state.seq().to_string(),
            compact: String::new(),
            payload_hash: KeyHash([0; 16]),
            uri: TYPE.into(),
            sub_id: raw(&subject.to_string()),
            event: raw("{}"),
            txn: "t".into(),
            toe: None,
            all_sessions: false,
            route: Route::Forward,
            echo: KeyHash([1; 16]),
            names: vec![],
        }));
        let to = |effect: &Effect| match effect {
            Effect::Owed { streams, .. } => streams.to_vec(),
            _ => vec![],
        };
        fx.iter().flat_map(to).map(|no| self.state.streams()[&no].stream_id.clone()).collect()
    }

    fn owed(&self, id: &str) -> Vec<(String, String)> {
        let no = self.no(id);
        let owed = self.state.owed().filter(|(stream, ..)| *stream == no);
        owed.map(|(_, _, c)| (c.uri.rsplit('/').next().unwrap().to_string(), c.event.clone())).collect()
    }

    fn flow(&self, id: &str) -> Flow {
        self.state.flow_of(self.no(id))
    }

    fn end(&mut self, id: &str, item: Item) {
        let no = self.no(id);
        self.fold(Body::Outcomes(vec![Outcome(no, item.seq, item.index, Fate::Delivered, None)]));
    }
}

#[test]
fn a_receiver_pauses_disables_and_enables_at_once_and_alone() {
    let mut bench = Bench::new("ALL");
    let fx = bench.status("a", Status::Paused, None);
    assert!(matches!(fx[..], [Effect::Flow { flow: Flow::Shut, .. }]));
    assert_eq!(bench.event(&email("a@x")), ["a", "b"], "paused: held");
    assert_eq!((bench.flow("a"), bench.flow("b")), (Flow::Shut, Flow::Open));
    bench.status("a", Status::Enabled, None);
    assert_eq!((bench.flow("a"), bench.owed("a").len()), (Flow::Open, 1));
    let fx = bench.status("a", Status::Disabled, None);
    assert!(fx.iter().any(|e| matches!(e, Effect::Dropped { .. })), "what was held is dropped");
    assert_eq!(bench.event(&email("a@x")), ["b"], "disabled: nothing is held");
    assert_eq!((bench.owed("a").len(), bench.owed("b").len()), (0, 2));
    bench.status("a", Status::Enabled, None);
    assert_eq!(bench.state.life(bench.no("a")).reason.as_deref(), Some("drill"));
    assert_eq!(bench.event(&email("a@x")), ["a", "b"]);
}

#[test]
fn a_stop_that_the_receiver_did_not_ask_for_is_told_first() {
    for (status, held) in [(Status::Paused, 2), (Status::Disabled, 0)] {
        let mut bench = Bench::new("ALL");
        bench.event(&email("a@x"));
        bench.status("a", status, Some(20_000));
        let told = Item { seq: bench.state.seq(), index: 0 };
        assert_eq!(bench.state.life(bench.no("a")).status, Status::Enabled, "by status it goes on");
        assert_eq!(bench.flow("a"), Flow::Only(told));
        bench.event(&email("a@x"));
        let want = format!(r#"{{"status":"{}","reason":"drill"}}"#, status.as_str());
        assert!(bench.owed("a").contains(&("stream-updated".into(), want)));
        bench.end("a", told);
        assert_eq!((bench.state.life(bench.no("a")).status, bench.flow("a")), (status, Flow::Shut));
        assert_eq!(bench.owed("a").len(), held);
        bench.status("a", Status::Enabled, Some(20_000));
        assert_eq!(bench.owed("a").len(), held + 1, "told upon re-enabling");
        assert_eq!(bench.flow("a"), Flow::Open);
    }
}

#[test]
fn who_goes_on_after_all_is_told_behind_what_was_announced() {
    for announce_ms in [None, Some(20_000)] {
        let mut bench = Bench::new("ALL");
        bench.status("a", Status::Paused, Some(20_000));
        let announced = Item { seq: bench.state.seq(), index: 0 };
        bench.status("a", Status::Enabled, announce_ms);
        let said: Vec<String> = bench.owed("a").into_iter().map(|(_, event)| event).collect();
        let word = |status| format!(r#"{{"status":"{status}","reason":"drill"}}"#);
        assert_eq!(said, [word("paused"), word("enabled")]);
        bench.end("a", announced);
        assert_eq!((bench.state.life(bench.no("a")).status, bench.flow("a")), (Status::Enabled, Flow::Open));
        bench.status("a", Status::Enabled, announce_ms);
        assert_eq!(bench.owed("a").len(), 1, "nothing changes: nothing is told");
    }
}

#[test]
fn a_receiver_that_cannot_be_told_is_stopped_when_its_time_is_up() {
    let mut bench = Bench::new("ALL");
    bench.status("a", Status::Paused, Some(20_000));
    bench.now_ms += 19_999;
    bench.fold(Body::Tick);
    assert!(matches!(bench.flow("a"), Flow::Only(_)));
    bench.now_ms += 1;
    bench.fold(Body::Tick);
    assert_eq!(bench.flow("a"), Flow::Shut);
    assert!(bench.owed("a").is_empty(), "the event is given up: nothing is sent while the status is paused");
    // What the receiver asks for overtakes what the hub was about to do.
    bench.status("b", Status::Disabled, Some(20_000));
    bench.status("b", Status::Paused, None);
    bench.now_ms += 60_000;
    bench.fold(Body::Tick);
    assert_eq!(bench.state.life(bench.no("b")).status, Status::Paused);
}

#[test]
fn verification_goes_to_its_stream_whatever_it_wants() {
    let mut bench = Bench::new("NONE");
    let ask = |bench: &mut Bench, state: Option<&str>| {
        let stream = bench.no("a");
        let control = Control { stream, by: "c".into(), state: state.map(Into::into), txn: "txn".into() };
        bench.fold(Body::Control(control));
    };
    ask(&mut bench, Some("ünï\"\\"));
    ask(&mut bench, None);
    let said: Vec<_> = bench.owed("a").into_iter().map(|(_, event)| event).collect();
    assert_eq!(said, [r#"{"state":"ünï\"\\"}"#, "{}"]);
    assert!(bench.owed("b").is_empty());
    bench.status("a", Status::Disabled, None);
    ask(&mut bench, None);
    assert!(bench.owed("a").is_empty());
}

#[test]
fn subjects_are_in_or_out_of_one_stream() {
    let (x, y) = (email("a@x"), email("b@y"));
    let mut none = Bench::new("NONE");
    assert!(none.event(&x).is_empty());
    none.subject("a", true, &x, 0);
    assert_eq!((none.event(&x), none.event(&y)), (vec!["a".to_string()], vec![]));
    none.subject("a", false, &x, 0);
    assert!(none.event(&x).is_empty());

    let mut all = Bench::new("ALL");
    all.subject("a", false, &x, 0);
    assert_eq!((all.event(&x), all.event(&y).len()), (vec!["b".to_string()], 2));
    all.subject("a", true, &x, 0);
    assert_eq!(all.event(&x).len(), 2);
    let user = json!({"format": "complex", "user": x});
    all.subject("b", false, &user, 0);
    let session = json!({"format": "complex", "user": x, "session": {"format": "opaque", "id": "s"}});
    assert_eq!(all.event(&session), ["a"], "who was removed is out with all that is his");
}

#[test]
fn a_removed_subject_leaves_after_its_grace() {
    for default in ["NONE", "ALL"] {
        let mut bench = Bench::new(default);
        let x = email("a@x");
        bench.subject("a", true, &x, 0);
        bench.subject("a", false, &x, 60_000);
        assert!(bench.event(&x).contains(&"a".to_string()), "{default}");
        // Added again: that grace is over; removed again: a new one begins.
        bench.now_ms += 30_000;
        bench.subject("a", true, &x, 0);
        bench.subject("a", false, &x, 60_000);
        bench.now_ms += 40_000;
        assert!(bench.event(&x).contains(&"a".to_string()), "{default}");
        bench.now_ms += 20_000;
        assert!(!bench.event(&x).contains(&"a".to_string()), "{default}");
    }
}

#[test]
fn a_stream_that_goes_takes_all_of_it_along() {
    let mut bench = Bench::new("NONE");
    let empty = bench.state.subjects.is_empty();
    bench.subject("a", true, &email("a@x"), 0);
    bench.subject("a", true, &json!({"format": "complex", "user": email("a@x")}), 0);
    bench.status("a", Status::Paused, None);
    let no = bench.no("a");
    bench.fold(Body::Remove { kind: ObjectKind::Stream, id: "a".into(), by: "c".into() });
    assert!(empty && bench.state.subjects.is_empty());
    assert_eq!(bench.state.life(no), Life::default());
    assert_eq!(bench.state.seq(), Seq(6));
}

/// What many subjects leave behind is never found, and is the same after a restart in the middle of it.
#[test]
fn many_subjects_go_with_the_entries_that_follow() {
    for removed in [true, false] {
        let mut bench = Bench::new("NONE");
        let who = |n: usize| match n % 2 {
            0 => email(&format!("{n}@x")),
            _ => json!({"format": "complex", "user": email(&format!("{n}@x")), "tenant": email("t@x")}),
        };
        for n in 0..200 {
            bench.subject("a", true, &who(n), 0);
        }
        bench.subject("b", true, &who(1), 0);
        let stream = |default: &str| {
            serde_json::from_value(json!({"stream": {
                "stream_id": "a", "client": "c", "method": "poll", "aud": ["a"], "events_requested": ["*"],
                "default_subjects": default,
            }}))
            .unwrap()
        };
        bench.fold(if removed {
            Body::Remove { kind: ObjectKind::Stream, id: "a".into(), by: "c".into() }
        } else {
            Body::Put { object: stream("ALL"), by: "o".into() }
        });
        let want = if removed { vec!["b"] } else { vec!["a", "b"] };
        let rows = |bench: &Bench| {
            let mut rows = vec![];
            bench.state.dump(&mut rows);
            rows
        };
        let mut counts = vec![];
        for _ in 0..12 {
            assert_eq!(bench.event(&who(1)), want);
            let mut again = State::new(TenantId::default_tenant());
            rows(&bench).iter().for_each(|(key, value)| again.load(key, value).unwrap());
            again.reindex();
            let entry = Stamped { seq: bench.state.seq().next(), time_ms: bench.now_ms, body: Body::Tick };
            again.apply(&entry);
            bench.fold(Body::Tick);
            assert_eq!(again.digest(), bench.state.digest());
            counts.push(rows(&bench).iter().filter(|(key, _)| [31, 41].contains(&key[0])).count());
        }
        assert!(counts[0] > 50 && counts[11] == 1, "{counts:?}");
        if !removed {
            bench.subject("a", false, &who(1), 0);
            assert_eq!(
                (bench.event(&who(1)), bench.state.subject_count(bench.no("a"))),
                (vec!["b".into()], 1)
            );
        }
    }
}
