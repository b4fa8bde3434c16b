//! From an input to what stands, on a whole state.

use super::super::sample::{Bench, CAEP, NOW_MS, RISC, record};
use super::*;
use crate::lineage::sample::{IDP, alias, edge, run, token};
use crate::revocation::key::{Kind, kinds_of};

const LATER: i64 = NOW_MS + 3_600_000;
const ALICE: &str = r#""user":{"format":"iss_sub","iss":"https://idp.example","sub":"alice"}"#;
const PHONE: &str = r#""device":{"format":"opaque","id":"phone"}"#;
const LAPTOP: &str = r#""device":{"format":"opaque","id":"laptop"}"#;
const S1: &str = r#""session":{"format":"opaque","id":"s1"}"#;
const UNFIT: &str = r#"{"previous_status":"compliant","current_status":"not-compliant"}"#;
const FIT: &str = r#"{"previous_status":"not-compliant","current_status":"compliant"}"#;

fn complex(parts: &[&str]) -> String {
    format!(r#"{{"format":"complex",{}}}"#, parts.join(","))
}

fn alice() -> Alias {
    Alias::new("iss_sub", IDP, "alice")
}

#[test]
fn a_kill_on_an_empty_graph_stands_under_every_key_of_the_name_and_a_lift_takes_all_back() {
    let kinds = ["iss_sub", "client", "agent", "run", "session", "jti", "workload", "spiffe", "tool", "cnf"];
    for kind in kinds.into_iter().chain(["email", "phone_number", "account", "did"]) {
        let (mut bench, name) = (Bench::new(""), Alias::new(kind, IDP, "x"));
        let want: Vec<&str> = kinds_of(&name).iter().map(|kind| kind.as_str()).collect();
        bench.kill(&name).unwrap();
        assert_eq!(bench.carries(&name, LATER), want, "{kind}");
        assert!(bench.kill(&name).is_none(), "{kind}: no_change");
        bench.now_ms += 1000;
        bench.lift(&name).unwrap();
        assert!(bench.carries(&name, LATER).is_empty(), "{kind}");
        assert_eq!(bench.carries(&name, NOW_MS), want, "{kind}: old tokens stay dead");
    }
    // The key that an agent's tokens are bound to is a name of it like any other.
    let mut bench = Bench::new("");
    let thumbprint = alias("cnf", "", "J");
    bench.fact(&format!(r#"{{"fact":"agent","id":"bot","aliases":[{thumbprint}]}}"#));
    bench.kill(&Alias::new("agent", "", "bot")).unwrap();
    assert_eq!(bench.carries(&Alias::new("cnf", "", "J"), LATER), ["cnf"]);
    // Somebody of whom the graph knows no class yet.
    let mut bench = Bench::new("");
    let (client, sub) = (alias("client", "https://as", "bot"), alias("iss_sub", "https://as", "bot"));
    bench.fact(&edge("alias_of", &client, &sub));
    bench.kill(&Alias::new("client", "https://as", "bot")).unwrap();
    assert_eq!(
        bench.carries(&Alias::new("iss_sub", "https://as", "bot"), LATER),
        ["user", "on_behalf_of", "agent"]
    );
}

#[test]
fn who_was_stopped_while_he_was_not_known_is_not_locked_out_for_ever() {
    let class = |class: &str| {
        let name = alias("iss_sub", IDP, "alice");
        format!(r#"{{"fact":"agent","id":"a","class":"{class}","aliases":[{name}]}}"#)
    };
    let simple = r#"{"format":"iss_sub","iss":"https://idp.example","sub":"alice"}"#;
    for fact in ["human", "agent", "workload"].map(class) {
        for operator in [true, false] {
            let mut bench = Bench::new("");
            let stopped = match operator {
                true => bench.kill(&alice()),
                false => bench.signal(&format!("{RISC}account-disabled"), "{}", simple, None),
            };
            assert_eq!(stopped.unwrap().records.len(), 3);
            bench.fact(&fact);
            bench.now_ms += 1000;
            // The opposite of another stop gives nothing back.
            match operator {
                true => {
                    assert!(bench.signal(&format!("{RISC}account-enabled"), "{}", simple, None).is_none())
                }
                false => assert!(bench.lift(&alice()).is_none()),
            }
            assert_eq!(bench.carries(&alice(), LATER).len(), 3, "{fact}");
            let lifted = match operator {
                true => bench.lift(&alice()),
                false => bench.signal(&format!("{RISC}account-enabled"), "{}", simple, None),
            };
            assert!(lifted.unwrap().lifted.len() >= 3, "{fact}");
            assert!(bench.carries(&alice(), LATER).is_empty(), "{fact}");
        }
    }
}

#[test]
fn a_device_that_is_not_known_hides_nobody_behind_it() {
    let revoked = format!("{CAEP}session-revoked");
    let admin = r#"{"initiating_entity":"admin"}"#;
    let mut bench = Bench::new("");
    bench.signal(&revoked, admin, &complex(&[ALICE, PHONE]), None).unwrap();
    assert_eq!(bench.carries(&alice(), NOW_MS), ["user", "on_behalf_of"]);

    let s1 = Alias::new("session", IDP, "s1");
    let compliance = format!("{CAEP}device-compliance-change");
    let mut bench = Bench::new("");
    bench.signal(&compliance, UNFIT, &complex(&[PHONE, S1]), None).unwrap();
    assert_eq!(bench.carries(&s1, LATER), ["session"]);
    // The device becomes known meanwhile; the session stopped in its place is given back all the same.
    bench.fact(&edge("on_device", &alias("session", IDP, "s9"), &alias("device", IDP, "phone")));
    bench.now_ms += 1000;
    bench.signal(&compliance, FIT, &complex(&[PHONE, S1]), None).unwrap();
    assert!(bench.carries(&s1, LATER).is_empty());

    let mut bench = Bench::new("");
    let claims = format!("{CAEP}token-claims-change");
    bench.signal(&claims, r#"{"claims":{"role":"x"}}"#, &complex(&[PHONE, S1]), None).unwrap();
    assert_eq!(bench.carries(&s1, NOW_MS), ["session"]);
    // A person is not stopped for a device of hers that nobody knows.
    assert!(Bench::new("").signal(&compliance, UNFIT, &complex(&[ALICE, PHONE]), None).is_none());
}

#[test]
fn a_compliant_device_gives_back_only_what_it_took() {
    let mut bench = Bench::new("");
    let s1 = Alias::new("session", IDP, "s1");
    bench.fact(&edge("on_device", &alias("session", IDP, "s1"), &alias("device", IDP, "laptop")));
    let claims = format!("{CAEP}token-claims-change");
    bench.signal(&claims, r#"{"claims":{"role":"x"}}"#, &complex(&[S1]), None).unwrap();
    bench.now_ms += 10_000;
    let compliance = format!("{CAEP}device-compliance-change");
    // Compliant, and it never was otherwise: nothing is held, nothing given back.
    assert!(bench.signal(&compliance, FIT, &complex(&[LAPTOP]), None).is_none());
    assert!(bench.carries(&s1, NOW_MS + 9_000).is_empty(), "minted anew: passes");
    assert_eq!(bench.carries(&s1, NOW_MS), ["session"], "minted before: suspended");
    bench.signal(&compliance, UNFIT, &complex(&[LAPTOP]), None).unwrap();
    let lifted = bench.signal(&compliance, FIT, &complex(&[LAPTOP]), None).unwrap();
    assert!(lifted.lifted.iter().all(|l| l.basis == Basis::Suspended) && !lifted.lifted.is_empty());
    assert_eq!(bench.carries(&s1, NOW_MS), ["session"]);
}

#[test]
fn clocks_and_lifetimes_are_those_of_who_mints() {
    let issuer = r#","clock_tolerance_s":60,"max_token_lifetime_s":604800,"max_refresh_lifetime_s":1000"#;
    let week = 604_800_000;
    let mut bench = Bench::new(issuer);
    let revoked = format!("{CAEP}session-revoked");
    let admin = r#"{"initiating_entity":"admin"}"#;
    let decided = bench.signal(&revoked, admin, &complex(&[ALICE]), None).unwrap();
    let user = record(&decided, Kind::User);
    assert_eq!(user.until, Until::Watermark(NOW_MS + 60_000));
    assert_eq!(user.expires_at, Some(NOW_MS + 60_000 + week + 60_000));
    // What ended may be minted for as long as refresh tokens live; a token can not.
    let decided = bench.signal(&revoked, admin, &complex(&[S1]), None).unwrap();
    assert_eq!(record(&decided, Kind::Session).expires_at, Some(NOW_MS + 60_000 + 1_000_000 + week + 60_000));
    bench.fact(&run("r", "bot", ""));
    let decided = bench.fact(r#"{"fact":"complete","target":{"kind":"run","value":"r"}}"#).unwrap();
    let deadline = 1_700_003_600_000;
    assert_eq!(record(&decided, Kind::Run).expires_at, Some(deadline + 1_000_000 + week + 60_000));
    let decided = bench.fact(&token("t", "r")).unwrap();
    assert_eq!(record(&decided, Kind::Jti).expires_at, Some(1_700_003_000_000 + 60_000));
    let decided = bench.signal(&format!("{RISC}account-purged"), "{}", &complex(&[ALICE]), None).unwrap();
    assert_eq!(
        (record(&decided, Kind::User).until, record(&decided, Kind::User).expires_at),
        (Until::Hold, None)
    );
    // A lift: no tolerance for what is minted anew, but for how long it must be remembered.
    bench.kill(&Alias::new("agent", "", "x")).unwrap();
    let lifted = &bench.lift(&Alias::new("agent", "", "x")).unwrap().lifted[0];
    assert_eq!((lifted.at_ms, lifted.expires_at), (NOW_MS, NOW_MS + week + 60_000));
}

#[test]
fn a_recycled_identifier_is_closed_at_its_time_and_free_for_the_next() {
    let mut bench = Bench::new("");
    let email = Alias::new("email", "", "alice@x.example");
    let address = alias("email", "", "alice@x.example");
    let human = |id: &str, names: &[&str]| {
        format!(r#"{{"fact":"agent","id":"{id}","class":"human","aliases":[{}]}}"#, names.join(","))
    };
    bench.fact(&human("a", &[&alias("iss_sub", IDP, "alice"), &address]));
    bench.fact(&run("r", "bot", &format!(r#","on_behalf_of":{}"#, alias("iss_sub", IDP, "alice"))));
    bench.fact(&token("t", "r"));
    let recycled = format!("{RISC}identifier-recycled");
    let subject = r#"{"format":"email","email":"alice@x.example"}"#;
    let toe = NOW_MS / 1000 - 100;
    let decided = bench.signal(&recycled, "{}", subject, Some(toe)).unwrap();
    assert_eq!(decided.closed, std::slice::from_ref(&email));
    assert_eq!(record(&decided, Kind::User).until, Until::Watermark(toe * 1000));
    assert!(bench.signal(&recycled, "{}", subject, Some(toe)).is_none(), "once");
    // The next holder; what stops him does not stop her.
    bench.fact(&human("b", &[&alias("iss_sub", IDP, "bob"), &address]));
    bench.kill(&email).unwrap();
    assert!(!bench.carries(&Alias::new("iss_sub", IDP, "bob"), LATER).is_empty());
    assert!(bench.carries(&alice(), LATER).is_empty());
    assert_eq!(bench.gate("t", LATER), None);
}

#[test]
fn several_principals_under_one_subject_are_all_stopped_and_it_is_said() {
    let mut bench = Bench::new("");
    for (session, human) in [("s1", "alice"), ("s2", "bob")] {
        bench.fact(&edge("session_of", &alias("session", IDP, session), &alias("iss_sub", IDP, human)));
    }
    let one = r#"{"format":"iss_sub","iss":"https://idp.example","sub":"alice"}"#;
    let two = r#"{"format":"iss_sub","iss":"https://idp.example","sub":"bob"}"#;
    let both = format!(r#"{{"format":"aliases","identifiers":[{one},{two}]}}"#);
    let decided = bench.signal(&format!("{RISC}account-disabled"), "{}", &both, None).unwrap();
    assert!(decided.touched.ambiguous);
    assert!(serde_json::to_string(&decided).unwrap().contains(r#""ambiguous":true"#));
    for name in ["alice", "bob"] {
        assert!(!bench.carries(&Alias::new("iss_sub", IDP, name), LATER).is_empty(), "{name}");
    }
    let enabled = bench.signal(&format!("{RISC}account-enabled"), "{}", one, None).unwrap();
    assert!(!enabled.touched.ambiguous);
}
