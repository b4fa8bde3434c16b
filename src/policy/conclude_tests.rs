//! From an event to who must stop, at a gate that looks up what stands.

use super::super::sample::{CAEP, NOW_MS, RISC, World, context};
use super::*;
use crate::lineage::alias::Alias;
use crate::lineage::sample::{IDP, T0_MS, Told, alias, company, edge, run, token};
use crate::lineage::subject::Resolved;

const S1: &str = r#""session":{"format":"opaque","id":"s1"}"#;
const ALICE: &str = r#""user":{"format":"iss_sub","iss":"https://idp.example","sub":"alice"}"#;
const ADMIN: &str = r#"{"initiating_entity":"admin"}"#;
const PLAIN_ALICE: &str = r#"{"format":"email","email":"alice@example.com"}"#;

fn complex(parts: &[&str]) -> String {
    format!(r#"{{"format":"complex",{}}}"#, parts.join(","))
}

#[test]
fn who_must_stop() {
    let unfit = r#"{"previous_status":"compliant","current_status":"not-compliant"}"#;
    let laptop = r#""device":{"format":"opaque","id":"laptop"}"#;
    let bot = r#""application":{"format":"iss_sub","iss":"https://as","sub":"bot"}"#;
    let jwt = |jti: &str| format!(r#"{{"format":"jwt_id","iss":"https://as","jti":"{jti}"}}"#);
    let opaque =
        |member: &str, id: &str| complex(&[&format!(r#""{member}":{{"format":"opaque","id":"{id}"}}"#)]);
    let revoked = format!("{CAEP}session-revoked");
    // Event, object, subject; then day, sub, night, batch at the gate, and how many runs are told of.
    let cases: Vec<(String, &str, String, &str, usize)> = vec![
        // An ordinary logout leaves the night shift and what nobody sits at.
        (revoked.clone(), "{}", complex(&[ALICE, S1]), "DD--", 2),
        (revoked.clone(), "{}", r#"{"format":"opaque","id":"s1"}"#.into(), "DD--", 2),
        (revoked.clone(), r#"{"initiating_entity":"user"}"#, complex(&[ALICE]), "----", 0),
        // An administrator ends all of the session, and what has no session.
        (revoked.clone(), ADMIN, complex(&[ALICE, S1]), "DDDD", 4),
        (revoked.clone(), ADMIN, complex(&[ALICE]), "DDDD", 5),
        (revoked.clone(), "{}", PLAIN_ALICE.into(), "DDDD", 5),
        (format!("{RISC}sessions-revoked"), "{}", PLAIN_ALICE.into(), "DDDD", 5),
        // RISC means all sessions, whatever it names.
        (format!("{RISC}sessions-revoked"), "{}", r#"{"format":"opaque","id":"s1"}"#.into(), "DDDD", 4),
        // Runs, tokens, agents, devices, tools.
        (revoked.clone(), "{}", opaque("run", "day"), "DD--", 2),
        (revoked.clone(), "{}", opaque("run", "sub"), "-D--", 1),
        (revoked.clone(), "{}", jwt("t-night"), "--D-", 1),
        (revoked.clone(), "{}", opaque("agent", "helper"), "-D--", 1),
        (revoked.clone(), ADMIN, complex(&[bot]), "DDDD", 4),
        (revoked.clone(), ADMIN, complex(&[bot, ALICE]), "DDDD", 4),
        (revoked.clone(), ADMIN, complex(&[laptop]), "DD-D", 4),
        (revoked.clone(), ADMIN, opaque("tool", "https://tool"), "----", 0),
        (format!("{CAEP}device-compliance-change"), unfit, complex(&[laptop]), "SS-S", 4),
        (format!("{CAEP}device-compliance-change"), unfit, complex(&[laptop, ALICE]), "SS-S", 4),
        (
            format!("{CAEP}credential-change"),
            r#"{"credential_type":"pin","change_type":"revoke"}"#,
            PLAIN_ALICE.into(),
            "DDDD",
            0,
        ),
        (format!("{CAEP}token-claims-change"), r#"{"claims":{"role":"x"}}"#, complex(&[ALICE]), "SSSS", 0),
        (
            format!("{RISC}credential-compromise"),
            r#"{"credential_type":"password"}"#,
            PLAIN_ALICE.into(),
            "DDDD",
            5,
        ),
        (format!("{RISC}account-disabled"), "{}", PLAIN_ALICE.into(), "DDDD", 5),
        (format!("{RISC}account-disabled"), r#"{"reason":"hijacking"}"#, PLAIN_ALICE.into(), "DDDD", 5),
        (format!("{RISC}account-purged"), "{}", PLAIN_ALICE.into(), "DDDD", 5),
        (format!("{RISC}account-credential-change-required"), "{}", PLAIN_ALICE.into(), "SSSS", 0),
    ];
    for (uri, json, subject, gates, derived) in cases {
        let mut world = World::new(company());
        let out = world.signal(&uri, json, &subject, false).unwrap();
        assert_eq!(world.gates(), gates, "{uri} {json} {subject}");
        assert_eq!(out.derived.len(), derived, "{uri} {json} {subject}: {:?}", out.path);
        let again = world.signal(&uri, json, &subject, false).unwrap();
        assert!(!again.changes(|key| world.at(key)), "{uri} {json} {subject}");
        assert_eq!(again.derived.len(), 0, "{uri} {json} {subject}");
    }
}

#[test]
fn every_session_by_an_admin_whatever_the_event_says() {
    let mut world = World::new(company());
    let json = r#"{"initiating_entity":"user"}"#;
    let all = complex(&[ALICE, r#""session":{"format":"opaque","id":"ALL"}"#]);
    world.signal(&format!("{CAEP}session-revoked"), json, &all, true).unwrap();
    assert_eq!(world.gates(), "DDDD");
}

#[test]
fn an_empty_graph_stops_the_user_and_the_narrowest_key_is_used() {
    let revoked = format!("{CAEP}session-revoked");
    let (alice, s1) = (Alias::new("iss_sub", IDP, "alice"), Alias::new("session", IDP, "s1"));
    let mut world = World::new(Told::new());
    let out = world.signal(&revoked, ADMIN, &complex(&[ALICE]), false).unwrap();
    assert_eq!(world.carries(&alice, NOW_MS + 2_000), ["user", "on_behalf_of"]);
    assert!(world.carries(&alice, NOW_MS + 2_001).is_empty());
    assert_eq!(out.records[0].expires_at, Some(NOW_MS + 2_000 + 86_400_000 + 2_000));

    let mut world = World::new(Told::new());
    world.signal(&revoked, "{}", &complex(&[ALICE, S1]), false).unwrap();
    assert!(world.carries(&alice, T0_MS).is_empty());
    assert_eq!(world.carries(&s1, i64::MAX), ["session"]);

    let mut world = World::new(Told::new());
    world.signal(&revoked, r#"{"initiating_entity":"user"}"#, &complex(&[ALICE]), false).unwrap();
    assert_eq!(world.carries(&alice, T0_MS), ["user"]);
}

#[test]
fn a_recycled_identifier_is_closed_at_the_time_of_the_event_and_alone() {
    let mut world = World::new(company());
    world.signal(&format!("{RISC}identifier-recycled"), "{}", PLAIN_ALICE, false).unwrap();
    let email = Alias::new("email", "", "alice@example.com");
    assert_eq!(world.carries(&email, NOW_MS - 5_000), ["user", "on_behalf_of"]);
    assert!(world.carries(&email, NOW_MS - 4_999).is_empty());
    assert!(world.carries(&Alias::new("iss_sub", IDP, "alice"), T0_MS).is_empty());
    assert!(world.told.graph.is_dead(world.told.run("night")).is_none());
}

#[test]
fn what_goes_out_for_a_session_that_ends_with_something_wider() {
    let mut world = World::new(company());
    let out = world.signal(&format!("{CAEP}session-revoked"), ADMIN, &complex(&[ALICE]), false).unwrap();
    assert_eq!(
        out.derived[0].sub_id.get(),
        r#"{"format":"complex","user":{"format":"iss_sub","iss":"https://idp.example","sub":"alice"},"session":{"format":"opaque","id":"s1"}}"#
    );
    // Named by the signal itself, it is told of by that.
    let mut world = World::new(company());
    let out = world.signal(&format!("{CAEP}session-revoked"), ADMIN, &complex(&[ALICE, S1]), false).unwrap();
    assert!(out.derived.iter().all(|d| d.sub_id.get().contains("\"run\"")));
}

#[test]
fn what_goes_out_for_a_run() {
    let mut world = World::new(company());
    let out = world.signal(&format!("{CAEP}session-revoked"), "{}", &complex(&[S1]), false).unwrap();
    assert_eq!(
        out.derived[0].sub_id.get(),
        r#"{"format":"complex","session":{"format":"opaque","id":"day"},"run":{"format":"opaque","id":"day"},"application":{"format":"iss_sub","iss":"https://as","sub":"bot"},"user":{"format":"iss_sub","iss":"https://idp.example","sub":"alice"},"tenant":{"format":"opaque","id":"default"}}"#
    );
    assert_eq!(
        out.derived[0].event.get(),
        r#"{"event_timestamp":1700000060,"initiating_entity":"policy","reason_admin":{"en":"The user logged out of the session"}}"#
    );
    assert_eq!((out.runs, out.tokens), (2, 2));
    assert_eq!(out.path[0], "session s1");
    assert!(out.path.contains(&"run day --spawned--> run sub".to_string()));
    // One record on the session, one each on `run` and `root_run` of the root; none on what is below it.
    assert_eq!(out.records.len(), 3);
}

#[test]
fn kill_complete_deadline() {
    type Case = (Stop, (&'static str, &'static str, &'static str), Class, &'static str);
    let cases: [Case; 6] = [
        (Stop::kill(), ("run", "", "day"), Class::Run, "DD--"),
        (Stop::kill(), ("agent", "", "bot"), Class::Agent, "DDDD"),
        (Stop::kill(), ("iss_sub", IDP, "alice"), Class::Human, "DDDD"),
        (Stop::complete(false), ("run", "", "sub"), Class::Run, "-D--"),
        (Stop::complete(true), ("agent", "", "helper"), Class::Agent, "-D--"),
        (Stop::deadline(), ("run", "", "day"), Class::Run, "DD--"),
    ];
    for (stop, (kind, iss, value), class, gates) in cases {
        let mut world = World::new(company());
        let id = world.told.id(kind, iss, value);
        let out = world.act(&stop, id, class);
        assert_eq!(world.gates(), gates, "{} {value}", stop.reason.code());
        let forever = out.records.iter().filter(|record| record.expires_at.is_none()).count();
        assert_eq!(forever > 0, stop.basis == Basis::Killed);
        assert!(!world.stop(&stop, &[], &Resolved::to(id, class)).changes(|key| world.at(key)));
    }
}

#[test]
fn a_run_in_the_middle_is_stopped_with_all_below_by_their_own_keys() {
    let mut told = company();
    told.tell(&run("deep", "helper", r#","parent":"sub""#));
    let mut world = World::new(told);
    let out = world.act(&Stop::kill(), world.told.run("sub"), Class::Run);
    assert_eq!(out.records.iter().map(|r| r.kind).collect::<Vec<_>>(), [Kind::Run, Kind::Run]);
    assert_eq!(out.ends.len(), 1);
}

#[test]
fn born_revoked() {
    let mut world = World::new(company());
    world.signal(&format!("{CAEP}session-revoked"), "{}", &complex(&[S1]), false).unwrap();
    world.told.tell(&token("late", "sub"));
    let s1 = alias("session", IDP, "s1");
    world.told.tell(&run("after", "helper", &format!(r#","session":{s1}"#)));
    world.told.tell(&token("t-after", "after"));
    for (id, derived) in [(world.told.id("jti", "https://as", "late"), 0), (world.told.run("after"), 1)] {
        let out = world.born(id);
        assert!(!out.records.is_empty() && out.records.iter().all(|r| r.reason_code == "born_revoked"));
        assert_eq!(out.derived.len(), derived);
        assert_eq!(out.ends, [(id, How::Revoked)]);
    }
    assert_eq!((world.gate("late"), world.gate("t-after")), (Some(Effect::Deny), Some(Effect::Deny)));
    assert!(!world.born(world.told.run("night")).changes(|_| &[]));
}

#[test]
fn much_is_bounded_and_counted() {
    let mut told = Told::new();
    for n in 0..1_500 {
        told.tell(&run(&n.to_string(), "a", &format!(r#","session":{}"#, alias("session", IDP, "s1"))));
    }
    told.tell(&edge("session_of", &alias("session", IDP, "s1"), &alias("iss_sub", IDP, "alice")));
    let mut world = World::new(told);
    let out = world.signal(&format!("{CAEP}session-revoked"), "{}", &complex(&[S1]), false).unwrap();
    assert_eq!((out.derived.len(), out.derived_cut, out.runs), (1_000, 500, 1_500));
    assert_eq!((out.records.len(), out.records_cut), (3_001, 0));
    assert_eq!(context().records_max, 10_000);
}
