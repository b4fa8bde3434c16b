//! Facts that are taken, refused, said again, told in any order, and come back as rows.

use super::super::sample::{IDP, Told, alias, company, edge, run, token};
use super::*;
use crate::lineage::graph::Limits;
use crate::rows::Tables as _;

#[test]
fn what_is_refused_changes_nothing() {
    let me = |a: &str| format!(r#"{{"fact":"agent","id":"new","aliases":[{a}]}}"#);
    let held = |a: &str| Conflict::AliasHeldByOther { alias: a.into() };
    let classes = |a: &str| Conflict::TwoClasses { alias: a.into() };
    let session = alias("session", IDP, "s1");
    let cases: Vec<(&str, String, Conflict)> = vec![
        ("other", me(&alias("client", "https://as", "bot")), held("client:bot")),
        ("other", me(&alias("email", "", "alice@example.com")), held("email:alice@example.com")),
        ("broker", me(&alias("iss_sub", IDP, "alice")), classes("iss_sub:alice")),
        ("broker", me(&session), classes("session:s1")),
        ("broker", me(&alias("agent", "", "bot")), Conflict::TwoPrincipals { alias: "agent:bot".into() }),
        ("other", r#"{"fact":"agent","id":"bot"}"#.into(), Conflict::NotYours),
        ("broker", r#"{"fact":"agent","id":"bot","class":"workload"}"#.into(), classes("agent:bot")),
        ("other", run("day", "bot", ""), Conflict::NotYours),
        ("broker", run("day", "helper", ""), Conflict::Exists("run")),
        (
            "broker",
            run("x", "bot", &format!(r#","session":{}"#, alias("device", IDP, "laptop"))),
            classes("device:laptop"),
        ),
        (
            "broker",
            run("x", "bot", r#","on_behalf_of":{"kind":"agent","value":"bot"}"#),
            classes("agent:bot"),
        ),
        ("broker", token("t-day", "night"), Conflict::Exists("token")),
        ("other", token("t-day", "day"), Conflict::NotYours),
        ("other", r#"{"fact":"complete","target":{"kind":"run","value":"day"}}"#.into(), Conflict::NotYours),
        ("broker", r#"{"fact":"complete","target":{"kind":"run","value":"no"}}"#.into(), Conflict::Unknown),
        (
            "other",
            edge("alias_of", &alias("agent", "", "bot"), &alias("client", "i", "c")),
            Conflict::NotYours,
        ),
        ("broker", edge("alias_of", &alias("agent", "", "bot"), &session), classes("session:s1")),
        ("broker", edge("session_of", &session, &alias("agent", "", "bot")), classes("agent:bot")),
    ];
    for (source, json, want) in cases {
        let mut told = company();
        let rows = |told: &Told| {
            let mut out = vec![];
            told.graph.dump(&mut out);
            out
        };
        let before = rows(&told);
        assert_eq!(told.by(source, &json), Err(want), "{source}: {json}");
        assert!(rows(&told) == before);
    }
}

#[test]
fn the_same_again_says_nothing_new() {
    let mut told = company();
    let s1 = alias("session", IDP, "s1");
    let alice = alias("iss_sub", IDP, "alice");
    for again in [
        token("t-sub", "sub"),
        run("day", "bot", &format!(r#","session":{s1},"on_behalf_of":{alice}"#)),
        run("sub", "helper", r#","parent":"day""#),
        edge("session_of", &s1, &alice),
        edge("alias_of", &alice, &alias("email", "", "ALICE@example.com")),
        r#"{"fact":"agent","id":"helper"}"#.into(),
    ] {
        let folded = told.tell(&again);
        assert!(!folded.changed && folded.relinked.is_empty(), "{again}");
    }
    assert!(told.tell(r#"{"fact":"agent","id":"helper","owner":"ops"}"#).changed);
}

#[test]
fn any_order_gives_the_same_links() {
    let facts = [
        r#"{"fact":"agent","id":"a","class":"automation"}"#.to_string(),
        run("root", "a", ""),
        run("child", "a", r#","parent":"root""#),
        run("grandchild", "a", r#","parent":"child""#),
        token("t", "grandchild"),
    ];
    let mut told = Told::new();
    for fact in facts.iter().rev() {
        told.tell(fact);
    }
    let t = told.id("jti", "https://as", "t");
    let above: Vec<String> =
        told.graph.ancestors(t).iter().map(|id| told.graph.node(*id).unwrap().name.value.clone()).collect();
    assert_eq!(above, ["grandchild", "a", "child", "root"]);
    assert_eq!(told.graph.node(told.id("agent", "", "a")).unwrap().class, Class::Automation);
    assert_eq!(told.by("broker", &run("x", "a", r#","parent":"x2""#)).map(|f| f.changed), Ok(true));
    assert_eq!(told.by("broker", &run("x2", "a", r#","parent":"x""#)), Err(Conflict::Cycle));
}

#[test]
fn a_child_ends_no_later_than_its_parent_whoever_is_told_first() {
    let mut told = Told::new();
    let child = run("c", "a", r#","parent":"p""#);
    let late = told.tell(&child);
    assert_eq!(late.deadlines, [(told.run("c"), 1_700_003_600_000)]);
    let parent = run("p", "a", "").replace("1700003600", "1700000060");
    let folded = told.tell(&parent);
    assert_eq!(folded.deadlines, [(told.run("p"), 1_700_000_060_000), (told.run("c"), 1_700_000_060_000)]);
    assert!(!told.tell(&child).changed);
}

#[test]
fn limits_are_told_and_the_fold_does_not_depend_on_them() {
    let mut told = Told::new();
    told.graph.limits = Limits { children_per_run: 2, depth: 4, aliases_per_node: 2, ..Limits::default() };
    told.tell(&run("p", "a", ""));
    for n in 0..2 {
        told.tell(&run(&format!("c{n}"), "a", r#","parent":"p""#));
    }
    let third = run("c2", "a", r#","parent":"p""#);
    assert_eq!(told.by("broker", &third), Err(Conflict::FanOut("children of one run")));
    let fact = serde_json::from_str::<Fact>(&third).unwrap();
    assert!(told.graph.fold(Seq(99), 0, "broker", &fact, &[]).unwrap().changed);
    told.tell(&run("d", "a", r#","parent":"c0""#));
    told.tell(&run("e", "a", r#","parent":"d""#));
    assert!(matches!(told.by("broker", &run("f", "a", r#","parent":"e""#)), Err(Conflict::FanOut(_))));
    let names = format!(
        r#"{{"fact":"agent","id":"b","aliases":[{},{}]}}"#,
        alias("client", "i", "1"),
        alias("client", "i", "2")
    );
    assert!(matches!(told.by("broker", &names), Err(Conflict::FanOut(_))));
}

#[test]
fn names_of_a_mentioned_one_go_up_in_the_registered_one() {
    let mut told = Told::new();
    let client = alias("client", "https://as", "bot");
    told.tell(&format!(r#"{{"fact":"run","id":"r","agent":{client},"deadline":1700003600}}"#));
    let folded = told.tell(&format!(r#"{{"fact":"agent","id":"bot","aliases":[{client}]}}"#));
    let bot = told.id("agent", "", "bot");
    assert_eq!((told.id("client", "https://as", "bot"), folded.node), (bot, Some(bot)));
    assert_eq!(told.graph.above_by(told.run("r"), LinkKind::RunOf).collect::<Vec<_>>(), [bot]);
    let two = edge("alias_of", &alias("iss_sub", IDP, "bob"), &alias("email", "", "bob@x.example"));
    told.tell(&edge("session_of", &alias("session", IDP, "s"), &alias("email", "", "bob@x.example")));
    told.tell(&two);
    let bob = told.id("iss_sub", IDP, "bob");
    assert_eq!(told.id("email", "", "bob@x.example"), bob);
    assert_eq!(told.graph.above_by(told.id("session", IDP, "s"), LinkKind::SessionOf).next(), Some(bob));
    assert_eq!(told.graph.named(bob).len(), 2);
}

#[test]
fn rows_come_back_with_the_same_indexes() {
    let told = company();
    let (mut rows, mut back) = (vec![], Graph::default());
    told.graph.dump(&mut rows);
    for (key, value) in &rows {
        assert!(back.load(key, value).unwrap());
    }
    back.pack();
    back.reindex();
    let mut again = vec![];
    back.dump(&mut again);
    assert!(rows == again);
    for (id, _) in told.graph.nodes() {
        assert_eq!(told.graph.named(id), back.named(id));
        assert_eq!(told.graph.ancestors(id), back.ancestors(id));
        assert_eq!(told.graph.below(id).collect::<Vec<_>>(), back.below(id).collect::<Vec<_>>());
    }
}
