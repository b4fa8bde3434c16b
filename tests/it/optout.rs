//! An account opts out of RISC events and in again (RISC 2.8, RISC-12 to RISC-16): by its provider's SETs, by an
//! operator; what is withheld, what is not, what an operator sees of it.

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;

use super::hub::{Hub, until};
use super::peers::{Idp, PushReceiver, SESSION_REVOKED, claims_of};

const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
const POINT: &str = "point-secret-0123456789";

fn alice() -> Value {
    json!({ "format": "iss_sub", "iss": "https://idp.example", "sub": "alice" })
}

fn email() -> Value {
    json!({ "format": "email", "email": "Alice@example.com" })
}

/// A hub with an IdP and one receiver by poll, which is asked for what came last.
struct Desk {
    hub: Hub,
    idp: Idp,
    app: String,
    sent: usize,
    seen: Vec<String>,
}

impl Desk {
    async fn start() -> Self {
        let hub = Hub::start().await;
        let idp = Idp::new("https://idp.example", Alg::ES256);
        let app = hub.client("default", "app", true).await;
        hub.put("default", "streams", "polled", stream("poll")).await;
        hub.put("default", "upstreams", "idp", idp.upstream("hub")).await;
        Self { hub, idp, app, sent: 0, seen: vec![] }
    }

    /// The IdP says something of a tenant's user.
    async fn say_to(&mut self, tenant: &str, uri: &str, sub_id: Value) {
        self.sent += 1;
        let claims = self.idp.claims("hub", &format!("j{}", self.sent), uri, sub_id, json!({}));
        assert_eq!(self.hub.push(tenant, "idp", &self.idp.sign(&claims)).await.0, 202);
    }

    async fn say(&mut self, word: &str, sub_id: Value) {
        self.say_to("default", &format!("{RISC}{word}"), sub_id).await;
    }

    /// The types of what came since the last look; what was answered 202 is owed by then.
    async fn came(&mut self) -> Vec<String> {
        let asked = json!({ "returnImmediately": true, "ack": self.seen });
        let (status, answer) = self.hub.poll("default", "polled", &self.app, asked).await;
        assert_eq!(status, 200, "{answer}");
        let sets = answer["sets"].as_object().unwrap();
        self.seen = sets.keys().cloned().collect();
        let of = |compact: &Value| {
            let claims = claims_of(compact.as_str().unwrap());
            let uri = claims["events"].as_object().unwrap().keys().next().unwrap().clone();
            uri.rsplit('/').next().unwrap().to_string()
        };
        let mut all: Vec<String> = sets.values().map(of).collect();
        all.sort();
        all
    }

    async fn emit(&self, word: &str, subject: Value) -> (u16, Value) {
        let body = json!({ "type": word, "subject": subject });
        self.hub.admin_send("POST", "/admin/v1/t/default/emit", Some(body)).await
    }

    async fn account(&self, tenant: &str, query: &[(&str, &str)]) -> (u16, Value) {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        self.hub.admin_send("GET", &format!("/admin/v1/t/{tenant}/accounts?{query}"), None).await
    }

    async fn state(&self, tenant: &str, subject: &Value) -> Value {
        let (status, answer) = self.account(tenant, &[("subject", &subject.to_string())]).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn metric(&self, name: &str) -> u64 {
        let page = self.hub.http.get(format!("{}/metrics", self.hub.admin)).send().await.unwrap();
        let page = page.text().await.unwrap();
        let line = page.lines().find(|line| line.starts_with(&format!("{name}{{tenant=\"default\"}}")));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

fn stream(method: &str) -> Value {
    json!({ "client": "app", "method": method, "aud": [method], "events_requested": ["*"] })
}

#[tokio::test]
async fn an_account_opts_out_by_its_provider_and_in_again() {
    let mut desk = Desk::start().await;
    let receiver = PushReceiver::start().await;
    let mut pushed = stream("push");
    pushed["endpoint_url"] = json!(receiver.url);
    desk.hub.put("default", "streams", "pushed", pushed).await;
    desk.hub.tenant("other").await;
    desk.hub.put("other", "upstreams", "idp", desk.idp.upstream("hub")).await;
    desk.hub.put("default", "token-issuers", "idp", desk.idp.token_issuer()).await;
    desk.hub.put("default", "points", "gw", json!({ "bearer": POINT, "aud": ["api"] })).await;
    let agent = json!({ "id": "alice", "class": "human", "aliases": [
        { "kind": "iss_sub", "iss": "https://idp.example", "value": "alice" },
        { "kind": "email", "value": "alice@example.com" } ] });
    assert_eq!(desk.hub.fact("default", &desk.app, "agents", agent).await.0, 201);
    let token = desk.idp.token("t", "alice", "api", json!({}));
    assert_eq!(desk.state("default", &alice()).await, json!({ "state": "opt-in", "since": null }));

    // While it is only initiated everything flows; what is not yet fetched then stays owed.
    desk.say("opt-out-initiated", alice()).await;
    desk.say("recovery-activated", alice()).await;
    assert_eq!(desk.state("default", &alice()).await["state"], "opt-out-initiated");
    desk.say("opt-out-effective", alice()).await;
    let out = desk.state("default", &alice()).await;
    assert!(out["state"] == "opt-out" && out["since"].as_str().unwrap().starts_with("default:"), "{out}");
    assert_eq!(desk.state("default", &email()).await, out, "by another of its names");
    assert_eq!(desk.came().await, ["opt-out-effective", "opt-out-initiated", "recovery-activated"]);

    // Then RISC's events stay here, by whichever name; they act here all the same, and CAEP's go out.
    desk.say("account-credential-change-required", email()).await;
    desk.say("account-disabled", alice()).await;
    assert!(desk.came().await.is_empty());
    assert_eq!(desk.hub.ask("default", POINT, &token).await.0, 401, "what it stops here, it stops");
    desk.say_to("default", SESSION_REVOKED, alice()).await;
    desk.say("recovery-activated", json!({ "format": "email", "email": "bob@example.com" })).await;
    assert_eq!(desk.came().await, ["recovery-activated", "session-revoked"]);
    receiver.wait_for(5).await;

    // It is told: counted for each stream, and as an operational event.
    assert_eq!(desk.metric("ssf_hub_sets_withheld_total").await, 4);
    until("it is an operational event", 5, || async {
        let events = desk.hub.admin_send("GET", "/admin/v1/operations", None).await.1;
        let events = events.as_array().unwrap().clone();
        events.iter().filter(|e| e["kind"] == "opt_out_withheld" && e["tenant"] == "default").count() == 2
    })
    .await;

    // Another tenant knows nothing of it, and a restart forgets nothing.
    assert_eq!(desk.state("other", &alice()).await["state"], "opt-in");
    desk.hub = desk.hub.restart().await;
    assert_eq!(desk.state("default", &alice()).await, out);
    desk.say("account-enabled", alice()).await;
    assert!(desk.came().await.is_empty());
    desk.say("opt-in", alice()).await;
    desk.say("account-enabled", email()).await;
    assert_eq!(desk.came().await, ["account-enabled", "opt-in"]);
    assert_eq!(desk.state("default", &alice()).await, json!({ "state": "opt-in", "since": null }));
    receiver.wait_for(7).await;
    assert_eq!(receiver.got().len(), 7, "nothing that was withheld comes later");
    desk.hub.stop().await;
}

#[tokio::test]
async fn an_operator_says_the_four_words_in_their_turn() {
    let mut desk = Desk::start().await;
    for (word, status, state) in [
        ("opt-in", 409, "opt-in"),
        ("opt-out-cancelled", 409, "opt-in"),
        ("opt-out-effective", 409, "opt-in"),
        ("opt-out-initiated", 200, "opt-out-initiated"),
        ("opt-out-initiated", 409, "opt-out-initiated"),
        ("opt-in", 409, "opt-out-initiated"),
        ("opt-out-cancelled", 200, "opt-in"),
        ("opt-out-initiated", 200, "opt-out-initiated"),
        ("opt-out-effective", 200, "opt-out"),
        ("opt-out-effective", 409, "opt-out"),
        ("opt-out-cancelled", 409, "opt-out"),
        ("opt-out-initiated", 409, "opt-out"),
    ] {
        let (before, mark) = (desk.state("default", &alice()).await, desk.hub.mark("default").await);
        let (got, answer) = desk.emit(word, alice()).await;
        assert_eq!(got, status, "{word}: {answer}");
        if got == 409 {
            let in_words = format!("in the state {};", before["state"].as_str().unwrap());
            assert!(answer["detail"].as_str().unwrap().contains(&in_words), "{answer}");
            assert_eq!(desk.hub.mark("default").await, mark, "{word} changed something");
        } else {
            assert_eq!((&answer["owed"], &answer["withheld"]), (&json!(1), &json!(0)));
            assert_eq!(desk.came().await, [word]);
        }
        assert_eq!(desk.state("default", &alice()).await["state"], state);
    }
    // What an operator says of it is withheld too, and he is told; not so what is CAEP's.
    let (status, answer) = desk.emit("account-enabled", alice()).await;
    assert_eq!((status, &answer["owed"], &answer["withheld"]), (200, &json!(0), &json!(1)), "{answer}");
    let one = json!({ "type": "account-enabled", "subject": alice(), "stream_id": "polled" });
    let answer = desk.hub.admin_send("POST", "/admin/v1/t/default/emit", Some(one)).await.1;
    assert_eq!((&answer["owed"], &answer["withheld"]), (&json!(0), &json!(1)), "{answer}");
    assert_eq!(desk.emit("session-revoked", alice()).await.1["owed"], 1);
    assert_eq!(desk.came().await, ["session-revoked"]);
    // The provider's word cannot be refused: the newest holds, and out of turn it is told.
    desk.say("opt-out-cancelled", alice()).await;
    assert_eq!(desk.state("default", &alice()).await["state"], "opt-in");
    assert_eq!(desk.metric("ssf_hub_opt_out_undefined_total").await, 1);
    until("it is an operational event", 5, || async {
        let events = desk.hub.admin_send("GET", "/admin/v1/operations", None).await.1;
        events.as_array().unwrap().iter().any(|e| {
            e["kind"] == "opt_out_undefined" && e["what"].as_str().unwrap().contains("in the state opt-out;")
        })
    })
    .await;
    desk.hub.stop().await;
}

#[tokio::test]
async fn what_names_no_account_is_refused() {
    let mut desk = Desk::start().await;
    let device = json!({ "format": "complex", "device": { "format": "opaque", "id": "d" } });
    let (status, answer) = desk.emit("opt-out-initiated", device.clone()).await;
    assert!(status == 400 && answer["detail"].as_str().unwrap().contains("about no account"), "{answer}");
    let opaque = json!({ "format": "opaque", "id": "7" }).to_string();
    for (query, status) in [
        (vec![], 400),
        (vec![("subject", "nonsense")], 400),
        (vec![("subject", "{\"format\":\"email\"}")], 400),
        (vec![("subject", &*device.to_string())], 400),
        (vec![("subject", &*opaque), ("more", "1")], 400),
        (vec![("subject", &*opaque)], 200),
    ] {
        let (got, answer) = desk.account("default", &query).await;
        assert_eq!(got, status, "{query:?}: {answer}");
    }
    let known = [("subject", &*opaque)];
    assert_eq!(desk.account("nobody", &known).await.0, 404);
    assert_eq!(desk.account("_hub", &known).await.0, 404);
    // An opaque id is its issuer's.
    desk.say("opt-out-effective", json!({ "format": "opaque", "id": "7" })).await;
    assert_eq!(desk.account("default", &known).await.1["state"], "opt-in");
    for (iss, state) in [("https://idp.example", "opt-out"), ("https://another.example", "opt-in")] {
        let answer = desk.account("default", &[("subject", &*opaque), ("iss", iss)]).await.1;
        assert_eq!(answer["state"], state, "{iss}");
    }
    // Who may read may ask; nobody else.
    let viewer = json!({ "new_bearer": true, "role": "viewer" });
    let made = desk.hub.put("_hub", "operators", "auditor", viewer).await;
    desk.hub.credential = made["bearer"].as_str().unwrap().into();
    assert_eq!(desk.account("default", &known).await.0, 200);
    assert_eq!(desk.emit("opt-out-initiated", alice()).await.0, 403);
    desk.hub.credential = "nobody's".into();
    assert_eq!(desk.account("default", &known).await.0, 401);
    desk.hub.stop().await;
}
