//! The fact or the signal first: the same stops (DESIGN 10; NEED-10, NEED-11, NEED-29).

use super::super::sample::{Bench, CAEP, NOW_MS};
use crate::lineage::alias::Alias;
use crate::lineage::sample::{IDP, alias, edge, run, token};
use crate::revocation::record::Effect;

const LATER: i64 = NOW_MS + 60_000;
const S1: &str = r#"{"format":"complex","user":{"format":"iss_sub","iss":"https://idp.example","sub":"alice"},"session":{"format":"opaque","id":"s1"}}"#;

fn email() -> Alias {
    Alias::new("email", "", "alice@x.example")
}

fn alice() -> Alias {
    Alias::new("iss_sub", IDP, "alice")
}

/// One step of a story.
enum Step {
    Fact(String),
    Kill(Alias),
    Signal(&'static str, &'static str),
}
use Step::{Fact, Kill, Signal};

/// Takes the steps; how many runs and tokens were said to be born revoked.
fn told(steps: impl IntoIterator<Item = Step>) -> (Bench, u32) {
    let (mut bench, mut born) = (Bench::new(""), 0);
    for step in steps {
        match step {
            Fact(json) => {
                let decided = bench.fact(&json).filter(|d| !d.records.is_empty());
                if let Some(decision) = decided {
                    assert_eq!(decision.reason_code, "born_revoked", "{json}");
                    born += 1;
                }
            }
            Kill(alias) => assert!(bench.kill(&alias).is_some()),
            Signal(event, sub_id) => {
                bench.signal(&format!("{CAEP}session-revoked"), event, sub_id, None).unwrap();
            }
        }
    }
    (bench, born)
}

#[test]
fn a_run_told_of_after_its_stop_is_born_revoked() {
    let s1 = alias("session", IDP, "s1");
    let unattended = || run("r", "bot", &format!(r#","session":{s1},"interactive":false"#));
    let attended = || run("r", "bot", &format!(r#","session":{s1}"#));
    let bots = || run("r", "bot", "");
    let hers = || run("r", "bot", &format!(r#","on_behalf_of":{}"#, alias("iss_sub", IDP, "alice")));
    let admin = || Signal(r#"{"initiating_entity":"admin"}"#, S1);
    let user = || Signal(r#"{"initiating_entity":"user"}"#, S1);
    let bot = || Kill(Alias::new("agent", "", "bot"));
    // The stop, the run; whether its token is refused.
    let cases: Vec<(&str, Vec<Step>, String, bool)> = vec![
        ("an admin ended the session", vec![admin()], unattended(), true),
        ("an admin ended the session", vec![admin()], attended(), true),
        ("a person logged out", vec![user()], unattended(), false),
        ("a person logged out", vec![user()], attended(), true),
        ("both, the person first", vec![user(), admin()], unattended(), true),
        ("both, the admin first", vec![admin(), user()], unattended(), true),
        ("the agent was killed", vec![bot()], bots(), true),
        ("the run itself was killed", vec![Kill(Alias::new("run", "", "r"))], bots(), true),
        ("the person was killed", vec![Kill(alice())], hers(), true),
        ("another person was killed", vec![Kill(email())], hers(), false),
    ];
    for (what, stops, run, refused) in cases {
        let steps = stops.into_iter().chain([Fact(run.clone()), Fact(token("t", "r"))]);
        let (bench, born) = told(steps);
        assert_eq!(bench.gate("t", LATER).is_some(), refused, "{what}: {run}");
        assert_eq!(born > 0, refused, "{what}: {run}");
    }
    // As in the other order.
    for (stop, run, refused) in [(admin(), unattended(), true), (user(), unattended(), false)] {
        let (bench, _) = told([Fact(run), Fact(token("t", "r")), stop]);
        assert_eq!(bench.gate("t", LATER).is_some(), refused);
    }
}

#[test]
fn what_was_told_of_below_a_run_before_it_is_stopped_with_it() {
    let (mut bench, _) = told([
        Fact(run("child", "helper", r#","parent":"r""#)),
        Fact(token("t", "child")),
        Kill(Alias::new("agent", "", "bot")),
    ]);
    assert_eq!(bench.gate("t", LATER), None);
    let decision = bench.fact(&run("r", "bot", "")).unwrap();
    assert_eq!((decision.touched.runs, decision.touched.tokens), (2, 1));
    assert_eq!(decision.derived.len(), 2, "both runs are told of");
    assert_eq!(bench.gate("t", LATER), Some(Effect::Deny));
    // Told of once: another fact about the agent finds that all stands.
    assert!(bench.fact(&edge("may_use", &alias("agent", "", "bot"), &alias("tool", "", "x"))).is_none());
    assert!(bench.fact(r#"{"fact":"agent","id":"bot","owner":"ops"}"#).is_none());
    // What is lifted comes back whole.
    bench.now_ms += 1000;
    bench.lift(&Alias::new("agent", "", "bot")).unwrap();
    assert_eq!(bench.gate("t", LATER), None);
    assert_eq!(bench.gate("t", NOW_MS), Some(Effect::Deny), "old tokens stay dead");
}

#[test]
fn what_stands_under_one_name_stands_under_all() {
    let human = format!(
        r#"{{"fact":"agent","id":"x","class":"human","aliases":[{},{}]}}"#,
        alias("iss_sub", IDP, "alice"),
        alias("email", "", "alice@x.example")
    );
    let same = || edge("alias_of", &alias("iss_sub", IDP, "alice"), &alias("email", "", "alice@x.example"));
    let hers = run("r", "bot", &format!(r#","on_behalf_of":{}"#, alias("iss_sub", IDP, "alice")));
    for fact in [human.clone(), same()] {
        let (bench, born) =
            told([Kill(email()), Fact(hers.clone()), Fact(token("t", "r")), Fact(fact.clone())]);
        assert!(born > 0, "{fact}");
        for kind in ["user", "on_behalf_of"] {
            assert!(bench.carries(&alice(), LATER).contains(&kind), "{fact}");
        }
        assert_eq!(bench.gate("t", LATER), Some(Effect::Deny), "{fact}");
        // Any of her names lifts it.
        let mut bench = bench;
        bench.now_ms += 1000;
        bench.lift(&alice()).unwrap();
        for name in [alice(), email()] {
            assert!(bench.carries(&name, LATER).is_empty(), "{fact}");
        }
        assert_eq!(bench.gate("t", LATER), None, "{fact}");
    }
    // A watermark too, each kind for itself: who logged out leaves what acts for her.
    let plain = r#"{"format":"email","email":"alice@x.example"}"#;
    for (event, kinds) in [
        (r#"{"initiating_entity":"user"}"#, vec!["user"]),
        (r#"{"initiating_entity":"admin"}"#, vec!["user", "on_behalf_of"]),
    ] {
        let (bench, _) = told([Signal(event, plain), Fact(human.clone())]);
        assert_eq!(bench.carries(&alice(), NOW_MS), kinds, "{event}");
        assert!(bench.carries(&alice(), LATER).is_empty(), "{event}");
    }
}
