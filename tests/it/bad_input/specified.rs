//! Every 4xx that SSF 1.0 names for an operation of the management API, and RFC 8936 for polling, with its cause. A list of
//! what the specifications name is held against the rows: none is left out.

use serde_json::{Value, json};

use super::super::hub::Hub;
use super::{Row, refused, send};

/// Operations and the statuses that the specifications name for them (SSF 8.1, tables 1 to 10; RFC 8936 2.5.1; for a
/// `stream_id` that is missing AMB-14, for a scope that does not reach RFC 6750 3.1). 429 has a journey of its own below.
const NAMED: [(&str, &[u16]); 12] = [
    ("create", &[400, 401, 403, 409]),
    ("read", &[401, 403, 404]),
    ("list", &[401, 403]),
    ("update", &[400, 401, 403, 404]),
    ("replace", &[400, 401, 403, 404]),
    ("delete", &[400, 401, 403, 404]),
    ("status", &[400, 401, 403, 404]),
    ("set status", &[400, 401, 403, 404]),
    ("add subject", &[400, 401, 403, 404]),
    ("remove subject", &[400, 401, 403, 404]),
    ("verify", &[400, 401, 403, 404]),
    ("poll", &[400, 401, 404]),
];

/// Where an operation goes and what it says of a stream; without one it says nothing of any.
fn request(hub: &Hub, operation: &str, stream: Option<&str>) -> (&'static str, String, Value) {
    let at = |path: &str| format!("{}/ssf/{path}", hub.iss("default"));
    let query = |path: &str| stream.map_or_else(|| at(path), |id| format!("{}?stream_id={id}", at(path)));
    let body = |mut more: Value| {
        if let Some(id) = stream {
            more["stream_id"] = json!(id);
        }
        more
    };
    let subject = json!({ "subject": { "format": "email", "email": "a@example.com" } });
    match operation {
        "create" => ("POST", at("streams"), json!({})),
        "list" => ("GET", at("streams"), Value::Null),
        "read" => ("GET", query("streams"), Value::Null),
        "update" => ("PATCH", at("streams"), body(json!({ "description": "x" }))),
        "replace" => ("PUT", at("streams"), body(json!({ "description": "x" }))),
        "delete" => ("DELETE", query("streams"), Value::Null),
        "status" => ("GET", query("status"), Value::Null),
        "set status" => ("POST", at("status"), body(json!({ "status": "paused" }))),
        "add subject" => ("POST", at("subjects/add"), body(subject)),
        "remove subject" => ("POST", at("subjects/remove"), body(subject)),
        "verify" => ("POST", at("verify"), body(json!({}))),
        _ => {
            let url = format!("{}/poll/{}", hub.iss("default"), stream.unwrap_or("none"));
            ("POST", url, json!({ "returnImmediately": true }))
        }
    }
}

fn row(hub: &Hub, operation: &str, cause: &str, stream: Option<&str>, want: u16) -> Row {
    let (method, url, body) = request(hub, operation, stream);
    let row = Row::new(format!("{operation}: {cause}"), method, url, want);
    if body.is_null() { row } else { row.json(body) }
}

/// A client with a bearer for all its scopes.
async fn receiver(hub: &Hub, id: &str, rights: Value, rate_per_s: u32) -> String {
    let body = json!({ "new_bearer": true, "receiver": rights, "authority": { "rate_per_s": rate_per_s } });
    hub.put("default", "clients", id, body).await["bearer"].as_str().unwrap().to_string()
}

/// A stream of whoever has this bearer; its id.
async fn stream(hub: &Hub, bearer: &str) -> String {
    let (method, url, body) = request(hub, "create", None);
    let made = send(hub, &Row::new("a stream", method, url, 201).bearer(bearer).json(body)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body["stream_id"].as_str().unwrap().to_string()
}

/// Bodies that cannot be, beside those that no operation understands: operation, cause, body without its stream.
fn bad_bodies() -> Vec<(&'static str, &'static str, Value)> {
    let push = |url: Value| json!({ "delivery": { "method": "urn:ietf:rfc:8935", "endpoint_url": url } });
    let mut rows = vec![
        ("create", "no such method", json!({ "delivery": { "method": "urn:example:x" } })),
        ("create", "push to nowhere", push(Value::Null)),
        ("create", "push inside", push(json!("https://10.0.0.1/"))),
        ("create", "push to what is no URL", push(json!("not a URL"))),
        ("create", "push to a URL with credentials", push(json!("https://a:b@r.example/"))),
        ("create", "types that are no list", json!({ "events_requested": "x" })),
        ("set status", "no such status", json!({ "status": "PAUSED" })),
        ("set status", "no status", json!({})),
        ("set status", "a reason that is none", json!({ "status": "paused", "reason": 7 })),
        ("verify", "a state that is none", json!({ "state": 7 })),
        ("poll", "a negative number", json!({ "maxEvents": -1 })),
        ("poll", "acks that are no list", json!({ "ack": "x" })),
        ("poll", "errors that are no object", json!({ "setErrs": [] })),
    ];
    for operation in ["update", "replace"] {
        rows.push((operation, "another iss", json!({ "iss": "https://elsewhere.example" })));
        rows.push((operation, "another aud", json!({ "aud": "elsewhere" })));
        rows.push((operation, "events_delivered as it will be", json!({ "events_delivered": ["urn:x"] })));
        rows.push((operation, "a description that is none", json!({ "description": {} })));
    }
    for operation in ["add subject", "remove subject"] {
        rows.push((operation, "no subject", json!({})));
        rows.push((operation, "no format", json!({ "subject": { "email": "a@example.com" } })));
        rows.push((operation, "an empty address", json!({ "subject": { "format": "email", "email": "" } })));
        rows.push((operation, "nobody's parts", json!({ "subject": { "format": "complex" } })));
    }
    rows.push((
        "add subject",
        "verified, perhaps",
        json!({ "subject": { "format": "email", "email": "a@example.com" }, "verified": "yes" }),
    ));
    rows
}

#[tokio::test]
async fn every_4xx_of_the_specifications_has_its_cause() {
    let hub = Hub::start().await;
    let rights =
        json!({ "streams_max": 1, "methods": ["poll", "push"], "push_urls": ["https://mine.example/*"] });
    let a = receiver(&hub, "a", rights, 1000).await;
    let b = receiver(&hub, "b", json!({}), 1000).await;
    let reader = receiver(&hub, "reader", json!({ "scopes": ["ssf.read"] }), 1000).await;
    // A client of the hub that is no receiver.
    let plain = hub.client("default", "plain", true).await;
    let (own, foreign) = (stream(&hub, &a).await, stream(&hub, &b).await);
    let own = own.as_str();
    let mut rows = vec![];
    for (operation, statuses) in NAMED {
        let of = |cause: &str, stream: Option<&str>, want: u16| row(&hub, operation, cause, stream, want);
        rows.push(of("no token", Some(own), 401));
        rows.push(
            of("nobody's token", Some(own), 401).bearer("invalid:7f1c3e2a-0000-4000-8000-000000000000"),
        );
        rows.push(of("nobody's token, and no stream", None, 401).bearer("invalid:x"));
        let (method, url, body) = request(&hub, operation, Some(own));
        let query = format!("{url}{}access_token={a}", if url.contains('?') { '&' } else { '?' });
        let in_the_query = Row::new(format!("{operation}: a token in the query"), method, query, 401);
        rows.push(if body.is_null() { in_the_query } else { in_the_query.json(body.clone()) });
        if operation != "poll" {
            rows.push(of("no receiver", Some(own), 403).bearer(&plain));
        }
        if !body.is_null() {
            let broken = Row::new(format!("{operation}: a broken body"), method, &url, 400);
            rows.push(broken.bearer(&a).body(";{ broken"));
            rows.push(Row::new(format!("{operation}: a list"), method, &url, 400).bearer(&a).body("[]"));
        }
        if !body.is_null() && operation != "poll" {
            rows.push(of("a scope that does not reach", Some(own), 403).bearer(&reader));
        }
        if statuses.contains(&404) {
            rows.push(of("no such stream", Some("no-such-stream"), 404).bearer(&a));
            rows.push(of("another receiver's stream", Some(&foreign), 404).bearer(&a));
        }
        if statuses.contains(&400) && !["create", "poll", "verify"].contains(&operation) {
            rows.push(of("no stream_id", None, 400).bearer(&a));
        }
    }
    rows.push(row(&hub, "delete", "a scope that does not reach", Some(own), 403).bearer(&reader));
    rows.push(row(&hub, "create", "one stream too many", None, 409).bearer(&a));
    let (method, url, _) = request(&hub, "create", None);
    let elsewhere =
        json!({ "delivery": { "method": "urn:ietf:rfc:8935", "endpoint_url": "https://r.example/" } });
    let forbidden = Row::new("create: a push URL that is not its own", method, url, 403);
    rows.push(forbidden.bearer(&a).json(elsewhere));
    for (operation, cause, mut body) in bad_bodies() {
        let (method, url, _) = request(&hub, operation, Some(own));
        if !["create", "poll"].contains(&operation) {
            body["stream_id"] = json!(own);
        }
        // The first one may push to one place only.
        let who = if operation == "create" { &b } else { &a };
        rows.push(Row::new(format!("{operation}: {cause}"), method, url, 400).bearer(who).json(body));
    }
    for (operation, statuses) in NAMED {
        let there = |status: u16| {
            rows.iter().any(|row| row.want == status && row.what.starts_with(&format!("{operation}: ")))
        };
        let missing: Vec<_> = statuses.iter().filter(|status| !there(**status)).collect();
        assert!(missing.is_empty(), "{operation}: no row for {missing:?}");
    }
    refused(&hub, &rows).await;
    hub.stop().await;
}

/// The rest of what is named: too many requests. Who comes too fast is told how long to wait, and what was refused is not
/// half done.
#[tokio::test]
async fn too_many_requests_are_told_so() {
    let hub = Hub::start().await;
    let a = receiver(&hub, "a", json!({}), 1).await;
    let own = stream(&hub, &a).await;
    for operation in ["verify", "add subject", "remove subject"] {
        let mut taken = 0;
        let last = loop {
            let (method, url, mut body) = request(&hub, operation, Some(&own));
            body["subject"] = json!({ "format": "email", "email": format!("{taken}@example.com") });
            let row = Row::new(operation, method, url, 429).bearer(&a).json(body);
            let before = hub.mark("default").await;
            let answer = send(&hub, &row).await;
            if answer.status == 429 {
                assert_eq!(hub.mark("default").await, before, "{operation}: half done");
                break answer;
            }
            assert!(matches!(answer.status, 200 | 204), "{operation}: {} {}", answer.status, answer.body);
            taken += 1;
            assert!(taken < 100, "{operation}: nobody is ever told to wait");
        };
        let wait: u64 = last.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{operation}: {wait}");
        assert_eq!(last.headers["content-type"], "application/problem+json");
        assert!(taken > 0 || operation == "remove subject", "{operation}: not even once");
    }
    hub.stop().await;
}
