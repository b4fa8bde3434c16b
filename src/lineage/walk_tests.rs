//! What is reached from whom; cycles; a hundred thousand below.

use super::super::node::{Link, Validity};
use super::super::sample::{IDP, Told, company, run, token};
use super::*;

fn names(runs: &[Run]) -> Vec<&str> {
    runs.iter().map(|run| run.name.alias.value.as_str()).collect()
}

#[test]
fn what_is_reached() {
    let sessions = |unattended, unbound| Reach::Sessions { unattended, unbound };
    let s1 = ("session", IDP, "s1", Class::Session);
    let laptop = ("device", IDP, "laptop", Class::Device);
    let alice = ("iss_sub", IDP, "alice", Class::Human);
    let cases: [(_, _, &[&str]); 9] = [
        (s1, sessions(false, false), &["day", "sub"]),
        (s1, sessions(true, false), &["day", "batch", "sub"]),
        (s1, sessions(true, true), &["night", "day", "batch", "sub"]),
        (laptop, sessions(false, false), &["day", "sub"]),
        (laptop, Reach::Everything, &["day", "batch", "sub"]),
        (alice, Reach::Everything, &["day", "night", "batch", "sub"]),
        (alice, Reach::Nothing, &[]),
        (("agent", "", "helper", Class::Agent), Reach::Everything, &["sub"]),
        (("run", "", "day", Class::Run), Reach::Everything, &["day", "sub"]),
    ];
    let told = company();
    for ((kind, iss, value, class), reach, want) in cases {
        let resolved = Resolved::to(told.id(kind, iss, value), class);
        let got = affected(&told.graph, &resolved, reach, Bounds::default());
        assert_eq!(names(&got.runs), want, "{value} {reach:?}");
        assert!(!got.truncated);
        assert_eq!(got, affected(&told.graph, &resolved, reach, Bounds::default()));
    }
}

#[test]
fn a_cycle_ends() {
    let mut told = company();
    let validity = Validity { valid_from_ms: 0, valid_to_ms: None, source: "".into() };
    let link = Link { above: told.run("sub"), kind: LinkKind::Spawned, below: told.run("day") };
    told.graph.put_link(link, validity);
    let resolved = Resolved::to(told.run("day"), Class::Run);
    assert_eq!(affected(&told.graph, &resolved, Reach::Everything, Bounds::default()).runs.len(), 2);
    assert!(
        told.graph.ancestors(told.run("day")).len() < 10 && told.graph.is_dead(told.run("day")).is_none()
    );
    assert!(["day", "sub"].map(|id| told.run(id)).contains(&told.graph.root_of(told.run("day"))));
    assert_eq!(told.graph.user_of(told.run("sub")), Some(told.id("iss_sub", IDP, "alice")));
    assert_eq!(told.graph.runs_and_tokens_at(&[told.run("day")], 100).0.len(), 4);
}

#[test]
fn a_hundred_thousand_below_are_bounded_and_said() {
    let mut told = Told::new();
    told.tell(&run("root", "a", ""));
    told.tell(&run("mid", "a", r#","parent":"root""#));
    for n in 0..100_500 {
        told.tell(&token(&n.to_string(), "mid"));
    }
    let resolved = Resolved::to(told.run("mid"), Class::Run);
    let got = affected(&told.graph, &resolved, Reach::Everything, Bounds::default());
    assert!(got.truncated);
    assert_eq!((got.tokens.len(), got.runs.len()), (99_999, 1));
    assert_eq!(got.residual[0].alias.value, "mid");
    // Nothing wider than the root run is suspended for it.
    assert_eq!(got.suspend.iter().map(|n| n.alias.value.as_str()).collect::<Vec<_>>(), ["root"]);
    for bounds in [Bounds { fan_out: 10, ..Bounds::default() }, Bounds { depth: 0, ..Bounds::default() }] {
        let got = affected(&told.graph, &resolved, Reach::Everything, bounds);
        assert!(got.truncated && got.tokens.len() <= 10);
    }
    assert!(!told.graph.runs_and_tokens_at(&[told.run("root")], 50).1);
}
