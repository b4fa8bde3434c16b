//! Bodies that are no JSON, no object, ambiguous, too deep or too large, at every door that takes one; and a struct
//! that comes as an array, at any level.

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::sign_compact;

use super::super::hub::Hub;
use super::super::peers::{Idp, SESSION_REVOKED, now_s};
use super::{Row, detail, hub_with_client, refused, send};

/// Every door that takes a JSON body: method, URL, bearer, limit of its length.
fn doors(hub: &Hub, broker: &str) -> Vec<(&'static str, String, String)> {
    let mut doors = vec![];
    for fact in ["agents", "runs", "tokens", "tools", "edges"] {
        doors.push(("POST", format!("{}/t/default/v1/{fact}", hub.public), broker.to_string()));
    }
    doors.push(("POST", format!("{}/t/default/poll/s", hub.public), broker.to_string()));
    let admin = |path: &str| format!("{}/admin/v1/t/{path}", hub.admin);
    for act in ["kill", "lift"] {
        doors.push(("POST", admin(&format!("default/{act}")), hub.credential.clone()));
    }
    for object in [
        "default/upstreams/x",
        "default/token-issuers/x",
        "default/clients/x",
        "default/points/x",
        "default/streams/x",
        "_hub/operators/x",
    ] {
        doors.push(("PUT", admin(object), hub.credential.clone()));
    }
    doors
}

#[tokio::test]
async fn what_is_no_object_or_means_two_things() {
    let (hub, broker) = hub_with_client().await;
    let deep = |levels: usize| format!("{{\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let bodies = [
        ("empty", String::new()),
        ("null", "null".into()),
        ("a number", "7".into()),
        ("a text", "\"agent\"".into()),
        ("an array", "[]".into()),
        ("an array of members", r#"[["agent","","a1"],"reason","x"]"#.into()),
        ("not closed", "{".into()),
        ("something behind it", "{} {}".into()),
        ("a member twice", r#"{"id":"a","id":"b"}"#.into()),
        ("a member twice, written otherwise", r#"{"ack":["a"],"\u0061ck":["b"]}"#.into()),
        ("a member twice below", r#"{"x":[{"a":1,"a":2}]}"#.into()),
        ("33 levels", deep(32)),
        ("absurdly deep", deep(20_000)),
        ("a form", "id=a&reason=b".into()),
    ];
    let mut rows = vec![];
    for (method, url, bearer) in doors(&hub, &broker) {
        for (what, body) in &bodies {
            let row = Row::new(format!("{what}: {method} {url}"), method, &url, 400);
            rows.push(row.bearer(&bearer).body(body.clone()));
        }
        let large = format!(r#"{{"id":"{}"}}"#, "x".repeat(262_144));
        rows.push(
            Row::new(format!("too large: {method} {url}"), method, url, 413).bearer(&bearer).body(large),
        );
    }
    refused(&hub, &rows).await;
    let array = rows.iter().find(|row| row.what.starts_with("an array:")).unwrap();
    assert!(detail(&send(&hub, array).await).contains("must be a JSON object"), "in clear words");
    hub.stop().await;
}

/// serde takes `["agent","","a1"]` for an alias and `[]` for an authority whose every member has its default.
#[tokio::test]
async fn a_struct_is_an_object_at_every_level() {
    let (hub, broker) = hub_with_client().await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    let alias = json!(["agent", "", "a1"]);
    let with = |member: &str, value: Value| {
        let mut upstream = idp.upstream("hub");
        upstream[member] = value;
        upstream
    };
    let fact = |name: &str, body: Value| {
        let url = format!("{}/t/default/v1/{name}", hub.public);
        Row::new(format!("{name}: {body}"), "POST", url, 400).bearer(&broker).json(body)
    };
    let admin = |method: &'static str, path: &str, body: Value| {
        let url = format!("{}/admin/v1/t/default/{path}", hub.admin);
        Row::new(format!("{path}: {body}"), method, url, 400).bearer(&hub.credential).json(body)
    };
    let deadline = now_s() + 600;
    let agent = json!({ "kind": "agent", "value": "a1" });
    let rows = [
        fact("agents", json!({ "id": "x", "aliases": [alias] })),
        fact("runs", json!({ "id": "x", "agent": alias, "deadline": deadline })),
        fact("runs", json!({ "id": "x", "agent": agent, "session": alias, "deadline": deadline })),
        fact("edges", json!({ "type": "alias_of", "from": alias, "to": agent })),
        fact("edges", json!({ "type": { "alias_of": null, "runs_on": null }, "from": agent, "to": agent })),
        admin("POST", "kill", json!({ "target": alias, "reason": "x" })),
        admin("POST", "kill", json!([agent, "x"])),
        admin("POST", "lift", json!({ "target": alias, "reason": "x" })),
        admin("PUT", "upstreams/x", with("authority", json!([]))),
        admin("PUT", "upstreams/x", with("authority", json!([["*"], ["*"], "contain", 1]))),
        admin("PUT", "upstreams/x", with("jwks", json!(["url", "https://idp.example/keys"]))),
        admin("PUT", "upstreams/x", with("jwks", json!({}))),
        admin("PUT", "clients/x", json!({ "new_bearer": true, "authority": [] })),
    ];
    refused(&hub, &rows).await;
    hub.stop().await;
}

/// A SET whose compact form is exactly `length` long.
fn set_of_length(idp: &Idp, jti: &str, length: usize) -> String {
    let subject = json!({ "format": "opaque", "id": jti });
    for typ in ["secevent+jwt", "application/secevent+jwt"] {
        for missing in 0..6 {
            let mut claims = idp.claims("hub", jti, SESSION_REVOKED, subject.clone(), json!({}));
            let short = sign_compact(&idp.key, typ, claims.to_string().as_bytes()).unwrap().len();
            let pad = (length - short) * 3 / 4 - missing - 8;
            claims["x_pad"] = json!("a".repeat(pad));
            let set = sign_compact(&idp.key, typ, claims.to_string().as_bytes()).unwrap();
            if set.len() == length {
                return set;
            }
        }
    }
    panic!("no SET of {length} bytes");
}

#[tokio::test]
async fn exactly_at_the_limit_passes_and_one_more_does_not() {
    let (hub, broker) = hub_with_client().await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
    let over = set_of_length(&idp, "over", 65_537);
    let mark = hub.mark("default").await;
    assert_eq!(hub.push("default", "kc", &over).await.0, 413);
    assert_eq!(hub.mark("default").await, mark);
    assert_eq!(hub.push("default", "kc", &set_of_length(&idp, "at", 65_536)).await, (202, json!("")));
    assert_ne!(hub.mark("default").await, mark);

    let padded = |id: &str, length: usize| {
        let object = json!({ "id": id }).to_string();
        let room = " ".repeat(length - object.len());
        object + &room
    };
    let url = format!("{}/t/default/v1/agents", hub.public);
    let fits = Row::new("fits", "POST", &url, 201).bearer(&broker).body(padded("at", 262_144));
    let over = Row::new("a byte more", "POST", &url, 413).bearer(&broker).body(padded("over", 262_145));
    assert_eq!(send(&hub, &fits).await.status, 201);
    refused(&hub, &[over]).await;
    hub.stop().await;
}
