//! What receivers get, by operation: the supply table of SSF 1.0, 8.1.1.

use serde_json::{Value, json};

use super::*;
use crate::set::event_type::EventType;
use crate::tenant::TenantId;

fn doors() -> Doors {
    Doors::new("https://h.example", &TenantId::default_tenant())
}

fn wish(value: Value) -> Wish {
    Wish::of(value.as_object().unwrap().clone()).unwrap()
}

fn types() -> [&'static str; 3] {
    [EventType::SessionRevoked.uri(), EventType::CredentialChange.uri(), EventType::AccountDisabled.uri()]
}

fn made(value: Value) -> Planned {
    create(&Receiver::default(), "c", "s1".into(), wish(value)).unwrap()
}

fn changed(act: Act, before: &Stream, value: Value) -> Result<Planned, Refused> {
    change(act, &doors(), &Receiver::default(), before, wish(value))
}

const PUSH: &str = "urn:ietf:rfc:8935";
const POLL: &str = "urn:ietf:rfc:8936";

#[test]
fn a_stream_is_made_of_what_may_be_had() {
    let Planned { stream, header } = made(json!({}));
    assert_eq!(
        (stream.method, stream.aud.clone(), header),
        (Method::Poll, vec!["c".to_string()], Header::Removed)
    );
    assert_eq!(stream.events_delivered, Some(vec![]), "AMB-25");
    assert_eq!(stream.check(), Ok(()));
    let [revoked, changed, disabled] = types();
    let rights = Receiver { event_types: vec![revoked.into(), changed.into()], ..Receiver::default() };
    let asked = json!({"events_requested": [disabled, changed, "urn:made:up", changed, "*"], "stream_id": "mine", "iss": "x"});
    let stream = create(&rights, "c", "s1".into(), wish(asked)).unwrap().stream;
    assert_eq!((stream.stream_id.as_str(), stream.events_delivered), ("s1", Some(vec![changed.to_string()])));
    assert_eq!(stream.events_requested.len(), 5, "as it was requested");

    let push = |url: Value| {
        create(&rights, "c", "s".into(), wish(json!({"delivery": {"method": PUSH, "endpoint_url": url}})))
    };
    assert!(matches!(push(json!(null)), Err(Refused::Bad(_))));
    assert_eq!(
        push(json!("https://r.example/x")).unwrap().stream.endpoint_url.unwrap(),
        "https://r.example/x"
    );
    let narrow = Receiver {
        methods: vec![Method::Push],
        push_urls: vec!["https://r.example/*".into()],
        ..Receiver::default()
    };
    let of = |value: Value| create(&narrow, "c", "s".into(), wish(json!({ "delivery": value })));
    assert!(matches!(of(json!({"method": POLL})), Err(Refused::Forbidden(_))));
    assert!(matches!(
        of(json!({"method": PUSH, "endpoint_url": "https://e.example/"})),
        Err(Refused::Forbidden(_))
    ));
    assert!(of(json!({"method": PUSH, "endpoint_url": "https://r.example/in"})).is_ok());
}

#[test]
fn an_update_keeps_and_a_replacement_deletes_what_is_absent() {
    let [revoked, credential, _] = types();
    let push =
        json!({"method": PUSH, "endpoint_url": "https://r.example/", "authorization_header": "Bearer x"});
    let before = made(json!({"events_requested": [revoked], "description": "d", "delivery": push})).stream;
    let updated = changed(Act::Update, &before, json!({"stream_id": "s1"})).unwrap();
    assert_eq!((updated.stream, updated.header), (before.clone(), Header::Unsaid));
    let updated = changed(Act::Update, &before, json!({"events_requested": [credential]})).unwrap().stream;
    assert_eq!(updated.events_delivered, Some(vec![credential.to_string()]));
    assert_eq!(
        (updated.description, updated.endpoint_url),
        (before.description.clone(), before.endpoint_url.clone())
    );

    let replaced = changed(Act::Replace, &before, json!({"stream_id": "s1"})).unwrap();
    assert_eq!((replaced.stream.method, replaced.header), (Method::Poll, Header::Removed));
    assert_eq!((replaced.stream.description, replaced.stream.events_delivered), (None, Some(vec![])));
    // Read, modify, write.
    let shown = configuration(&doors(), &Receiver::default(), &before);
    let same = changed(Act::Replace, &before, shown).unwrap();
    assert_eq!((same.stream, same.header), (before.clone(), Header::Unsaid), "the credential stays (AMB-19)");
    let moved = json!({"delivery": {"method": PUSH, "endpoint_url": "https://other.example/"}});
    assert_eq!(changed(Act::Update, &before, moved).unwrap().header, Header::Removed);
}

#[test]
fn what_the_transmitter_supplies_must_be_what_it_is() {
    let [revoked, credential, _] = types();
    let before = made(json!({"events_requested": [revoked]})).stream;
    for act in [Act::Update, Act::Replace] {
        for good in [
            json!({"iss": "https://h.example/t/default"}),
            json!({"aud": "c"}),
            json!({"aud": ["c"]}),
            json!({"events_delivered": [revoked], "events_requested": [credential]}),
            json!({"min_verification_interval": Receiver::default().min_verification_interval_s}),
            json!({"delivery": {"method": POLL, "endpoint_url": "https://h.example/t/default/poll/s1"}}),
            json!({"delivery": {"method": POLL}}),
        ] {
            assert!(changed(act, &before, good.clone()).is_ok(), "{act:?} {good}");
        }
        for bad in [
            json!({"iss": "https://h.example/t/default/"}),
            json!({"aud": ["c", "d"]}),
            json!({"aud": []}),
            json!({"events_supported": [revoked]}),
            json!({"events_delivered": [credential], "events_requested": [credential]}),
            json!({"min_verification_interval": 7}),
            json!({"inactivity_timeout": 1}),
            json!({"delivery": {"method": POLL, "endpoint_url": "https://h.example/t/default/poll/s2"}}),
        ] {
            assert!(matches!(changed(act, &before, bad.clone()), Err(Refused::Bad(_))), "{act:?} {bad}");
        }
    }
}

#[test]
fn narrower_rights_narrow_what_receivers_made_and_nothing_else() {
    let [revoked, credential, _] = types();
    let before = made(json!({"events_requested": [revoked, credential]})).stream;
    assert_eq!(revised(Some(&Receiver::default()), &before), None);
    let narrow = Receiver { event_types: vec![revoked.into()], ..Receiver::default() };
    assert_eq!(revised(Some(&narrow), &before).unwrap().events_delivered, Some(vec![revoked.to_string()]));
    assert_eq!(revised(Some(&narrow), &revised(Some(&narrow), &before).unwrap()), None);
    assert_eq!(revised(None, &before).unwrap().events_delivered, Some(vec![]));
    let operators = Stream { events_delivered: None, ..before };
    assert_eq!(revised(Some(&narrow), &operators), None);
}
