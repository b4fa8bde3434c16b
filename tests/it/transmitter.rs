//! The SSF management API as receivers use it: discover, create, read, update, replace, pause, verify, add subjects,
//! delete; and what others see of it (SSF 1.0, 7 and 8; NEED-20 to NEED-24).

use std::time::Duration;

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;

use super::hub::{Hub, Setup, until};
use super::peers::{Idp, PushReceiver, SESSION_REVOKED, claims_of};

const CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/credential-change";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const UPDATED: &str = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";
const PUSH: &str = "urn:ietf:rfc:8935";
const POLL: &str = "urn:ietf:rfc:8936";

/// A receiver that knows the issuer's URL and has a bearer, and nothing else.
pub(super) struct Receiver {
    hub_iss: String,
    pub(super) bearer: String,
    http: reqwest::Client,
    pub(super) metadata: Value,
}

/// An answer: status and body.
pub(super) type Answer = (u16, Value);

impl Receiver {
    pub(super) async fn discover(hub: &Hub, bearer: &str) -> Self {
        let url = format!("{}/.well-known/ssf-configuration/t/default", hub.public);
        let answer = hub.http.get(url).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json");
        let metadata: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let hub_iss = hub.iss("default");
        assert_eq!(metadata["issuer"], hub_iss);
        Self { hub_iss, bearer: bearer.into(), http: hub.http.clone(), metadata }
    }

    pub(super) async fn send(
        &self,
        method: &str,
        endpoint: &str,
        query: &str,
        body: Option<Value>,
    ) -> Answer {
        let url = format!("{}{query}", self.metadata[endpoint].as_str().unwrap());
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, url).bearer_auth(&self.bearer);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store", "{endpoint}");
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(super) async fn create(&self, body: Value) -> Value {
        let (status, stream) = self.send("POST", "configuration_endpoint", "", Some(body)).await;
        assert_eq!(status, 201, "{stream}");
        assert_eq!(stream["iss"], self.hub_iss);
        stream
    }

    async fn of(&self, stream: &Value) -> Answer {
        let query = format!("?stream_id={}", stream["stream_id"].as_str().unwrap());
        self.send("GET", "configuration_endpoint", &query, None).await
    }

    async fn status(&self, stream: &Value, status: &str) -> Answer {
        let body = json!({ "stream_id": stream["stream_id"], "status": status, "reason": "drill" });
        self.send("POST", "status_endpoint", "", Some(body)).await
    }

    async fn verify(&self, stream: &Value, state: &str) -> u16 {
        let body = json!({ "stream_id": stream["stream_id"], "state": state });
        self.send("POST", "verification_endpoint", "", Some(body)).await.0
    }

    /// Polls at once, acknowledges at once: the claims of what there was.
    pub(super) async fn take(&self, stream: &Value) -> Vec<Value> {
        let url = stream["delivery"]["endpoint_url"].as_str().unwrap();
        let poll = |body: Value| {
            let request = self.http.post(url).bearer_auth(&self.bearer).body(body.to_string());
            async move {
                serde_json::from_str::<Value>(&request.send().await.unwrap().text().await.unwrap()).unwrap()
            }
        };
        let sets = poll(json!({ "returnImmediately": true })).await["sets"].as_object().unwrap().clone();
        let acks: Vec<&String> = sets.keys().collect();
        poll(json!({ "ack": acks, "maxEvents": 0, "returnImmediately": true })).await;
        sets.values().map(|set| claims_of(set.as_str().unwrap())).collect()
    }
}

fn types(sets: &[Value]) -> Vec<String> {
    let of = |set: &Value| set["events"].as_object().unwrap().keys().next().unwrap().clone();
    sets.iter().map(of).collect()
}

pub(super) async fn receiver(hub: &Hub, id: &str, rights: Value) -> Receiver {
    let answer = hub.put("default", "clients", id, json!({ "new_bearer": true, "receiver": rights })).await;
    Receiver::discover(hub, answer["bearer"].as_str().unwrap()).await
}

pub(super) async fn idp(hub: &Hub) -> Idp {
    let idp = Idp::new("https://idp.example", Alg::ES256);
    hub.put("default", "upstreams", "idp", idp.upstream("hub")).await;
    idp
}

async fn revoke(hub: &Hub, idp: &Idp, jti: &str, email: &str) {
    let sub_id = json!({ "format": "email", "email": email });
    let set = idp.sign(&idp.claims("hub", jti, SESSION_REVOKED, sub_id, json!({})));
    assert_eq!(hub.push("default", "idp", &set).await.0, 202);
}

#[tokio::test]
async fn a_stream_from_create_to_delete() {
    let hub = Hub::start().await;
    let idp = idp(&hub).await;
    let a = receiver(&hub, "a", json!({ "streams_max": 2, "min_verification_interval_s": 0 })).await;
    assert_eq!(a.send("GET", "configuration_endpoint", "", None).await, (200, json!([])));

    let poll = a.create(json!({})).await;
    assert_eq!((poll["delivery"]["method"].as_str(), &poll["events_delivered"]), (Some(POLL), &json!([])));
    let body = json!({ "events_requested": [SESSION_REVOKED, "urn:made:up"], "description": "d", "aud": ["mine"], "stream_id": "mine" });
    let other = a.create(body).await;
    assert_eq!(other["events_delivered"], json!([SESSION_REVOKED]));
    assert_eq!(other["aud"], json!(["a"]), "the transmitter's to say");
    assert_ne!(other["delivery"]["endpoint_url"], poll["delivery"]["endpoint_url"]);
    let (status, _) = a.send("POST", "configuration_endpoint", "", Some(json!({}))).await;
    assert_eq!(status, 409, "a third is one too many");
    assert_eq!(a.of(&poll).await, (200, poll.clone()), "and touches nothing");
    let (_, all) = a.send("GET", "configuration_endpoint", "", None).await;
    assert_eq!(all.as_array().unwrap().len(), 2);

    revoke(&hub, &idp, "j1", "a@x").await;
    let got = a.take(&other).await;
    assert_eq!((types(&got), got[0]["aud"].as_str()), (vec![SESSION_REVOKED.to_string()], Some("a")));
    assert!(a.take(&poll).await.is_empty(), "it asked for nothing");

    let patch = json!({ "stream_id": poll["stream_id"], "events_requested": [SESSION_REVOKED], "events_delivered": [] });
    let (status, patched) = a.send("PATCH", "configuration_endpoint", "", Some(patch)).await;
    assert_eq!((status, &patched["events_delivered"]), (200, &json!([SESSION_REVOKED])));
    let put = json!({ "stream_id": other["stream_id"] });
    let (status, replaced) = a.send("PUT", "configuration_endpoint", "", Some(put)).await;
    assert_eq!((status, &replaced["events_delivered"], replaced.get("description")), (200, &json!([]), None));
    revoke(&hub, &idp, "j2", "a@x").await;
    assert_eq!((a.take(&poll).await.len(), a.take(&other).await.len()), (1, 0));

    assert_eq!(a.verify(&poll, "ünï \u{1F600}").await, 204);
    let got = a.take(&poll).await;
    assert_eq!(got[0]["events"][VERIFICATION], json!({ "state": "ünï \u{1F600}" }));
    assert_eq!(got[0]["sub_id"], json!({ "format": "opaque", "id": poll["stream_id"] }));

    let query = format!("?stream_id={}", poll["stream_id"].as_str().unwrap());
    assert_eq!(a.send("DELETE", "configuration_endpoint", &query, None).await, (204, json!("")));
    assert_eq!(a.send("DELETE", "configuration_endpoint", &query, None).await.0, 404);
    assert_eq!(a.of(&poll).await.0, 404);
    assert_eq!(a.send("DELETE", "configuration_endpoint", "", None).await.0, 400);
    let hub = hub.restart().await;
    assert_eq!(a.of(&other).await, (200, replaced));
    hub.stop().await;
}

#[tokio::test]
async fn nobody_sees_anything_of_another_receiver() {
    let hub = Hub::start().await;
    let (a, b) = (receiver(&hub, "a", json!({})).await, receiver(&hub, "b", json!({})).await);
    let stream = a.create(json!({})).await;
    let id = stream["stream_id"].as_str().unwrap();
    let email = json!({ "format": "email", "email": "a@x" });
    let about = json!({ "stream_id": id, "status": "paused", "subject": email, "state": "s" });
    for stream_id in [id, "00000000000000000000000000000000"] {
        let query = format!("?stream_id={stream_id}");
        let body = Value::Object(
            about
                .as_object()
                .unwrap()
                .clone()
                .into_iter()
                .chain([("stream_id".into(), stream_id.into())])
                .collect(),
        );
        for (method, endpoint) in [
            ("GET", "configuration_endpoint"),
            ("DELETE", "configuration_endpoint"),
            ("GET", "status_endpoint"),
        ] {
            assert_eq!(b.send(method, endpoint, &query, None).await.0, 404, "{method} {endpoint}");
        }
        for (method, endpoint) in [
            ("PATCH", "configuration_endpoint"),
            ("PUT", "configuration_endpoint"),
            ("POST", "status_endpoint"),
            ("POST", "add_subject_endpoint"),
            ("POST", "remove_subject_endpoint"),
            ("POST", "verification_endpoint"),
        ] {
            assert_eq!(b.send(method, endpoint, "", Some(body.clone())).await.0, 404, "{method} {endpoint}");
        }
        assert_eq!(hub.poll("default", stream_id, &b.bearer, json!({})).await.0, 404);
    }
    assert_eq!(b.send("GET", "configuration_endpoint", "", None).await, (200, json!([])));
    assert_eq!(a.of(&stream).await.0, 200);
    hub.stop().await;
}

#[tokio::test]
async fn paused_holds_disabled_drops_and_an_operator_tells_first() {
    let hub = Hub::start().await;
    let idp = idp(&hub).await;
    let sink = PushReceiver::start().await;
    let a = receiver(&hub, "a", json!({ "min_verification_interval_s": 0 })).await;
    let delivery = json!({ "method": PUSH, "endpoint_url": sink.url, "authorization_header": "Bearer of-a" });
    let pushed = a.create(json!({ "events_requested": [SESSION_REVOKED], "delivery": delivery })).await;
    assert!(pushed["delivery"].get("authorization_header").is_none(), "never shown");
    let polled = a.create(json!({ "events_requested": [SESSION_REVOKED] })).await;

    for stream in [&pushed, &polled] {
        let (status, shown) = a.status(stream, "paused").await;
        assert_eq!(status, 200);
        assert_eq!(shown, json!({ "stream_id": stream["stream_id"], "status": "paused", "reason": "drill" }));
    }
    for n in 0..3 {
        revoke(&hub, &idp, &format!("p{n}"), "a@x").await;
    }
    assert_eq!(a.verify(&pushed, "held").await, 204);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(sink.got().is_empty() && a.take(&polled).await.is_empty(), "nothing, not even a verification");
    for stream in [&pushed, &polled] {
        a.status(stream, "enabled").await;
    }
    let got = sink.wait_for(4).await;
    let txns: Vec<_> =
        got.iter().filter_map(|g| g.claims["txn"].as_str()).filter(|t| t.starts_with("txn-p")).collect();
    assert_eq!(txns, ["txn-p0", "txn-p1", "txn-p2"], "in order");
    assert!(got.iter().all(|g| g.authorization.as_deref() == Some("Bearer of-a")));
    assert_eq!(a.take(&polled).await.len(), 3);

    a.status(&polled, "disabled").await;
    revoke(&hub, &idp, "d", "a@x").await;
    a.status(&polled, "enabled").await;
    assert!(a.take(&polled).await.is_empty(), "dropped");

    // An operator's pause is told before it stops anything; what was waiting goes on waiting.
    let path = |stream: &Value| {
        format!("/admin/v1/t/default/streams/{}/status", stream["stream_id"].as_str().unwrap())
    };
    sink.wait_for(5).await;
    for stream in [&pushed, &polled] {
        let (status, _) =
            hub.admin_send("POST", &path(stream), Some(json!({ "status": "paused", "reason": "ops" }))).await;
        assert_eq!(status, 200);
    }
    let told = sink.wait_for(6).await.pop().unwrap().claims;
    assert_eq!(told["events"][UPDATED], json!({ "status": "paused", "reason": "ops" }));
    assert_eq!(told["sub_id"], json!({ "format": "opaque", "id": pushed["stream_id"] }));
    assert_eq!(types(&a.take(&polled).await), [UPDATED]);
    for stream in [&pushed, &polled] {
        until("it is paused", 5, || async {
            hub.admin_send("GET", &path(stream), None).await.1["status"] == "paused"
        })
        .await;
        let query = format!("?stream_id={}", stream["stream_id"].as_str().unwrap());
        assert_eq!(a.send("GET", "status_endpoint", &query, None).await.1["reason"], "ops");
    }
    revoke(&hub, &idp, "late", "a@x").await;
    let hub = hub.restart().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((sink.got().len(), a.take(&polled).await.len()), (6, 0), "paused across a restart");
    hub.admin_send("POST", &path(&pushed), Some(json!({ "status": "enabled" }))).await;
    hub.admin_send("POST", &path(&polled), Some(json!({ "status": "enabled" }))).await;
    let got: Vec<Value> = sink.wait_for(8).await.into_iter().skip(6).map(|g| g.claims).collect();
    assert_eq!(types(&got), [UPDATED, SESSION_REVOKED], "told, then what was held");
    assert_eq!(types(&a.take(&polled).await), [UPDATED, SESSION_REVOKED]);
    hub.stop().await;
}

#[tokio::test]
async fn subjects_come_and_go() {
    let hub = Hub::start().await;
    let idp = idp(&hub).await;
    let rights = json!({ "default_subjects": "NONE", "subjects_max": 2 });
    let a = receiver(&hub, "a", rights).await;
    assert_eq!(a.metadata["default_subjects"], "NONE");
    let (one, two) = (
        a.create(json!({ "events_requested": [SESSION_REVOKED] })).await,
        a.create(json!({ "events_requested": [SESSION_REVOKED] })).await,
    );
    let email = |address: &str| json!({ "format": "email", "email": address });
    let subject = |endpoint: &'static str, stream: &Value, subject: Value| {
        let body = json!({ "stream_id": stream["stream_id"], "subject": subject, "verified": true });
        let a = &a;
        async move { a.send("POST", endpoint, "", Some(body)).await }
    };
    let (add, remove) = ("add_subject_endpoint", "remove_subject_endpoint");
    revoke(&hub, &idp, "j1", "a@x").await;
    assert_eq!(subject(add, &one, email("a@x")).await, (200, json!("")));
    assert_eq!(subject(add, &one, email("a@x")).await.0, 200, "again");
    revoke(&hub, &idp, "j2", "a@x").await;
    revoke(&hub, &idp, "j3", "A@x").await;
    let got = a.take(&one).await;
    assert_eq!(got.iter().map(|g| g["txn"].as_str().unwrap()).collect::<Vec<_>>(), ["txn-j2"]);
    assert!(a.take(&two).await.is_empty(), "another stream's");
    assert_eq!(subject(add, &one, email("b@x")).await.0, 200);
    assert_eq!(subject(add, &one, email("c@x")).await.0, 403, "subjects_max");
    assert_eq!(
        subject(remove, &one, email("nobody@x")).await,
        (204, json!("")),
        "the same as for a known one"
    );
    assert_eq!(subject(remove, &one, email("a@x")).await.0, 204);
    revoke(&hub, &idp, "j4", "a@x").await;
    assert!(a.take(&one).await.is_empty());

    let before = hub.mark("default").await;
    for bad in [
        json!(null),
        json!("a@x"),
        json!({}),
        json!({ "format": "email" }),
        json!({ "format": "email", "email": "" }),
        json!({ "format": "email", "email": "a@x", "more": 1 }),
        json!({ "format": "complex" }),
        json!({ "format": "complex", "user": { "format": "complex" } }),
        json!({ "format": "complex", "user": "x" }),
    ] {
        for endpoint in [add, remove] {
            assert_eq!(subject(endpoint, &one, bad.clone()).await.0, 400, "{bad}");
        }
    }
    let body = json!({ "stream_id": one["stream_id"], "subject": email("a@x"), "verified": "yes" });
    assert_eq!(a.send("POST", add, "", Some(body)).await.0, 400);
    assert_eq!(hub.mark("default").await, before);
    hub.stop().await;
}

#[tokio::test]
async fn bad_requests_say_why_and_change_nothing() {
    let hub = Hub::start().await;
    let a = receiver(&hub, "a", json!({ "event_types": [SESSION_REVOKED, CHANGE] })).await;
    let stream = a.create(json!({ "events_requested": [CHANGE] })).await;
    let before = hub.mark("default").await;
    let id = &stream["stream_id"];
    let raw =
        |method: &'static str, endpoint: &'static str, kind: Option<&'static str>, body: &'static str| {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let mut request =
                a.http.request(method, a.metadata[endpoint].as_str().unwrap()).bearer_auth(&a.bearer);
            if let Some(kind) = kind {
                request = request.header("content-type", kind);
            }
            async move { request.body(body).send().await.unwrap().status().as_u16() }
        };
    let json_type = Some("application/json; charset=utf-8");
    for (method, endpoint) in [
        ("POST", "configuration_endpoint"),
        ("PATCH", "configuration_endpoint"),
        ("PUT", "configuration_endpoint"),
        ("POST", "status_endpoint"),
        ("POST", "add_subject_endpoint"),
        ("POST", "verification_endpoint"),
    ] {
        for body in [";{ broken", "[]", "null", "\"x\"", r#"{"a":1,"a":2}"#] {
            assert_eq!(raw(method, endpoint, json_type, body).await, 400, "{method} {endpoint} {body}");
        }
        assert_eq!(raw(method, endpoint, Some("text/plain"), "{}").await, 415, "{method} {endpoint}");
    }
    assert_eq!(raw("POST", "jwks_uri", None, "").await, 405);
    let push = |url: &str| json!({ "delivery": { "method": PUSH, "endpoint_url": url } });
    for body in [
        push("not a url"),
        push("https://user:secret@r.example/"),
        push("https://10.0.0.1/"),
        push("https://169.254.169.254/latest"),
        push("ftp://127.0.0.1/"),
        push("http://r.example/"),
        json!({ "delivery": { "method": PUSH } }),
        json!({ "delivery": { "method": "urn:example:x" } }),
        json!({ "events_requested": 7 }),
    ] {
        let (status, problem) = a.send("POST", "configuration_endpoint", "", Some(body.clone())).await;
        assert_eq!((status, problem["status"].as_u64()), (400, Some(400)), "{body}: {problem}");
    }
    for (member, value) in [("iss", json!("x")), ("aud", json!("x")), ("events_delivered", json!([]))] {
        let mut body = json!({ "stream_id": id, "description": "new" });
        body[member] = value;
        for method in ["PATCH", "PUT"] {
            assert_eq!(
                a.send(method, "configuration_endpoint", "", Some(body.clone())).await.0,
                400,
                "{body}"
            );
        }
    }
    for method in ["PATCH", "PUT"] {
        let body = json!({ "description": "no id" });
        assert_eq!(a.send(method, "configuration_endpoint", "", Some(body)).await.0, 400);
    }
    for body in [
        json!({}),
        json!({ "stream_id": id }),
        json!({ "stream_id": id, "status": "PAUSED" }),
        json!({ "status": "paused" }),
    ] {
        assert_eq!(a.send("POST", "status_endpoint", "", Some(body.clone())).await.0, 400, "{body}");
    }
    assert_eq!(a.send("GET", "status_endpoint", "", None).await.0, 400);
    let body = json!({ "stream_id": id, "state": 7 });
    assert_eq!(a.send("POST", "verification_endpoint", "", Some(body)).await.0, 400);
    assert_eq!(a.of(&stream).await, (200, stream.clone()));
    assert_eq!(hub.mark("default").await, before);
    assert_eq!(
        (a.verify(&stream, "1").await, a.verify(&stream, "2").await),
        (204, 429),
        "a verification storm"
    );
    let body = json!({ "stream_id": id }).to_string();
    let endpoint = a.metadata["verification_endpoint"].as_str().unwrap();
    let later =
        a.http.post(endpoint).bearer_auth(&a.bearer).body(body).header("content-type", "application/json");
    let later = later.send().await.unwrap();
    let wait: u64 = later.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(later.status() == 429 && (1..=30).contains(&wait), "{wait} s until the interval is over");
    for (path, status) in
        [("/t/nope", 404), ("", 404), ("/t/default/", 404), ("/x/t/default", 404), ("/t/_hub", 404)]
    {
        let url = format!("{}/.well-known/ssf-configuration{path}", hub.public);
        assert_eq!(hub.http.get(url).send().await.unwrap().status(), status, "{path}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_receiver_whose_poll_waits_is_not_silent() {
    let hub = Hub::start_as(Setup::with("[limits]\npoll_timeout_ms = 6000\n")).await;
    let a = receiver(&hub, "a", json!({})).await;
    let stream = a.create(json!({ "events_requested": [CHANGE] })).await;
    let path = format!("{}/poll/{}", hub.iss("default"), stream["stream_id"].as_str().unwrap());
    let begun_ms = super::peers::now_s() * 1000;
    let poll = async {
        let answer = hub.http.post(path).bearer_auth(&a.bearer).body("{}").send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
            (200, r#"{"sets":{}}"#)
        );
    };
    let stopped = || async {
        let events = hub.admin_send("GET", "/admin/v1/operations", None).await.1;
        let mut stops = events.as_array().unwrap().iter().filter(|event| event["kind"] == "stream_inactive");
        stops.next().map(|event| event["at_ms"].as_i64().unwrap())
    };
    // A poll that is taken looks its stream up, and then waits.
    let lookups = || async {
        let page = hub.admin_send("GET", "/metrics", None).await.1;
        let line = page.as_str().unwrap().lines().find(|line| line.starts_with("ssf_hub_stream_lookups "));
        line.unwrap().to_string()
    };
    let before = lookups().await;
    let others = async {
        until("the poll is there", 30, || async { lookups().await != before }).await;
        hub.put("default", "clients", "a", json!({ "receiver": { "inactivity_timeout_s": 1 } })).await;
        until("it is stopped when nobody polls any more", 60, || async { stopped().await.is_some() }).await;
    };
    tokio::join!(poll, others);
    assert!(stopped().await.unwrap() >= begun_ms + 6_000, "it was stopped while its poll waited");
    hub.stop().await;
}

#[tokio::test]
async fn silent_receivers_are_paused_and_told_and_rights_that_narrow_bind_at_once() {
    let hub = Hub::start_as(Setup::with("[ssf]\nkeep_alive_cron = \"* * * * * *\"\n")).await;
    let idp = idp(&hub).await;
    let rights =
        |timeout_s: u32| json!({ "inactivity_timeout_s": timeout_s, "inactivity_status": "disabled" });
    let a = receiver(&hub, "a", rights(600)).await;
    let stream = a.create(json!({ "events_requested": [SESSION_REVOKED, CHANGE] })).await;
    assert_eq!(stream["inactivity_timeout"], 600);
    until("an unsolicited verification", 30, || async {
        let came = a.take(&stream).await;
        let unasked: Vec<&Value> = came.iter().filter_map(|set| set["events"].get(VERIFICATION)).collect();
        assert!(
            unasked.iter().all(|event| **event == json!({})),
            "nobody asked, so there is no state: {came:?}"
        );
        !unasked.is_empty()
    })
    .await;
    let path = format!("/admin/v1/t/default/streams/{}/status", stream["stream_id"].as_str().unwrap());
    hub.put("default", "clients", "a", json!({ "receiver": rights(2) })).await;
    assert_eq!(a.of(&stream).await.1["inactivity_timeout"], 2);
    // Nobody polls, nobody asks for the stream: it is told that it stops, and stops when it has heard it.
    until("it is about to stop", 10, || async {
        hub.admin_send("GET", &path, None).await.1.get("becomes").is_some()
    })
    .await;
    assert!(types(&a.take(&stream).await).contains(&UPDATED.to_string()));
    until("it is disabled", 5, || async {
        hub.admin_send("GET", &path, None).await.1["status"] == "disabled"
    })
    .await;
    a.status(&stream, "enabled").await;
    let narrow = json!({ "receiver": { "event_types": [CHANGE] } });
    hub.put("default", "clients", "a", narrow).await;
    let (_, now) = a.of(&stream).await;
    assert_eq!((&now["events_delivered"], &now["events_supported"]), (&json!([CHANGE]), &json!([CHANGE])));
    revoke(&hub, &idp, "j1", "a@x").await;
    assert!(!types(&a.take(&stream).await).contains(&SESSION_REVOKED.to_string()));
    hub.stop().await;
}

/// Two hubs, each a receiver of the other by a stream that it made there itself, under a token that it got there.
#[tokio::test]
async fn a_ring_of_two_hubs_falls_silent() {
    let (one, two) = (Hub::start().await, Hub::start().await);
    let idp = idp(&one).await;
    let mut counts = vec![];
    for (from, to) in [(&one, &two), (&two, &one)] {
        let rights = json!({ "aud": [to.iss("default")], "alg": "ES256" });
        let receiver = receiver(from, "peer", rights).await;
        let upstream = json!({
            "iss": from.iss("default"), "aud": [to.iss("default")],
            "jwks": { "url": format!("{}/jwks.json", from.iss("default")) },
        });
        to.put("default", "upstreams", "peer", upstream).await;
        let delivery = json!({ "method": PUSH, "endpoint_url": format!("{}/in/peer", to.iss("default")) });
        let stream =
            receiver.create(json!({ "events_requested": [SESSION_REVOKED], "delivery": delivery })).await;
        assert_eq!(receiver.verify(&stream, "ring").await, 204);
        counts.push((from, stream));
    }
    revoke(&one, &idp, "logout", "a@x").await;
    let idle = || async {
        let owed = |status: &Value| status["tenants"]["default"]["owed"] == 0;
        owed(&one.status().await) && owed(&two.status().await)
    };
    until("nothing is owed any more", 20, idle).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    until("and nothing came after it", 20, idle).await;
    let mut sets = 0;
    for (hub, stream) in counts {
        let path = format!("/admin/v1/t/default/streams/{}/attempts", stream["stream_id"].as_str().unwrap());
        let (_, shown) = hub.admin_send("GET", &path, None).await;
        let attempts = shown["attempts"].as_array().unwrap();
        assert!(attempts.iter().all(|a| a["status"] == 202), "{attempts:?}");
        sets += attempts.len();
    }
    println!("one logout in a ring of two hubs: {sets} SETs, two of them verifications");
    assert_eq!(sets, 4, "two verifications, the logout once in each direction");
    one.stop().await;
    two.stop().await;
}
