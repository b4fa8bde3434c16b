//! Objects that do not hold by themselves or beside the others, by the admin API; operators who are no second ones.

use openssl::rsa::Rsa;
use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;

use super::super::hub::{Hub, Setup};
use super::super::peers::Idp;
use super::{Row, detail, hub_with_client, refused, send};

fn put(hub: &Hub, what: &str, path: &str, body: Value, want: u16) -> Row {
    let url = format!("{}/admin/v1/t/{path}", hub.admin);
    Row::new(format!("{path}: {what}"), "PUT", url, want).bearer(&hub.credential).json(body)
}

/// `base` with one member set, or taken out where the value is null.
fn with(base: &Value, member: &str, value: Value) -> Value {
    let mut object = base.clone();
    match value {
        Value::Null => drop(object.as_object_mut().unwrap().remove(member)),
        value => object[member] = value,
    }
    object
}

fn small_rsa() -> Value {
    use base64::Engine as _;
    let key = Rsa::generate(1024).unwrap();
    let encode =
        |n: &openssl::bn::BigNumRef| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(n.to_vec());
    json!({ "kty": "RSA", "kid": "small", "n": encode(key.n()), "e": encode(key.e()) })
}

#[tokio::test]
async fn upstreams_and_token_issuers() {
    let (hub, _) = hub_with_client().await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    let good = idp.jwks()["keys"][0].clone();
    let inline = |keys: Value| json!({ "inline": { "keys": keys } });
    let private = with(&good, "d", json!("AAAA"));
    let url = |url: &str| json!({ "url": url });
    let authority = |member: &str, value: Value| json!({ member: value });
    // Member, value, what is said of it.
    let both = [
        ("iss", json!(""), "iss"),
        ("iss", json!(7), "invalid type"),
        ("iss", Value::Null, "iss"),
        ("iss", json!(hub.iss("default")), "issuer of this hub"),
        ("iss", json!(hub.iss("other")), "issuer of this hub"),
        ("algs", json!([]), "algs"),
        ("algs", json!(["none"]), "none"),
        ("algs", json!(["HS256"]), "HS256"),
        ("clock_tolerance_s", json!(301), "from 0 to 300"),
        ("clock_tolerance_s", json!(-1), "invalid value"),
        ("clock_tolerance_s", json!(1e300), "invalid type"),
        ("max_token_lifetime_s", json!(59), "from 60"),
        ("x", json!(1), "unknown field"),
        ("jwks", Value::Null, "jwks"),
        ("jwks", json!({ "url": "https://i/x", "inline": { "keys": [good] } }), "exactly one"),
        ("jwks", json!({ "inline": [] }), "not a JSON Web Key Set"),
        ("jwks", json!({ "inline": { "keys": "x" } }), "not a JSON Web Key Set"),
        ("jwks", inline(json!([])), "no key"),
        ("jwks", inline(json!([good, private])), "keys[1] is a private"),
        (
            "jwks",
            inline(json!([{ "kty": "oct", "k": "AAAA", "kid": "h" }])),
            "keys[0] is a private or symmetric",
        ),
        ("jwks", inline(json!([good, small_rsa()])), "keys[1] is an RSA key"),
        ("jwks", inline(json!([good, good])), "keys[1] has the kid"),
        ("jwks", inline(json!([good, "x"])), "keys[1] is no JSON object"),
        ("jwks", inline(json!([with(&good, "x", json!("AAAA"))])), "keys[0] is malformed"),
        ("jwks", inline(json!([with(&good, "use", json!("enc"))])), "no key"),
        ("jwks", inline(vec![good.clone(); 101].into()), "more than 100"),
        ("jwks", url(""), "jwks.url"),
        ("jwks", url("keys"), "URL"),
        ("jwks", url("ftp://idp.example/keys"), "https"),
        ("jwks", url("file:///etc/passwd"), "https"),
        ("jwks", url("http://93.184.216.34/keys"), "https"),
        ("jwks", url("https://user:pw@idp.example/keys"), "credentials"),
        ("jwks", url("https://10.0.0.1/keys"), "not allowed"),
        ("jwks", url("https://169.254.169.254/latest/meta-data"), "not allowed"),
        ("jwks", url("https://[::ffff:10.0.0.1]/keys"), "not allowed"),
        ("jwks", url("https://[64:ff9b::a00:1]/keys"), "not allowed"),
        ("jwks", url("https://[2002:a00:1::]/keys"), "not allowed"),
        ("jwks", url("https://0.0.0.0/keys"), "not allowed"),
        ("jwks", url("https://167772161/keys"), "not allowed"),
        ("jwks", url("https://012.0.0.1/keys"), "not allowed"),
        ("jwks", url("https://0xa000001/keys"), "not allowed"),
        ("jwks", url("https://224.0.0.1/keys"), "not allowed"),
    ];
    let upstreams = [
        ("aud", json!([]), "aud"),
        ("aud", json!([""]), "aud"),
        ("aud", json!("hub"), "invalid type"),
        ("dialect", json!("okta"), "unknown variant"),
        ("bearer", json!("short"), "16 characters"),
        ("bearer", json!("with spaces in between"), "16 characters"),
        ("bearer", json!(7), "16 characters"),
        ("bearer_sha256", json!("x"), "SHA-256"),
        ("new_bearer", json!("yes"), "true or false"),
        ("id", json!("other"), "differs from the path"),
        ("authority", authority("event_types", json!([])), "authority.event_types"),
        ("authority", authority("event_types", json!([""])), "authority.event_types"),
        ("authority", authority("namespaces", json!([])), "authority.namespaces"),
        ("authority", authority("namespaces", json!([""])), "authority.namespaces"),
        ("authority", authority("effect", json!("destroy")), "unknown variant"),
        ("authority", authority("rate_per_s", json!(0)), "authority.rate_per_s"),
        ("authority", authority("rate", json!(1)), "unknown field"),
    ];
    let mut rows = vec![];
    let whole = [("upstreams", idp.upstream("hub")), ("token-issuers", idp.token_issuer())];
    for (collection, base) in &whole {
        let more = if *collection == "upstreams" { &upstreams[..] } else { &[] };
        for (member, value, says) in both.iter().chain(more) {
            let object = with(base, member, value.clone());
            rows.push((
                put(&hub, &format!("{member} {value}"), &format!("default/{collection}/x"), object, 400),
                says,
            ));
        }
    }
    for id in ["..hidden", ".hidden", "a%2fb", "a%20b", "%00", &"x".repeat(65)] {
        rows.push((
            put(&hub, "a bad id", &format!("default/upstreams/{id}"), whole[0].1.clone(), 400),
            &"id must be",
        ));
    }
    for (row, says) in &rows {
        let said = send(&hub, row).await;
        assert!(detail(&said).contains(**says), "{}: wanted {says}, got {}", row.what, said.body);
    }
    let rows: Vec<Row> = rows.into_iter().map(|(row, _)| row).collect();
    refused(&hub, &rows).await;
    // The same without what is wrong; a published set holds keys for other purposes, which are passed over.
    let enc = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "enc" });
    let base = with(&whole[0].1, "jwks", inline(json!([enc, good])));
    hub.put("default", "upstreams", "x", base).await;
    hub.stop().await;
}

#[tokio::test]
async fn streams_clients_and_points() {
    let (hub, _) = hub_with_client().await;
    let push = json!({ "client": "broker", "method": "push", "endpoint_url": "https://r.example/", "aud": ["r"],
                       "events_requested": ["*"] });
    let poll = json!({ "client": "broker", "method": "poll", "aud": ["r"], "events_requested": ["*"] });
    let stream = |what: &str, body: Value, want: u16| put(&hub, what, "default/streams/x", body, want);
    let client = json!({ "bearer": "client-bearer-0123456789" });
    hub.put("default", "clients", "first", client.clone()).await;
    let point = json!({ "bearer": "point-bearer-0123456789", "aud": ["api"] });
    hub.put("default", "points", "first", point.clone()).await;
    let rows = [
        stream("nobody's", with(&push, "client", json!("nobody")), 409),
        stream("no client", with(&push, "client", Value::Null), 400),
        stream("no audience", with(&push, "aud", json!([])), 400),
        stream("an empty audience", with(&push, "aud", json!([""])), 400),
        stream("no events", with(&push, "events_requested", json!([])), 400),
        stream("an empty event", with(&push, "events_requested", json!([""])), 400),
        stream("signed with HS256", with(&push, "alg", json!("HS256")), 400),
        stream("signed with none", with(&push, "alg", json!("none")), 400),
        stream("another method", with(&push, "method", json!("smtp")), 400),
        stream("push to nowhere", with(&push, "endpoint_url", Value::Null), 400),
        stream("push inside", with(&push, "endpoint_url", json!("https://192.168.1.1/")), 400),
        stream(
            "push to the metadata service",
            with(&push, "endpoint_url", json!("https://169.254.169.254/")),
            400,
        ),
        stream("push in the clear", with(&push, "endpoint_url", json!("http://8.8.8.8/")), 400),
        stream("push to a file", with(&push, "endpoint_url", json!("file:///dev/null")), 400),
        stream("credentials in the URL", with(&push, "endpoint_url", json!("https://a:b@r.example/")), 400),
        stream("poll from a URL", with(&poll, "endpoint_url", json!("https://r.example/")), 400),
        stream("poll with a header to send", with(&poll, "authorization_header", json!("Bearer x")), 400),
        stream("a header of two lines", with(&push, "authorization_header", json!("a\r\nb: c")), 400),
        stream("an empty header", with(&push, "authorization_header", json!("")), 400),
        stream("a header that is a number", with(&push, "authorization_header", json!(7)), 400),
        stream("an unknown member", with(&push, "status", json!("paused")), 400),
        put(&hub, "no bearer", "default/clients/x", json!({}), 400),
        put(&hub, "an empty bearer", "default/clients/x", json!({ "bearer": "" }), 400),
        put(&hub, "a hash that is none", "default/clients/x", json!({ "bearer_sha256": "abc" }), 400),
        put(&hub, "another one's bearer", "default/clients/x", client, 409),
        put(
            &hub,
            "no namespace",
            "default/clients/x",
            json!({ "new_bearer": true, "authority": { "namespaces": [] } }),
            400,
        ),
        put(&hub, "no bearer", "default/points/x", json!({ "aud": ["api"] }), 400),
        put(&hub, "no audience", "default/points/x", with(&point, "aud", json!([])), 400),
        put(&hub, "another one's bearer", "default/points/x", point, 409),
        put(&hub, "a tenant's name", "_hub/tenants/NOBODY", json!({}), 400),
        put(&hub, "the reserved name", "_hub/tenants/_hub", json!({}), 400),
        put(&hub, "another tenant's kind", "default/tenants/x", json!({}), 404),
        put(&hub, "another tenant's kind", "_hub/clients/x", json!({ "new_bearer": true }), 404),
        put(&hub, "no such tenant", "nobody/clients/x", json!({ "new_bearer": true }), 404),
    ];
    refused(&hub, &rows).await;
    hub.stop().await;
}

/// Two operators with one bearer could not be told apart in the journal; without any, nobody could make one.
#[tokio::test]
async fn operators_are_told_apart_and_one_remains() {
    let (hub, _) = hub_with_client().await;
    let second = "second-operator-0123456789";
    hub.put("_hub", "operators", "second", json!({ "bearer": second })).await;
    let remove = |id: &str, bearer: &str, want: u16| {
        let url = format!("{}/admin/v1/t/_hub/operators/{id}", hub.admin);
        Row::new(format!("remove {id}"), "DELETE", url, want).bearer(bearer)
    };
    let rows = [
        put(&hub, "another one's bearer", "_hub/operators/third", json!({ "bearer": second }), 409),
        put(&hub, "the first one's", "_hub/operators/third", json!({ "bearer": hub.credential }), 409),
        put(&hub, "no bearer", "_hub/operators/third", json!({}), 400),
        put(&hub, "a short one", "_hub/operators/third", json!({ "bearer": "0123456789abcde" }), 400),
        remove("nobody", &hub.credential, 404),
    ];
    refused(&hub, &rows).await;
    assert_eq!(send(&hub, &remove("second", &hub.credential, 204)).await.status, 204);
    refused(&hub, &[remove("admin", &hub.credential, 409)]).await;
    assert_eq!(send(&hub, &remove("admin", second, 401)).await.status, 401, "that one is nobody any more");
    hub.stop().await;
}

/// Names that lead inside are told when they are configured, not when nothing arrives.
#[tokio::test]
async fn names_of_inside_networks() {
    let hub = Hub::start_as(Setup::with("[egress]\nallow_cidrs = []\n")).await;
    let bearer = hub.put("default", "clients", "a", json!({ "new_bearer": true, "receiver": {} })).await;
    let bearer = bearer["bearer"].as_str().unwrap();
    let idp = Idp::new("https://idp.example", Alg::ES256);
    let names =
        ["localhost", "LOCALHOST.", "a.localhost", "nas.local", "metadata.google.internal", "x.home.arpa"];
    let push = |url: &str| json!({ "delivery": { "method": "urn:ietf:rfc:8935", "endpoint_url": url } });
    let door = format!("{}/t/default/ssf/streams", hub.public);
    let mut rows = vec![];
    for name in names {
        let url = format!("https://{name}/x");
        let create = Row::new(format!("create: {url}"), "POST", &door, 400);
        rows.push(create.bearer(bearer).json(push(&url)));
        let stream = json!({ "client": "a", "method": "push", "endpoint_url": url, "aud": ["a"],
                             "events_requested": ["*"] });
        rows.push(put(&hub, &url, "default/streams/s", stream, 400));
        let upstream = with(&idp.upstream("hub"), "jwks", json!({ "url": url }));
        rows.push(put(&hub, &url, "default/upstreams/kc", upstream, 400));
    }
    refused(&hub, &rows).await;
    let said = send(&hub, &rows[0]).await;
    assert!(detail(&said).contains("inside networks"), "{}", detail(&said));
    let public = Row::new("create", "POST", &door, 201).bearer(bearer).json(push("https://local.example/x"));
    assert_eq!(send(&hub, &public).await.status, 201);
    hub.stop().await;
    // Where a network inside is allowed, the address that a name leads to decides, as it is used.
    let hub = Hub::start().await;
    let made = hub.put("default", "clients", "a", json!({ "new_bearer": true, "receiver": {} })).await;
    let row = Row::new("create", "POST", format!("{}/t/default/ssf/streams", hub.public), 201);
    let row = row.bearer(made["bearer"].as_str().unwrap()).json(push("https://localhost/x"));
    assert_eq!(send(&hub, &row).await.status, 201);
    hub.stop().await;
}
