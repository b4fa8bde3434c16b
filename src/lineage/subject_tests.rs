//! Subjects by role, and the names in them.

use super::super::sample::{IDP, alias, company, edge};
use super::*;

fn sub_id(json: &str) -> SubId {
    SubId::parse_str(json).unwrap()
}

const S1: &str = r#""session":{"format":"opaque","id":"s1"}"#;
const ALICE: &str = r#""user":{"format":"iss_sub","iss":"https://idp.example","sub":"alice"}"#;

#[test]
fn subjects_resolve_to_the_narrowest_that_agrees() {
    let mut told = company();
    told.tell(&edge("session_of", &alias("session", IDP, "s2"), &alias("iss_sub", IDP, "bob")));
    let complex = |parts: &str| format!(r#"{{"format":"complex",{parts}}}"#);
    let (alice, s1) = (told.id("iss_sub", IDP, "alice"), told.id("session", IDP, "s1"));
    let bob = r#""user":{"format":"opaque","id":"bob"}"#;
    let cases = [
        (r#"{"format":"email","email":"alice@EXAMPLE.com"}"#.into(), Facet::User, Verdict::One(alice)),
        (r#"{"format":"opaque","id":"s1"}"#.into(), Facet::Session, Verdict::One(s1)),
        (r#"{"format":"opaque","id":"nobody"}"#.into(), Facet::Plain, Verdict::None),
        (complex(&format!("{ALICE},{S1}")), Facet::Session, Verdict::One(s1)),
        (complex(&format!("{bob},{S1}")), Facet::Session, Verdict::None),
        (complex(&format!(r#"{S1},"tenant":{{"format":"opaque","id":"x"}}"#)), Facet::Session, Verdict::One(s1)),
        (complex(ALICE), Facet::User, Verdict::One(alice)),
        (complex(r#""run":{"format":"opaque","id":"day"}"#), Facet::Run, Verdict::One(told.run("day"))),
        (
            complex(r#""application":{"format":"iss_sub","iss":"https://as","sub":"bot"}"#),
            Facet::Agent,
            Verdict::One(told.id("agent", "", "bot")),
        ),
        (
            r#"{"format":"jwt_id","iss":"https://as","jti":"t-day"}"#.into(),
            Facet::Token,
            Verdict::One(told.id("jti", "https://as", "t-day")),
        ),
        (
            r#"{"format":"aliases","identifiers":[{"format":"email","email":"alice@example.com"},{"format":"iss_sub","iss":"https://idp.example","sub":"bob"}]}"#.into(),
            Facet::User,
            Verdict::Ambiguous,
        ),
    ];
    for (json, role, verdict) in cases {
        let got = told.graph.resolve(&sub_id(&json), IDP);
        assert_eq!((got.role(), got.verdict), (role, verdict), "{json}");
    }
    let both = sub_id(&complex(&format!("{ALICE},{S1}")));
    assert_eq!(told.graph.resolve_to(&facets(&both, IDP), &[Facet::User]).verdict, Verdict::One(alice));
    // An opaque id means nothing in the scope of another issuer.
    assert_eq!(told.graph.resolve(&sub_id(r#"{"format":"opaque","id":"s1"}"#), "i").verdict, Verdict::None);
}

#[test]
fn every_name_with_the_right_kind() {
    let json = format!(
        r#"{{"format":"complex",{ALICE},{S1},"application":{{"format":"opaque","id":"c"}},"group":{{"format":"opaque","id":"g"}}}}"#
    );
    let names: Vec<String> =
        names_in(&sub_id(&json), IDP).iter().map(|a| format!("{}|{}|{}", a.kind, a.iss, a.value)).collect();
    let want = ["iss_sub|I|alice", "session|I|s1", "client|I|c", "iss_sub|I|c"]
        .map(|s| s.replace("|I|", &format!("|{IDP}|")));
    assert_eq!(names, want);
}

#[test]
fn a_device_that_is_not_known_is_never_the_narrowest() {
    let told = company();
    let complex = |parts: &[&str]| sub_id(&format!(r#"{{"format":"complex",{}}}"#, parts.join(",")));
    let phone = r#""device":{"format":"opaque","id":"phone"}"#;
    let laptop = r#""device":{"format":"opaque","id":"laptop"}"#;
    let device: &[Facet] = &[Facet::Device, Facet::Session, Facet::Plain];
    let cases: [(&[&str], &[Facet], Facet); 8] = [
        (&[ALICE, phone], &[], Facet::User),
        (&[ALICE, laptop], &[], Facet::Device),
        (&[phone], &[], Facet::Device),
        (&[S1, phone], &[], Facet::Session),
        (&[S1, phone], device, Facet::Session),
        (&[S1, laptop], device, Facet::Device),
        // Whose device it is says nothing against the person: nobody is stopped for it.
        (&[ALICE, phone], device, Facet::Device),
        (&[ALICE, phone], &[Facet::User], Facet::User),
    ];
    for (parts, wanted, aim) in cases {
        assert_eq!(
            told.graph.resolve_to(&facets(&complex(parts), IDP), wanted).aim,
            aim,
            "{parts:?} {wanted:?}"
        );
    }
}

#[test]
fn who_is_of_no_class_yet_may_be_anything() {
    assert_eq!(facet_of(Class::Unknown), Facet::Plain);
    let mut told = company();
    told.tell(&edge("owns", &alias("email", "", "boss@example.com"), &alias("tool", "", "https://tool")));
    let boss = told.graph.resolve(&sub_id(r#"{"format":"email","email":"boss@example.com"}"#), IDP);
    assert_eq!(boss.role(), Facet::User, "an owner is a person");
}
