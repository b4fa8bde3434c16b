//! Words and states in every combination, and the names that subjects say.

use super::*;
use crate::set::event_type::EventType;

const IDP: &str = "https://idp.example";

#[test]
fn the_words_are_risc_types_and_lead_as_the_figure_says() {
    let table = [
        (EventType::OptIn, Opted::Out, Opted::In),
        (EventType::OptOutInitiated, Opted::In, Opted::Initiated),
        (EventType::OptOutCancelled, Opted::Initiated, Opted::In),
        (EventType::OptOutEffective, Opted::Initiated, Opted::Out),
    ];
    for (event_type, from, to) in &table {
        let word = Word::of(event_type.uri()).unwrap();
        assert_eq!((word.as_str(), word.from(), word.to()), (event_type.name(), *from, *to));
    }
    for event_type in EventType::NAMED {
        let risc = event_type.uri().contains("/risc/event-type/");
        let opt = table.iter().any(|(opt, ..)| opt == event_type);
        assert_eq!(Word::of(event_type.uri()).is_some(), opt, "{event_type}");
        assert_eq!(is_withheld_type(event_type.uri()), risc && !opt, "{event_type}");
    }
    assert!(!is_withheld_type("urn:ietf:params:scim:event:prov:delete"));
}

#[test]
fn a_subject_says_the_names_of_its_account() {
    let alias = |kind: &str, iss: &str, value: &str| Alias {
        kind: kind.into(),
        iss: iss.into(),
        value: value.into(),
    };
    let mail = alias("email", "", "ann@example.com");
    let sub = alias("iss_sub", "https://i", "1");
    let table = [
        (r#"{"format":"email","email":"Ann@Example.COM","more":1}"#, vec![mail.clone()]),
        (r#"{"format":"iss_sub","iss":"https://i","sub":"1"}"#, vec![sub.clone()]),
        (r#"{"format":"account","uri":"acct:a@b"}"#, vec![alias("account", "", "acct:a@b")]),
        (r#"{"format":"phone_number","phone_number":"+1"}"#, vec![alias("phone_number", "", "+1")]),
        (r#"{"format":"did","url":"did:x:1"}"#, vec![alias("did", "", "did:x:1")]),
        (r#"{"format":"uri","uri":"https://a"}"#, vec![alias("uri", "", "https://a")]),
        (r#"{"format":"uri","uri":"spiffe://a/b"}"#, vec![alias("spiffe", "", "spiffe://a/b")]),
        (r#"{"format":"opaque","id":"1"}"#, vec![alias("opaque", IDP, "1")]),
        (
            r#"{"format":"aliases","identifiers":[{"format":"email","email":"ann@example.com"},{"format":"iss_sub","iss":"https://i","sub":"1"}]}"#,
            vec![mail.clone(), sub.clone()],
        ),
        (
            r#"{"format":"complex","session":{"format":"opaque","id":"s"},"user":{"format":"email","email":"ann@example.com"}}"#,
            vec![mail],
        ),
        (r#"{"format":"complex","device":{"format":"opaque","id":"d"}}"#, vec![]),
        (r#"{"format":"email"}"#, vec![]),
        ("[]", vec![]),
        ("{", vec![]),
    ];
    for (sub_id, names) in table {
        assert_eq!(said(sub_id, IDP), names, "{sub_id}");
    }
    let other = |id: &str| said(&format!(r#"{{"format":"scim","uri":"/Users/{id}"}}"#), IDP);
    assert!(other("1").len() == 1 && other("1") != other("2"), "of any other format the whole is the name");
    assert_eq!(said(r#"{"format":"scim","uri":"/Users/1"}"#, ""), other("1"));
}

#[test]
fn an_opaque_id_is_also_a_sub_and_also_an_operators_word() {
    let opaque = Alias { kind: "opaque".into(), iss: IDP.into(), value: "1".into() };
    assert_eq!(also(&opaque), Some(Alias { kind: "iss_sub".into(), ..opaque.clone() }));
    let plain = Alias { iss: String::new(), ..opaque.clone() };
    assert_eq!((unscoped(&opaque), unscoped(&plain), also(&plain)), (Some(plain.clone()), None, None));
    assert_ne!(key(&opaque), key(&plain));
}
