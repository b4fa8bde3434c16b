//! Bearers by the admin API and by file: with overlap, without, and what is refused and changes nothing.

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;

use super::super::authorization::shifted;
use super::super::hub::{Hub, Setup};
use super::super::peers::{Idp, now_s};

const CHOSEN: &str = "chosen-0123456789abcdef";

/// Whether a bearer is good at the door of each kind of holder.
async fn good(hub: &Hub, idp: &Idp, kind: &str, bearer: &str) -> bool {
    static N: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let n = N.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let post = |path: &str| hub.http.post(format!("{}/{path}", hub.iss("default"))).bearer_auth(bearer);
    let status = match kind {
        "upstreams" => {
            let set = idp.session_revoked("hub", &format!("b{n}"), "u", Some("s"), "user");
            let request = post("in/x").header("content-type", "application/secevent+jwt").body(set);
            let answer = request.send().await.unwrap();
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            assert!(status == 202 || text.contains("authentication_failed"), "{status} {text}");
            status
        }
        "clients" => {
            let (one, two) =
                (hub.poll("default", "x", bearer, json!({ "returnImmediately": true })).await.0, {
                    let fact = json!({ "id": format!("a{n}") });
                    hub.fact("default", bearer, "agents", fact).await.0
                });
            assert_eq!(one == 200, two == 201, "poll and facts");
            one
        }
        "points" => match hub.ask("default", bearer, "no token").await {
            (401, _) => 200,
            (403, id) => {
                assert!(id.ends_with("point_unknown"), "{id}");
                403
            }
            other => panic!("{other:?}"),
        },
        _ => {
            let request = hub.http.get(format!("{}/admin/v1/status", hub.admin)).bearer_auth(bearer);
            request.send().await.unwrap().status().as_u16()
        }
    };
    assert!(matches!(status, 200 | 202 | 400 | 401 | 403), "{kind}: {status}");
    status < 300
}

async fn furnished(hub: &Hub) -> Idp {
    let idp = Idp::new("https://idp.example", Alg::ES256);
    let mut upstream = idp.upstream("hub");
    upstream["bearer"] = "first-upstreams-0123456789".into();
    hub.put("default", "upstreams", "x", upstream).await;
    hub.put("default", "clients", "x", json!({ "bearer": "first-clients-0123456789", "facts": true })).await;
    let stream = json!({ "client": "x", "method": "poll", "aud": ["x"], "events_requested": ["*"] });
    hub.put("default", "streams", "x", stream).await;
    hub.put("default", "points", "x", json!({ "bearer": "first-points-0123456789", "aud": ["api"] })).await;
    hub.put("_hub", "operators", "x", json!({ "bearer": "first-operators-0123456789" })).await;
    idp
}

#[tokio::test]
async fn bearers_of_every_kind_are_rotated_with_overlap_and_without() {
    let (hub, clock) = shifted().await;
    let idp = furnished(&hub).await;
    let mut later_s = 0;
    for (tenant, kind) in
        [("default", "upstreams"), ("default", "clients"), ("default", "points"), ("_hub", "operators")]
    {
        let path = format!("/admin/v1/t/{tenant}/{kind}/x");
        let new = async |body: Value| {
            let (code, made) = hub.admin_send("POST", &format!("{path}/bearer"), Some(body)).await;
            assert_eq!(code, 201, "{kind}: {made}");
            made["bearer"].as_str().unwrap().to_string()
        };
        let show = async || hub.admin_send("GET", &path, None).await.1;
        let first = format!("first-{kind}-0123456789");
        let second = new(json!({ "overlap_s": 600 })).await;
        let third = new(json!({ "overlap_s": 6000 })).await;
        let three = async |want: [bool; 3]| {
            for (bearer, want) in [&first, &second, &third].into_iter().zip(want) {
                assert_eq!(good(&hub, &idp, kind, bearer).await, want, "{kind}: {want}");
            }
        };
        three([true, true, true]).await;
        let shown = show().await;
        assert_eq!(shown["old_bearers"].as_array().unwrap().len(), 2, "{shown}");
        assert!(!shown.to_string().contains("sha256"), "{shown}");
        later_s += 700;
        clock.by_s(later_s);
        three([false, true, true]).await;
        // What is shown can be put back, and changes nothing.
        let path = &path;
        let put = async |more: Value| {
            let mut object = show().await;
            object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            hub.admin_send("PUT", path, Some(object)).await
        };
        assert_eq!(put(json!({})).await.0, 200);
        three([false, true, true]).await;
        // The one in use again: nothing is new.
        assert_eq!(put(json!({ "bearer": third, "overlap_s": 0 })).await.0, 200);
        three([false, true, true]).await;
        assert_eq!(put(json!({ "bearer": CHOSEN, "overlap_s": 60 })).await.0, 200);
        three([false, true, true]).await;
        assert!(good(&hub, &idp, kind, CHOSEN).await);
        later_s += 61;
        clock.by_s(later_s);
        three([false, false, false]).await;
        let fourth = put(json!({ "new_bearer": true, "overlap_s": 600 })).await.1["bearer"].clone();
        assert!(
            good(&hub, &idp, kind, fourth.as_str().unwrap()).await && good(&hub, &idp, kind, CHOSEN).await
        );
        assert_eq!(put(json!({ "old_bearers": [] })).await.0, 200, "they are ended");
        assert!(!good(&hub, &idp, kind, CHOSEN).await);
        let fifth = new(json!({ "overlap_s": 600 })).await;
        let sixth = new(json!({})).await;
        assert!(!good(&hub, &idp, kind, &fifth).await && good(&hub, &idp, kind, &sixth).await, "at once");
        let named = json!([{ "bearer": CHOSEN, "expires_at": now_s() + i64::from(later_s as i32) + 100 }]);
        assert_eq!(put(json!({ "old_bearers": named })).await.0, 200);
        assert!(good(&hub, &idp, kind, CHOSEN).await && good(&hub, &idp, kind, &sixth).await);
    }
    hub.stop().await;
}

#[tokio::test]
async fn what_is_refused_changes_no_bearer() {
    let hub = Hub::start().await;
    let idp = furnished(&hub).await;
    hub.put("default", "points", "y", json!({ "bearer": "other-points-0123456789", "aud": ["api"] })).await;
    let new = "/admin/v1/t/default/points/x/bearer";
    assert_eq!(hub.admin_send("POST", new, Some(json!({ "overlap_s": 600 }))).await.0, 201);
    let put = "/admin/v1/t/default/points/x";
    let before = hub.mark("default").await;
    let object = |more: Value| {
        let mut object = json!({ "aud": ["api"] });
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let ten: Vec<Value> = (0..9)
        .map(|n| json!({ "bearer": format!("{CHOSEN}{n}"), "expires_at": 9_999_999_999_i64 }))
        .collect();
    for (method, path, body, want) in [
        ("POST", new, json!({ "overlap_s": "1d" }), 400),
        ("POST", new, json!({ "overlap_s": -1 }), 400),
        ("POST", new, json!({ "overlap_s": 99_999_999 }), 400),
        ("POST", new, json!({ "overlap": 1 }), 400),
        ("POST", new, json!([]), 400),
        ("POST", "/admin/v1/t/default/points/nobody/bearer", json!({}), 404),
        ("POST", "/admin/v1/t/nobody/points/x/bearer", json!({}), 404),
        ("POST", "/admin/v1/t/default/operators/x/bearer", json!({}), 404),
        ("POST", "/admin/v1/t/default/streams/x/bearer", json!({}), 400),
        ("POST", "/admin/v1/t/default/token-issuers/x/bearer", json!({}), 400),
        ("GET", new, json!({}), 405),
        ("PUT", put, object(json!({ "overlap_s": 60 })), 400),
        ("PUT", put, object(json!({ "bearer": "short" })), 400),
        ("PUT", put, object(json!({ "bearer": CHOSEN, "overlap_s": -1 })), 400),
        ("PUT", put, object(json!({ "bearer": CHOSEN, "overlap_s": 60, "old_bearers": [] })), 400),
        ("PUT", put, object(json!({ "bearer": CHOSEN, "new_bearer": true })), 400),
        ("PUT", put, object(json!({ "bearer_sha256": 7 })), 400),
        ("PUT", put, object(json!({ "bearer_sha256": null })), 400),
        ("PUT", put, object(json!({ "old_bearers": ten })), 400),
        ("PUT", put, object(json!({ "old_bearers": {} })), 400),
        ("PUT", put, object(json!({ "old_bearers": [{ "bearer": "short", "expires_at": 1 }] })), 400),
        ("PUT", put, object(json!({ "old_bearers": [{ "bearer": CHOSEN }] })), 400),
        ("PUT", put, object(json!({ "old_bearers": [{ "sha256": "short", "expires_at": 1 }] })), 400),
        // Another point's, now or before: who is who is told apart by it.
        ("PUT", "/admin/v1/t/default/points/y", object(json!({ "bearer": "first-points-0123456789" })), 409),
        (
            "PUT",
            put,
            object(
                json!({ "old_bearers": [{ "bearer": "other-points-0123456789", "expires_at": 9_999_999_999_i64 }] }),
            ),
            409,
        ),
        (
            "PUT",
            "/admin/v1/t/default/streams/x",
            json!({ "client": "x", "method": "poll", "aud": ["x"],
          "events_requested": ["*"], "old_bearers": [] }),
            400,
        ),
    ] {
        let (status, told) = hub.admin_send(method, path, Some(body.clone())).await;
        assert_eq!(status, want, "{method} {path} {body}: {told}");
    }
    assert_eq!(hub.mark("default").await, before);
    assert!(good(&hub, &idp, "points", "first-points-0123456789").await, "still within its overlap");
    // Eight that overlap, and no more.
    let full = "/admin/v1/t/default/clients/x/bearer";
    for n in 0..9 {
        let (status, told) = hub.admin_send("POST", full, Some(json!({ "overlap_s": 600 }))).await;
        assert_eq!(status, if n < 8 { 201 } else { 400 }, "{n}: {told}");
    }
    assert!(good(&hub, &idp, "clients", "first-clients-0123456789").await);
    // An upstream may lose its bearer, and those before it with it.
    let mut open = idp.upstream("hub");
    open["bearer_sha256"] = Value::Null;
    assert_eq!(hub.admin_send("PUT", "/admin/v1/t/default/upstreams/x", Some(open)).await.0, 200);
    assert!(good(&hub, &idp, "upstreams", "whatever-0123456789").await);
    hub.stop().await;
}

#[tokio::test]
async fn bearers_of_the_file_overlap_as_the_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &str| {
        std::fs::write(dir.path().join(name), format!("{value}\n")).unwrap();
        dir.path().join(name)
    };
    let (one, two) =
        (write("one", "first-points-of-file-0123456789"), write("two", "second-points-of-file-0123456789"));
    let point = |bearer: &std::path::Path, old: &str| {
        format!("[[point]]\nid = 'x'\naud = ['api']\nbearer_file = {bearer:?}\n{old}")
    };
    let hub = Hub::start_as(Setup::with(&point(&one, ""))).await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    let (status, told) =
        hub.admin_send("POST", "/admin/v1/t/default/points/x/bearer", Some(json!({ "overlap_s": 60 }))).await;
    assert!(status == 409 && told["detail"].as_str().unwrap().contains("hub.toml"), "{told}");
    let (public, admin, _) = hub.setup.clone();
    let data = hub.stop().await;
    let old = format!("old_bearers = [{{ bearer_file = {one:?}, expires_at = {} }}]\n", now_s() + 600);
    let hub = Hub::start_in(data, Setup { public, admin, ..Setup::with(&point(&two, &old)) }).await;
    for name in ["first", "second"] {
        assert!(good(&hub, &idp, "points", &format!("{name}-points-of-file-0123456789")).await, "{name}");
    }
    let mark = hub.mark("default").await;
    let hub = hub.restart().await;
    assert_eq!(hub.mark("default").await, mark, "nothing in the file changed");
    let data = hub.stop().await;
    let hub = Hub::start_in(data, Setup { public, admin, ..Setup::with(&point(&two, "")) }).await;
    assert!(!good(&hub, &idp, "points", "first-points-of-file-0123456789").await);
    assert!(good(&hub, &idp, "points", "second-points-of-file-0123456789").await);
    hub.stop().await;
}
