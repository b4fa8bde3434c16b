//! `GET /openapi.json`: what can be asked at a listener, as OpenAPI 3.1.
//!
//! The document is `schemas/openapi.json`, kept by hand; `tests/it/openapi.rs` holds it against the routes. Each of its
//! paths says in `x-listeners` where it is served. The public listener shows its own part and nothing that only the
//! rest needs; the admin listener shows all.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, header};
use serde_json::{Map, Value, json};

use super::Api;

/// The whole. That it is JSON is known before anything is released: a test reads it.
static WHOLE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../schemas/openapi.json")).unwrap_or_default());

/// The public part, as it is sent.
static PUBLIC: LazyLock<String> = LazyLock::new(|| part(&WHOLE, "public").to_string());

/// At the public listener.
pub async fn public() -> Response {
    answer(PUBLIC.as_str())
}

/// At the admin listener: paths that are served elsewhere say where.
pub async fn admin(State(api): State<Arc<Api>>) -> Response {
    let mut whole = WHOLE.clone();
    let prefix = &api.door.own_issuer_prefix;
    let public_url = prefix.strip_suffix("/t/").unwrap_or(prefix);
    for (_, item) in members(&mut whole, "paths").into_iter().flatten() {
        if !is_at(item, "admin") {
            item["servers"] = json!([{ "url": public_url, "description": "The public listener." }]);
        }
    }
    answer(whole.to_string())
}

fn answer(json: impl Into<Body>) -> Response {
    let mut response = Response::new(json.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn members<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    value.get_mut(name)?.as_object_mut()
}

fn is_at(path_item: &Value, listener: &str) -> bool {
    path_item["x-listeners"].as_array().is_some_and(|all| all.iter().any(|l| l == listener))
}

/// The paths of one listener, and of the rest what they need.
fn part(whole: &Value, listener: &str) -> Value {
    let mut part = whole.clone();
    if let Some(paths) = members(&mut part, "paths") {
        paths.retain(|_, item| is_at(item, listener));
    }
    let needed = needed(&part);
    for (kind, named) in members(&mut part, "components").into_iter().flatten() {
        if let Some(named) = named.as_object_mut() {
            named.retain(|name, _| needed.contains(&format!("#/components/{kind}/{name}")));
        }
    }
    if let Some(tags) = part.get_mut("tags").and_then(Value::as_array_mut) {
        tags.retain(|tag| {
            tag["name"].as_str().is_some_and(|name| needed.contains(&format!("#/tags/{name}")))
        });
    }
    part
}

/// Where the paths of a document point to, and where that points to.
fn needed(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![&document["paths"]];
    while let Some(value) = open.pop() {
        for pointer in pointers(value) {
            if let Some(target) = document.pointer(&pointer[1..])
                && found.insert(pointer)
            {
                open.push(target);
            }
        }
    }
    found.extend(tags(&document["paths"]));
    found
}

/// Components that a value names: by `$ref` (into one of them, perhaps), and by `security`.
fn pointers(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => object.iter().flat_map(|(name, inner)| named(name, inner)).collect(),
        Value::Array(all) => all.iter().flat_map(pointers).collect(),
        _ => vec![],
    }
}

fn named(name: &str, inner: &Value) -> Vec<String> {
    match (name, inner) {
        ("$ref", Value::String(pointer)) => {
            vec![pointer.split('/').take(4).collect::<Vec<_>>().join("/")]
        }
        ("security", Value::Array(all)) => {
            let schemes = all.iter().filter_map(Value::as_object).flat_map(Map::keys);
            schemes.map(|scheme| format!("#/components/securitySchemes/{scheme}")).collect()
        }
        _ => pointers(inner),
    }
}

fn tags(paths: &Value) -> Vec<String> {
    let items = paths.as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object);
    let tags = items.flat_map(Map::values).filter_map(|operation| operation["tags"].as_array()).flatten();
    tags.filter_map(Value::as_str).map(|tag| format!("#/tags/{tag}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_part_has_what_it_needs_and_no_more() {
        let public = part(&WHOLE, "public");
        assert_eq!(public["openapi"], "3.1.0");
        assert!(public["paths"]["/t/{tenant}/jwks.json"].is_object());
        assert!(public["paths"].get("/admin/v1/status").is_none());
        let schemas = public["components"]["schemas"].as_object().unwrap();
        assert!(schemas.contains_key("Alias") && !schemas.contains_key("Operator"));
        let schemes = &public["components"]["securitySchemes"];
        assert!(schemes["oauth"].is_object() && schemes.get("operator").is_none());
        assert!(!public["tags"].as_array().unwrap().iter().any(|tag| tag["name"] == "Health"));
        for pointer in pointers(&public) {
            assert!(public.pointer(&pointer[1..]).is_some(), "{pointer}");
        }
        let whole = WHOLE["paths"].as_object().unwrap().len();
        assert_eq!(
            whole,
            part(&WHOLE, "admin")["paths"].as_object().unwrap().len()
                + public["paths"].as_object().unwrap().len()
                - 1
        );
    }
}
