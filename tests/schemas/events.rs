//! Event types and subject identifiers: the schema and the hub's own check say the same of every member of every type.
//!
//! The hub's check stays hand-written, since every SET passes it. What holds the two together is not a list of
//! cases but all of them: each example, each member that any schema names, each value of a pool.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use ssf_hub::set::sub_id::SubId;
use ssf_hub::set::{Dialect, Event, EventType};

/// All event schemas, by the URI that is their title.
fn schemas() -> BTreeMap<String, Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas/events");
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().strip_suffix(".schema.json").unwrap();
        assert_eq!(schema["$id"], format!("urn:ssf-hub:schema:events/{name}"));
        let uri = schema["title"].as_str().unwrap().to_string();
        assert!(all.insert(uri, schema).is_none(), "{name}");
    }
    all
}

/// Values of every JSON type, and every word that any schema lists.
fn pool(schemas: &BTreeMap<String, Value>) -> Vec<Value> {
    let mut pool = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(100_000_000_001_i64),
        json!(253_402_300_799_000_i64),
        json!(253_402_300_799_001_i64),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("Enabled"),
        json!([]),
        json!(["x"]),
        json!([1]),
        json!({}),
        json!({ "en": "x" }),
        json!({ "en": 1 }),
        json!({ "en": null }),
    ];
    fn words(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(members) => {
                for (name, inner) in members {
                    match (name.as_str(), inner) {
                        ("enum", Value::Array(all)) => {
                            found.extend(all.iter().filter_map(|w| w.as_str().map(String::from)));
                        }
                        _ => words(inner, found),
                    }
                }
            }
            Value::Array(all) => all.iter().for_each(|inner| words(inner, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    schemas.values().for_each(|schema| words(schema, &mut found));
    pool.extend(found.into_iter().map(Value::from));
    pool
}

/// Every member that any schema names.
fn members(schemas: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let names = |schema: &Value| schema["properties"].as_object().cloned().unwrap_or_default();
    schemas.values().flat_map(|schema| names(schema).into_iter().map(|(name, _)| name)).collect()
}

fn hub_takes(uri: &str, event: &Map<String, Value>) -> Result<(), String> {
    Event::parse(uri, event, Dialect::Ssf).map(drop).map_err(|e| e.to_string())
}

/// The examples of a schema, each of which it takes itself.
fn examples(uri: &str, schema: &Value, judge: &jsonschema::Validator) -> Vec<Map<String, Value>> {
    let all = schema["examples"].as_array().unwrap();
    assert!(!all.is_empty(), "{uri}");
    all.iter().for_each(|example| assert!(judge.is_valid(example), "{uri} {example}"));
    all.iter().map(|example| example.as_object().unwrap().clone()).collect()
}

#[test]
fn every_event_type_has_its_schema() {
    let schemas = schemas();
    for event_type in EventType::NAMED {
        assert!(schemas.contains_key(event_type.uri()), "{event_type}");
    }
    let others = schemas.keys().filter(|uri| matches!(EventType::from_uri(uri), EventType::Other(_)));
    let scim: Vec<_> = others.collect();
    assert_eq!(scim.len(), 12, "RFC 9967 has twelve: {scim:?}");
    assert!(scim.iter().all(|uri| uri.starts_with("urn:ietf:params:scim:event:")), "{scim:?}");
}

#[test]
fn the_hub_and_the_schema_of_an_event_type_say_the_same() {
    let schemas = schemas();
    let (pool, names) = (pool(&schemas), members(&schemas));
    for event_type in EventType::NAMED {
        let uri = event_type.uri();
        let judge = super::validator(&schemas[uri].to_string());
        let mut refused = 0;
        let mut both = |event: Map<String, Value>| {
            let hub = hub_takes(uri, &event);
            let schema = judge.is_valid(&Value::Object(event.clone()));
            assert_eq!(schema, hub.is_ok(), "{uri} {}: the hub says {hub:?}", Value::Object(event));
            refused += usize::from(!schema);
        };
        for example in examples(uri, &schemas[uri], &judge) {
            both(example.clone());
            for name in &names {
                let mut without = example.clone();
                without.remove(name);
                both(without);
                for value in &pool {
                    let mut with = example.clone();
                    with.insert(name.clone(), value.clone());
                    both(with);
                }
            }
        }
        assert_eq!(refused > 0, schemas[uri]["properties"].is_object(), "{uri}: {refused} refused");
    }
}

/// The hub has no opinion on SCIM: such an event is kept as it came. The schemas are for who writes one.
#[test]
fn scim_events_are_kept_as_they_came() {
    let schemas = schemas();
    for (uri, schema) in schemas.iter().filter(|(uri, _)| uri.starts_with("urn:ietf:params:scim:")) {
        let judge = super::validator(&schema.to_string());
        for example in examples(uri, schema, &judge) {
            hub_takes(uri, &example).unwrap();
        }
    }
    let scim = |name: &str, event: Value| {
        let uri = format!("urn:ietf:params:scim:event:{name}");
        hub_takes(&uri, event.as_object().unwrap()).unwrap();
        super::validator(&schemas[&uri].to_string()).is_valid(&event)
    };
    for (name, bad) in [
        ("prov:create:notice", json!({})),
        ("prov:create:notice", json!({ "attributes": ["a"], "data": {} })),
        ("prov:put:full", json!({ "attributes": ["a"] })),
        ("prov:patch:full", json!({ "data": [] })),
        ("prov:delete", json!({ "data": {} })),
        ("misc:asyncresp", json!({ "method": "POST", "status": 201 })),
    ] {
        assert!(!scim(name, bad.clone()), "{name} {bad}");
    }
}

#[test]
fn the_hub_and_the_schema_of_subject_identifiers_say_the_same() {
    let text = include_str!("../../schemas/subject-identifier.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    let judge = super::validator(text);
    let (mut taken, mut refused) = (0, 0);
    let mut both = |subject: &Value| {
        let hub = SubId::parse(subject);
        let schema = judge.is_valid(subject);
        assert_eq!(schema, hub.is_ok(), "{subject}: the hub says {hub:?}");
        if schema { taken += 1 } else { refused += 1 }
    };
    let simple = json!({ "format": "opaque", "id": "x" });
    let mut pool: Vec<Value> = [
        "",
        "x",
        "a@b",
        "\"a b\"@c",
        "a@[192.0.2.1]",
        "a@b@c",
        "A <a@b>",
        "acct:a@b",
        "acct:@b",
        "ACCT:x",
        "+1",
        "+",
        "+1 2-3",
        "+1234567890123456",
        "did:a:b",
        "did::b",
        "did:A:b",
        "urn:a:b",
        "1a:b",
        "a:",
        "a: b",
        "a:\u{a0}b",
        "192.0.2.1",
        "complex",
        "aliases",
        "email",
        "uri",
        "unheard-of",
    ]
    .map(Value::from)
    .to_vec();
    pool.extend([
        json!(null),
        json!(1),
        json!([]),
        json!(["x"]),
        json!(["192.0.2.1"]),
        json!([1]),
        json!({}),
    ]);
    pool.extend([simple.clone(), json!([simple]), json!({ "format": "complex", "user": simple })]);
    pool.extend([1, 100, 101].map(|n| Value::from(vec![simple.clone(); n])));
    pool.push(json!([{ "format": "aliases", "identifiers": [simple] }]));
    let examples = schema["examples"].as_array().unwrap();
    let names: BTreeSet<&String> = examples.iter().flat_map(|e| e.as_object().unwrap().keys()).collect();
    for example in examples {
        both(example);
        for name in &names {
            let mut without = example.clone();
            without.as_object_mut().unwrap().remove(*name);
            both(&without);
            for value in &pool {
                let mut with = example.clone();
                with[name.as_str()] = value.clone();
                both(&with);
            }
        }
    }
    for parts in [1, 100, 101] {
        let mut many = json!({ "format": "complex" });
        (0..parts).for_each(|n| many[format!("m{n}")] = simple.clone());
        both(&many);
    }
    pool.iter().for_each(|value| both(value));
    assert!(taken > 1000 && refused > 1000, "{taken} taken, {refused} refused");
}
