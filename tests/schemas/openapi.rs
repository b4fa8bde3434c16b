//! The OpenAPI document in itself: what it points to is there, its schemas are schemas, and those that lie in files of
//! their own are the same here. Whether it describes the hub is asked in `tests/it/openapi.rs`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Schemas of the document that are files of their own, without `.schema.json`.
const FILES: [(&str, &str); 8] = [
    ("Alias", "alias"),
    ("AgentFact", "agent.fact"),
    ("RunFact", "run.fact"),
    ("TokenFact", "token.fact"),
    ("ToolFact", "tool.fact"),
    ("EdgeFact", "edge.fact"),
    ("SubjectIdentifier", "subject-identifier"),
    ("Decision", "decision"),
];

fn document() -> Value {
    serde_json::from_str(include_str!("../../schemas/openapi.json")).unwrap()
}

/// Calls `seen` with every object of a value.
fn each(value: &Value, seen: &mut dyn FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            seen(object);
            object.values().for_each(|inner| each(inner, seen));
        }
        Value::Array(all) => all.iter().for_each(|inner| each(inner, seen)),
        _ => {}
    }
}

/// A schema's file as it must stand in the document: it points to where its neighbours are there.
fn embedded(name: &str, file: &str) -> Value {
    let path = format!("{}/schemas/{file}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let mut text = std::fs::read_to_string(path).unwrap();
    for (other, id) in FILES {
        let here = format!("\"#/components/schemas/{other}\"");
        text = text.replace(&format!("\"$ref\": \"urn:ssf-hub:schema:{id}\""), &format!("\"$ref\": {here}"));
    }
    text = text.replace("\"#/$defs/", &format!("\"#/components/schemas/{name}/$defs/"));
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    let members = schema.as_object_mut().unwrap();
    members.retain(|name, _| !matches!(name.as_str(), "$schema" | "$id"));
    schema
}

#[test]
fn what_it_points_to_is_there_and_nothing_is_left_over() {
    let document = document();
    let mut pointed = BTreeSet::new();
    each(&document, &mut |object| {
        if let Some(pointer) = object.get("$ref").and_then(Value::as_str) {
            assert!(document.pointer(&pointer[1..]).is_some(), "{pointer}");
            pointed.insert(pointer.split('/').take(4).collect::<Vec<_>>().join("/"));
        }
    });
    for (kind, named) in document["components"].as_object().unwrap() {
        for name in named.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
            assert!(pointed.contains(&format!("#/components/{kind}/{name}")), "nobody needs {kind}/{name}");
        }
    }
}

#[test]
fn every_operation_says_who_may_and_what_comes_back() {
    let document = document();
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if !["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                continue;
            }
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_string()), "{path} {method}");
            assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{path} {method}");
            assert!(!operation["responses"].as_object().unwrap().is_empty(), "{path} {method}");
            for scheme in
                operation["security"].as_array().unwrap().iter().flat_map(|s| s.as_object().unwrap().keys())
            {
                assert!(
                    document["components"]["securitySchemes"][scheme].is_object(),
                    "{path} {method} {scheme}"
                );
            }
            let body = operation.get("requestBody");
            let told = |code: &str| operation["responses"].get(code).is_some();
            assert_eq!(body.is_some(), told("413"), "{path} {method}: a body may be too long");
        }
    }
}

#[test]
fn its_schemas_are_schemas_and_those_of_files_are_the_same_there() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        jsonschema::meta::validate(schema).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for (name, file) in FILES {
        if let Some(here) = document["components"]["schemas"].get(name) {
            assert_eq!(here, &embedded(name, file), "{name} and schemas/{file}.schema.json");
        }
    }
}
