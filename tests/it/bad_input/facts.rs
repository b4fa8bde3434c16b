//! Facts that are well formed and wrong, and one that is neither: principals that nobody knows yet (NEED-5).

use serde_json::{Value, json};

use super::super::peers::now_s;
use super::{Row, hub_with_client, refused};

fn alias(kind: &str, value: &str) -> Value {
    let iss = if matches!(kind, "agent" | "run" | "tool" | "email") { "" } else { "https://idp.example" };
    json!({ "kind": kind, "iss": iss, "value": value })
}

fn edge(kind: &str, from: Value, to: Value) -> Value {
    json!({ "type": kind, "from": from, "to": to })
}

#[tokio::test]
async fn what_contradicts_or_is_somebody_elses() {
    let (hub, broker) = hub_with_client().await;
    let other = hub.client("default", "other", true).await;
    let narrow =
        json!({ "new_bearer": true, "facts": true, "authority": { "namespaces": ["@narrow.example"] } });
    let narrow =
        hub.put("default", "clients", "narrow", narrow).await["bearer"].as_str().unwrap().to_string();
    let record = json!({ "new_bearer": true, "facts": true, "authority": { "effect": "record" } });
    let record =
        hub.put("default", "clients", "record", record).await["bearer"].as_str().unwrap().to_string();
    let mute = hub.client("default", "mute", false).await;
    let (iat, exp) = (now_s(), now_s() + 600);
    let told = [
        ("agents", json!({ "id": "a1", "aliases": [alias("client", "c1")] })),
        ("agents", json!({ "id": "h1", "class": "human", "aliases": [alias("iss_sub", "h1")] })),
        ("runs", json!({ "id": "r1", "agent": alias("agent", "a1"), "deadline": exp })),
        ("runs", json!({ "id": "r2", "agent": alias("agent", "a1"), "parent": "r1", "deadline": exp })),
        ("tokens", json!({ "iss": "https://idp.example", "jti": "t1", "run": "r1", "iat": iat, "exp": exp })),
        ("edges", edge("exchanged_into", alias("jti", "t1"), alias("jti", "t2"))),
        ("edges", edge("exchanged_into", alias("jti", "t2"), alias("jti", "t3"))),
        ("tools", json!({ "id": "https://tool.example", "owner": "o" })),
    ];
    for (fact, body) in told {
        let (status, answer) = hub.fact("default", &broker, fact, body.clone()).await;
        assert_eq!(status, 201, "{body}: {answer}");
    }
    let row = |what: &str, bearer: &str, fact: &str, body: Value, want: u16| {
        Row::new(what, "POST", format!("{}/t/default/v1/{fact}", hub.public), want).bearer(bearer).json(body)
    };
    let run = |id: &str, parent: &str| json!({ "id": id, "agent": alias("agent", "a1"), "parent": parent, "deadline": exp });
    let token = |jti: &str, iat: Value, exp: Value| json!({ "iss": "https://idp.example", "jti": jti, "run": "r1", "iat": iat, "exp": exp });
    let named = |id: &str, aliases: Value| json!({ "id": id, "aliases": aliases });
    let rows = [
        row(
            "a cycle of tokens",
            &broker,
            "edges",
            edge("exchanged_into", alias("jti", "t3"), alias("jti", "t1")),
            409,
        ),
        row("a cycle of runs", &broker, "runs", run("r1", "r2"), 409),
        row("a run above itself", &broker, "runs", run("r9", "r9"), 400),
        row(
            "a token out of itself",
            &broker,
            "edges",
            edge("exchanged_into", alias("jti", "t1"), alias("jti", "t1")),
            400,
        ),
        row(
            "two classes: a human that is an agent",
            &broker,
            "agents",
            json!({ "id": "h2", "aliases": [alias("iss_sub", "h1")] }),
            409,
        ),
        row(
            "two classes: a run as a session",
            &broker,
            "edges",
            edge("session_of", alias("run", "r1"), alias("iss_sub", "h1")),
            409,
        ),
        row(
            "two classes: a tool as an agent",
            &broker,
            "edges",
            edge("may_use", alias("tool", "https://tool.example"), alias("tool", "x")),
            409,
        ),
        row(
            "two principals under one name",
            &broker,
            "agents",
            named("a2", json!([alias("client", "c1")])),
            409,
        ),
        row("another source's alias", &other, "agents", named("thief", json!([alias("client", "c1")])), 409),
        row(
            "another source's alias, by an edge",
            &other,
            "edges",
            edge("alias_of", alias("agent", "mine"), alias("client", "c1")),
            409,
        ),
        row("another source's agent", &other, "agents", json!({ "id": "a1", "owner": "thief" }), 409),
        row("another source's run", &other, "runs", run("r2", "r1"), 409),
        row(
            "another source's tool",
            &other,
            "tools",
            json!({ "id": "https://tool.example", "owner": "thief" }),
            409,
        ),
        row("another source's run is done", &other, "runs/r1/complete", json!({}), 409),
        row("what nobody knows is done", &broker, "runs/nobodys/complete", json!({}), 404),
        row("may end nothing", &record, "runs/r1/complete", json!({}), 403),
        row("may tell nothing", &mute, "agents", json!({ "id": "x" }), 403),
        row(
            "beyond its namespaces",
            &narrow,
            "agents",
            named("x", json!([alias("email", "u@other.example")])),
            403,
        ),
        row(
            "beyond its namespaces: an issuer",
            &narrow,
            "agents",
            named("x", json!([alias("client", "c9")])),
            403,
        ),
        row(
            "the same token for another run",
            &broker,
            "tokens",
            json!({ "iss": "https://idp.example", "jti": "t1", "run": "r2", "iat": iat, "exp": exp }),
            409,
        ),
        row("an iat of 1e300", &broker, "tokens", token("t9", json!(1e300), json!(exp)), 400),
        row("an exp as text", &broker, "tokens", token("t9", json!(iat), json!("tomorrow")), 400),
        row("exp before iat", &broker, "tokens", token("t9", json!(exp), json!(iat)), 400),
        row("a negative iat", &broker, "tokens", token("t9", json!(-1), json!(exp)), 400),
        row("an unknown member", &broker, "agents", json!({ "id": "x", "source": "broker" }), 400),
        row("the source as a member", &broker, "tools", json!({ "id": "x", "client": "broker" }), 400),
        row("an empty id", &broker, "agents", json!({ "id": "" }), 400),
        row("a long id", &broker, "agents", json!({ "id": "x".repeat(2000) }), 400),
        row("a NUL in an id", &broker, "agents", json!({ "id": "a\u{0}b" }), 400),
        row("a class of its own", &broker, "agents", json!({ "id": "x", "class": "god" }), 400),
        row(
            "17 names",
            &broker,
            "agents",
            named("x", (0..17).map(|n| alias("client", &n.to_string())).collect()),
            400,
        ),
        row("no alias: no kind", &broker, "agents", named("x", json!([{ "value": "v" }])), 400),
        row(
            "an edge that is derived",
            &broker,
            "edges",
            edge("minted", alias("run", "r1"), alias("jti", "t1")),
            400,
        ),
        row("an idempotency key too long", &broker, "agents", json!({ "id": "x" }), 400)
            .header("idempotency-key", "k".repeat(256)),
        row("an empty idempotency key", &broker, "agents", json!({ "id": "x" }), 400)
            .header("idempotency-key", ""),
    ];
    refused(&hub, &rows).await;
    hub.stop().await;
}

/// A run whose agent, parent, session and human nobody knows is taken; they come later, and the whole of it stops.
#[tokio::test]
async fn unknown_principals_are_kept_until_they_come() {
    let (hub, broker) = hub_with_client().await;
    let nodes = async || hub.status().await["tenants"]["default"]["nodes"].as_u64().unwrap();
    let exp = now_s() + 600;
    let run = json!({ "id": "r1", "agent": alias("agent", "later"), "parent": "r0", "deadline": exp,
                      "session": alias("session", "s1"), "on_behalf_of": alias("iss_sub", "alice") });
    assert_eq!(nodes().await, 0);
    let (status, answer) = hub.fact("default", &broker, "runs", run).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(nodes().await, 5, "the run, and four that are not told of yet");
    let named = [
        ("agents", json!({ "id": "later", "owner": "o" })),
        ("runs", json!({ "id": "r0", "agent": alias("agent", "later"), "deadline": exp })),
        ("edges", edge("session_of", alias("session", "s1"), alias("iss_sub", "alice"))),
    ];
    for (fact, body) in named {
        assert_eq!(hub.fact("default", &broker, fact, body).await.0, 201);
    }
    assert_eq!(nodes().await, 5, "they came: nobody is there twice");
    let act = json!({ "target": alias("iss_sub", "alice"), "reason": "drill" });
    let (_, done) = hub.admin_send("POST", "/admin/v1/t/default/kill", Some(act)).await;
    assert_eq!(done["runs"], 1, "{done}");
    hub.stop().await;
}
