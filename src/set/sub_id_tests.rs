//! Tables of subject identifiers: every format, every way to break one, and their keys.

use super::*;

const GOOD: [&str; 13] = [
    r#"{"format":"account","uri":"acct:user@example.com"}"#,
    r#"{"format":"email","email":"User@example.com"}"#,
    r#"{"format":"iss_sub","iss":"https://idp","sub":"1"}"#,
    r#"{"format":"opaque","id":"x"}"#,
    r#"{"format":"phone_number","phone_number":"+1 206 555 0123"}"#,
    r#"{"format":"did","url":"did:example:123"}"#,
    r#"{"format":"uri","uri":"spiffe://d/agent"}"#,
    r#"{"format":"jwt_id","iss":"https://as","jti":"j"}"#,
    r#"{"format":"saml_assertion_id","issuer":"i","assertion_id":"a"}"#,
    r#"{"format":"aliases","identifiers":[{"format":"opaque","id":"x"},{"format":"email","email":"a@b"}]}"#,
    r#"{"format":"ip-addresses","ip-addresses":["192.0.2.1","2001:db8::1"]}"#,
    r#"{"format":"catalog_item","catalog_id":"c","more":{"b":1,"a":[2]}}"#,
    r#"{"format":"complex","user":{"format":"opaque","id":"u"},"workload":{"format":"uri","uri":"a:b"}}"#,
];

#[test]
fn every_format_comes_back_the_same() {
    let mut keys = vec![];
    for json in GOOD {
        let parsed = SubId::parse_str(json).unwrap_or_else(|e| panic!("{json}: {e}"));
        assert_eq!(parsed.to_value().to_string(), json);
        assert_eq!(SubId::parse(&parsed.to_value()).unwrap(), parsed);
        keys.push(parsed.key());
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), GOOD.len());
}

#[test]
fn what_is_no_identifier() {
    let table = [
        ("7", Error::Format),
        ("{}", Error::Format),
        (r#"{"format":""}"#, Error::Format),
        (r#"{"format":5}"#, Error::Format),
        (r#"{"format":"email"}"#, Error::Member("email")),
        (r#"{"format":"email","email":null}"#, Error::Member("email")),
        (r#"{"format":"email","email":"Foo <a@b>"}"#, Error::Member("email")),
        (r#"{"format":"account","uri":"https://a@b"}"#, Error::Member("uri")),
        (r#"{"format":"iss_sub","iss":"i"}"#, Error::Member("sub")),
        (r#"{"format":"opaque","id":5}"#, Error::Member("id")),
        (r#"{"format":"opaque","id":""}"#, Error::Member("id")),
        (r#"{"format":"did","uri":"did:example:1"}"#, Error::Member("url")),
        (r#"{"format":"uri","uri":"/x"}"#, Error::Member("uri")),
        (r#"{"format":"jwt_id","iss":"i"}"#, Error::Member("jti")),
        (r#"{"format":"saml_assertion_id","iss":"i","id":"a"}"#, Error::Member("issuer")),
        (r#"{"format":"ip-addresses","ip-addresses":"192.0.2.1"}"#, Error::Member("ip-addresses")),
        (r#"{"format":"ip-addresses","ip-addresses":[]}"#, Error::Member("ip-addresses")),
        (r#"{"format":"ip-addresses","ip-addresses":["x"]}"#, Error::Member("ip-addresses")),
        (r#"{"format":"aliases","identifiers":[]}"#, Error::Parts),
        (r#"{"format":"aliases"}"#, Error::Member("identifiers")),
        (r#"{"format":"aliases","identifiers":[{"format":"aliases","identifiers":[]}]}"#, Error::Nested),
        (r#"{"format":"aliases","identifiers":[{"format":"complex"}]}"#, Error::Nested),
        (r#"{"format":"complex"}"#, Error::Parts),
        (r#"{"format":"complex","user":"u"}"#, Error::Format),
        (r#"{"format":"complex","user":{"format":"complex"}}"#, Error::Nested),
    ];
    for (json, want) in table {
        assert_eq!(SubId::parse_str(json), Err(want), "{json}");
    }
    let many = json!({"format":"aliases","identifiers":vec![json!({"format":"opaque","id":"x"}); 101]});
    assert_eq!(SubId::parse(&many), Err(Error::Parts));
}

#[test]
fn keys_ignore_order_and_undescribed_members_only() {
    let key = |json: &str| SubId::parse_str(json).unwrap().key();
    let same = [
        (r#"{"format":"opaque","id":"x"}"#, r#"{"id":"x","x_note":1,"format":"opaque"}"#),
        (
            r#"{"format":"complex","user":{"format":"opaque","id":"u"},"session":{"format":"opaque","id":"s"}}"#,
            r#"{"session":{"format":"opaque","id":"s"},"format":"complex","user":{"format":"opaque","id":"u"}}"#,
        ),
        (r#"{"format":"x","a":{"p":1,"q":2},"b":1}"#, r#"{"format":"x","b":1,"a":{"q":2,"p":1}}"#),
    ];
    same.iter().for_each(|(a, b)| assert_eq!(key(a), key(b)));
    let differ = [
        (r#"{"format":"email","email":"a@b"}"#, r#"{"format":"email","email":"A@b"}"#),
        (r#"{"format":"iss_sub","iss":"a","sub":"b"}"#, r#"{"format":"jwt_id","iss":"a","jti":"b"}"#),
        (r#"{"format":"x","a":1}"#, r#"{"format":"x","a":"1"}"#),
    ];
    differ.iter().for_each(|(a, b)| assert_ne!(key(a), key(b)));
    let complex = SubId::parse_str(same[1].0).unwrap();
    assert_eq!(complex.member("session"), Some(&Simple::Opaque { id: "s".into() }));
    assert_eq!(complex.member("device"), None);
}
