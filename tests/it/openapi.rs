//! The OpenAPI document against the hub: every route is described, with its methods, and what is described is served.
//!
//! The routes come from the sources (`.route("…"` in `src/api`), their methods from the running hub, which is asked
//! without credentials: 405 says that a method is not served, a 404 without a body that there is no such route.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use ssf_hub::jose::alg::Alg;

use super::hub::Hub;
use super::peers::Idp;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Described, and not served yet. Empty before a release; what is served must not stand here.
pub const TO_COME: [&str; 0] = [];

/// The paths of all routes, as the sources name them.
fn routes() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
            for (_, rest) in code.match_indices(".route(").map(|(at, call)| (at, &code[at + call.len()..])) {
                let literal = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
                let route =
                    literal.unwrap_or_else(|| panic!("a route without a literal in {}", path.display()));
                found.insert(route.to_string());
            }
        }
    }
    assert!(found.len() > 15, "{found:?}");
    found
}

/// How many segments a route names outright, if it serves `path`.
fn serves(route: &str, path: &str) -> Option<usize> {
    let (mut route, mut path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    if route.last().is_some_and(|last| last.starts_with("{*")) && path.len() >= route.len() {
        path.truncate(route.len() - 1); // it takes all that follows
        route.pop();
    }
    let fits = |(r, p): (&&str, &&str)| r == p || r.starts_with('{');
    (route.len() == path.len() && route.iter().zip(&path).all(fits))
        .then(|| route.iter().filter(|segment| !segment.starts_with('{')).count())
}

/// The route that serves a described path: of several, the one that names most of it.
fn route_of<'a>(routes: &'a BTreeSet<String>, path: &str) -> Option<&'a String> {
    let all = routes.iter().filter_map(|route| Some((serves(route, path)?, route)));
    all.max_by_key(|(named, _)| *named).map(|(_, route)| route)
}

/// A described path with its parameters' examples in place.
fn filled(document: &Value, path: &str) -> String {
    let mut filled = path.to_string();
    for parameter in document["paths"][path]["parameters"].as_array().into_iter().flatten() {
        let pointer = parameter["$ref"].as_str().expect("a parameter by reference");
        let parameter = document.pointer(&pointer[1..]).unwrap();
        let name = format!("{{{}}}", parameter["name"].as_str().unwrap());
        filled = filled.replace(&name, parameter["example"].as_str().expect("an example"));
    }
    assert!(!filled.contains('{'), "{path}: a parameter is not described");
    filled
}

/// The methods that are served at a URL; `None` where nothing is.
async fn served(hub: &Hub, url: &str) -> Option<BTreeSet<&'static str>> {
    let mut found = BTreeSet::new();
    for method in METHODS {
        let verb = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let answer = hub.http.request(verb, url).send().await.unwrap();
        let status = answer.status().as_u16();
        if status == 404 && answer.text().await.unwrap().is_empty() {
            return None;
        }
        assert!(status < 500, "{method} {url}: {status}");
        if status != 405 {
            found.insert(method);
        }
    }
    Some(found)
}

async fn document(hub: &Hub, listener: &str) -> Value {
    let answer = hub.http.get(format!("{listener}/openapi.json")).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn every_route_is_described_and_what_is_described_is_served() {
    let hub = Hub::start().await;
    hub.put("default", "upstreams", "keycloak", Idp::new("https://idp.example", Alg::ES256).upstream("hub"))
        .await;
    let whole = document(&hub, &hub.admin).await;
    let routes = routes();
    let mut described = BTreeMap::<&String, Vec<&String>>::new();
    for (path, item) in whole["paths"].as_object().unwrap() {
        let url = filled(&whole, path);
        let listeners = item["x-listeners"].as_array().unwrap();
        assert!(!listeners.is_empty(), "{path}");
        for (name, listener) in [("public", &hub.public), ("admin", &hub.admin)] {
            let seen = served(&hub, &format!("{listener}{url}")).await;
            let is_here = listeners.iter().any(|l| l == name);
            if !is_here || TO_COME.contains(&path.as_str()) {
                assert_eq!(
                    seen, None,
                    "{path} is served at the {name} listener; is it to come, or described elsewhere?"
                );
                continue;
            }
            let told: BTreeSet<_> = METHODS
                .into_iter()
                .filter(|m| item.get(*m).is_some() || item["x-all-methods"] == true)
                .collect();
            assert_eq!(seen.as_ref(), Some(&told), "{path} at the {name} listener: served, and described");
        }
        if !TO_COME.contains(&path.as_str()) {
            let route = route_of(&routes, path).unwrap_or_else(|| panic!("{path}: no such route"));
            described.entry(route).or_default().push(path);
        }
    }
    let silent: Vec<_> = routes.iter().filter(|route| !described.contains_key(route)).collect();
    assert!(silent.is_empty(), "not in schemas/openapi.json: {silent:?}");
    hub.stop().await;
}

#[tokio::test]
async fn each_listener_shows_its_part() {
    let hub = Hub::start().await;
    let (public, whole) = (document(&hub, &hub.public).await, document(&hub, &hub.admin).await);
    let kept: Value = serde_json::from_str(include_str!("../../schemas/openapi.json")).unwrap();
    for (path, item) in kept["paths"].as_object().unwrap() {
        let is_at = |listener: &str| item["x-listeners"].as_array().unwrap().iter().any(|l| l == listener);
        assert_eq!(public["paths"].get(path), is_at("public").then_some(item), "{path}");
        let elsewhere = whole["paths"][path].get("servers").map(|servers| &servers[0]["url"]);
        assert_eq!(
            elsewhere.and_then(Value::as_str),
            (!is_at("admin")).then_some(hub.public.as_str()),
            "{path}"
        );
    }
    assert_eq!(whole["components"], kept["components"]);
    hub.stop().await;
}
