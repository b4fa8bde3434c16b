//! A small transmitter of SSF 1.0 that does right, or goes wrong in one way that it is told: the proof that the cases can
//! fail. Written after the specification, not after the hub.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::Method;
use serde_json::{Value, json};
use ssf_hub::clock::Stopwatch;
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::{SigningKey, sign_compact};

use super::doors::{deliver, handle};
use super::opted::{self, Opted, risc};
use super::wire::{Stream, matches, split};
use crate::peers::{axum_serve, now_s};

pub const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
pub const STREAM_UPDATED: &str = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";
const KNOWN: [&str; 8] = [
    "session-revoked",
    "credential-change",
    "device-compliance-change",
    "token-claims-change",
    "assurance-level-change",
    "session-established",
    "session-presented",
    "risk-level-change",
];
const STREAMS_MAX: usize = 6;

pub struct World {
    pub streams: Vec<Stream>,
    /// Deleted, and yet to be polled, where it goes wrong.
    ghosts: Vec<Stream>,
    made: usize,
    opted: Opted,
}

/// The transmitter.
pub struct Scripted {
    pub issuer: String,
    base: String,
    wrong: &'static str,
    default_subjects: &'static str,
    pub key: Arc<SigningKey>,
    world: Mutex<World>,
    pub http: reqwest::Client,
}

pub type Reply = (u16, Value);

impl Scripted {
    #[expect(clippy::disallowed_methods, reason = "a peer in a test")]
    pub async fn start(
        Common { key, http, careless }: Common,
        wrong: &'static str,
        default_subjects: &'static str,
    ) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let me = Arc::new(Self {
            issuer: format!("{base}/t/x"),
            base,
            wrong,
            default_subjects,
            key,
            world: Mutex::new(World { streams: vec![], ghosts: vec![], made: 0, opted: Opted::default() }),
            http: if wrong == "trusts anybody" { careless } else { http },
        });
        let router = Router::new().fallback(handle).with_state(me.clone());
        tokio::spawn(axum_serve(listener, router));
        tokio::spawn(deliver(me.clone()));
        me
    }

    pub fn goes_wrong(&self, how: &str) -> bool {
        self.wrong == how
    }

    pub fn with<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.world.lock().unwrap())
    }

    pub(super) fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.base);
        let mut doc = json!({
            "spec_version": "1_0", "issuer": self.issuer, "jwks_uri": at("/jwks"),
            "delivery_methods_supported": ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
            "configuration_endpoint": at("/ssf/streams"), "status_endpoint": at("/ssf/status"),
            "add_subject_endpoint": at("/ssf/subjects/add"), "remove_subject_endpoint": at("/ssf/subjects/remove"),
            "verification_endpoint": at("/ssf/verify"), "authorization_schemes": [{ "spec_urn": "urn:ietf:rfc:6749" }],
            "default_subjects": self.default_subjects,
        });
        match self.wrong {
            "empty array" => doc["critical_subject_members"] = json!([]),
            "methods as text" => doc["delivery_methods_supported"] = json!("urn:ietf:rfc:8935"),
            "default_subjects in lower case" => doc["default_subjects"] = json!("all"),
            "spec_urn is a URL" => {
                doc["authorization_schemes"] = json!([{ "spec_urn": "https://oauth.net" }])
            }
            "issuer is another" => doc["issuer"] = json!("https://elsewhere.example"),
            "old spec_version" => doc["spec_version"] = json!("1_0-ID1"),
            _ => {}
        }
        doc
    }

    pub(super) fn config(&self, stream: &Stream) -> Value {
        let mut config = json!({
            "stream_id": stream.id, "iss": self.issuer, "aud": stream.aud(),
            "events_supported": known(), "events_requested": stream.requested,
            "events_delivered": self.delivered(stream), "delivery": stream.delivery(&self.base),
            "min_verification_interval": 1, "description": stream.description,
        });
        if stream.description.is_empty() {
            config.as_object_mut().unwrap().remove("description");
        }
        match self.wrong {
            "no events_delivered" => drop(config.as_object_mut().unwrap().remove("events_delivered")),
            "iss of another" => config["iss"] = json!("https://elsewhere.example"),
            "no delivery" => drop(config.as_object_mut().unwrap().remove("delivery")),
            _ => {}
        }
        config
    }

    fn delivered(&self, stream: &Stream) -> Vec<String> {
        let all = self.goes_wrong("delivers what it does not know");
        stream.requested.iter().filter(|uri| all || known().contains(uri)).cloned().collect()
    }

    /// Signs a SET and puts it where it belongs.
    fn send(&self, stream: &mut Stream, sub_id: &Value, uri: &str, event: &Value, txn: Option<&str>) {
        stream.sent += 1;
        let jti = if self.goes_wrong("one jti for all") {
            "j".into()
        } else {
            format!("{}-{}", stream.id, stream.sent)
        };
        let mut claims = json!({
            "iss": self.issuer, "aud": stream.aud(), "iat": now_s(), "jti": jti, "sub_id": sub_id, "events": { uri: event },
        });
        if let Some(txn) = txn.filter(|_| !self.goes_wrong("no txn")) {
            claims["txn"] = json!(txn);
        }
        let mut typ = "secevent+jwt";
        match self.wrong {
            "sub" => claims["sub"] = json!("x"),
            "exp" => claims["exp"] = json!(now_s() + 60),
            "no sub_id" => drop(claims.as_object_mut().unwrap().remove("sub_id")),
            "aud of another" => claims["aud"] = json!("https://elsewhere.example"),
            "iss in SETs" => claims["iss"] = json!(self.base),
            "iat in milliseconds" => claims["iat"] = json!(now_s() * 1000),
            "two events" => claims["events"]["urn:example:second"] = json!({}),
            "typ JWT" => typ = "JWT",
            _ => {}
        }
        let mut compact = sign_compact(&self.key, typ, claims.to_string().as_bytes()).unwrap();
        if self.goes_wrong("signature") {
            let other = claims.to_string().replace("iat", "iaT");
            let (head, tail) = split(&compact);
            compact = format!("{head}.{}.{tail}", super::wire::base64url(&other));
        }
        let urgent =
            uri == STREAM_UPDATED || (uri == VERIFICATION && self.goes_wrong("verifies while paused"));
        stream.queue(jti, compact, urgent, self.wrong);
    }

    /// Something happens: what `--emit-command` is for.
    pub fn emit(&self, uri: &str, subject: &Value, event: &Value, txn: &str) {
        let mut event = event.clone();
        match self.wrong {
            "event_timestamp is now" => event["event_timestamp"] = json!(now_s()),
            "reason_admin as text" => event["reason_admin"] = json!("text"),
            "not_compliant" if event["current_status"] == "not-compliant" => {
                event["current_status"] = json!("not_compliant")
            }
            "change_type as it likes" => event["change_type"] = json!("rotate"),
            _ => {}
        }
        self.with(|world| {
            if !world.opted.sends(uri, subject, self.wrong) {
                return;
            }
            let mut streams = std::mem::take(&mut world.streams);
            for stream in &mut streams {
                let wanted =
                    self.delivered(stream).iter().any(|u| u == uri) || self.goes_wrong("sends every type");
                if wanted && self.has(stream, subject) {
                    self.send(stream, subject, uri, &event, Some(txn));
                }
            }
            world.streams = streams;
        });
    }

    fn has(&self, stream: &Stream, subject: &Value) -> bool {
        let hit = |list: &[Value]| list.iter().any(|s| matches(s, subject, self.wrong));
        match self.default_subjects {
            "ALL" => !hit(&stream.removed) || hit(&stream.added),
            _ => hit(&stream.added) || self.goes_wrong("sends every subject"),
        }
    }

    /// The operator sets a status: what `--status-command` is for.
    pub fn operator(&self, id: &str, status: &str) {
        self.with(|world| {
            let stream = world.streams.iter_mut().find(|s| s.id == id).unwrap();
            stream.status = status.into();
            if !self.goes_wrong("no stream-updated") {
                let sub_id = json!({ "format": "opaque", "id": id });
                self.send(stream, &sub_id, STREAM_UPDATED, &json!({ "status": status }), None);
            }
        });
    }

    pub(super) fn manage(
        &self,
        method: &Method,
        path: &str,
        query: &HashMap<String, String>,
        body: &Value,
        who: &str,
    ) -> Reply {
        let named = body["stream_id"].as_str().or(query.get("stream_id").map(String::as_str));
        let owner = if self.goes_wrong("everybody's streams") { "" } else { who };
        self.with(|world| {
            let mine =
                |s: &&mut Stream| Some(s.id.as_str()) == named && (owner.is_empty() || s.owner == owner);
            match (method.as_str(), path, named) {
                ("POST", "/ssf/streams", _) => self.create(world, body, who),
                ("GET", "/ssf/streams", None) => {
                    let all: Vec<_> =
                        world.streams.iter().filter(|s| s.owner == who).map(|s| self.config(s)).collect();
                    let one = self.goes_wrong("one is no list") && all.len() == 1;
                    (200, if one { all[0].clone() } else { Value::Array(all) })
                }
                (_, _, None) => (400, json!({})),
                ("DELETE", _, Some(id)) => {
                    let gone = world
                        .streams
                        .iter()
                        .position(|s| s.id == id && (owner.is_empty() || s.owner == owner));
                    let Some(place) = gone else { return (404, json!({})) };
                    let gone = world.streams.remove(place);
                    if self.goes_wrong("polls what is deleted") {
                        world.ghosts.push(gone);
                    }
                    (if self.goes_wrong("delete is 200") { 200 } else { 204 }, Value::Null)
                }
                (verb, path, Some(_)) => {
                    let all =
                        self.goes_wrong("one status for all") && verb == "POST" && path == "/ssf/status";
                    let status = body["status"].clone();
                    let Some(stream) = world.streams.iter_mut().find(mine) else {
                        return (if self.goes_wrong("unknown is 200") { 200 } else { 404 }, json!({}));
                    };
                    let reply = self.about(stream, verb, path, body);
                    if all {
                        world
                            .streams
                            .iter_mut()
                            .for_each(|s| s.status = status.as_str().unwrap_or("enabled").into());
                    }
                    reply
                }
            }
        })
    }

    fn create(&self, world: &mut World, body: &Value, who: &str) -> Reply {
        if world.streams.iter().filter(|s| s.owner == who).count() >= STREAMS_MAX {
            return (409, json!({}));
        }
        world.made += 1;
        let mut stream = Stream::new(&format!("s{}", world.made), who);
        if self.goes_wrong("takes a stream_id") && body["stream_id"].is_string() {
            stream.id = body["stream_id"].as_str().unwrap().into();
        }
        if let Err(reply) = stream.take(body, false) {
            return if self.goes_wrong("takes any body") { (201, self.config(&stream)) } else { reply };
        }
        let config = self.config(&stream);
        world.streams.push(stream);
        (if self.goes_wrong("create is 200") { 200 } else { 201 }, config)
    }

    fn about(&self, stream: &mut Stream, verb: &str, path: &str, body: &Value) -> Reply {
        match (verb, path) {
            ("GET", "/ssf/streams") => (200, self.config(stream)),
            ("PATCH" | "PUT", _) => self.change(stream, body, verb == "PUT"),
            ("GET", "/ssf/status") => {
                let status = stream.status.to_string();
                let status =
                    if self.goes_wrong("status in upper case") { status.to_uppercase() } else { status };
                let mut answer = json!({ "stream_id": stream.id, "status": status });
                if stream.reason.is_string() {
                    answer["reason"] = stream.reason.clone();
                }
                (200, answer)
            }
            ("POST", "/ssf/status") => self.set_status(stream, body),
            (_, "/ssf/subjects/add" | "/ssf/subjects/remove") => {
                self.subject(stream, path.ends_with("add"), body)
            }
            _ => self.verify(stream, body),
        }
    }

    fn change(&self, stream: &mut Stream, body: &Value, replace: bool) -> Reply {
        let now = self.config(stream);
        let supplied = ["iss", "aud", "events_supported", "events_delivered", "min_verification_interval"];
        let mut after = stream.clone();
        if replace && !self.goes_wrong("put keeps") {
            (after.description, after.requested) = (String::new(), vec![]);
        }
        if !replace && self.goes_wrong("patch clears") {
            after.requested = vec![];
        }
        if let Err(reply) = after.take(body, true) {
            return reply;
        }
        let compared = if self.goes_wrong("compares what comes") { self.config(&after) } else { now };
        let differs = |name: &str| body.get(name).is_some_and(|v| *v != compared[name]);
        let forgiven = |name: &str| {
            self.goes_wrong("takes any iss") || (name == "aud" && self.goes_wrong("takes any aud"))
        };
        if supplied.iter().any(|name| differs(name) && !forgiven(name)) {
            return (400, json!({}));
        }
        if !self.goes_wrong("changes nothing") {
            *stream = after;
        }
        (200, self.config(stream))
    }

    fn set_status(&self, stream: &mut Stream, body: &Value) -> Reply {
        let status = body["status"].as_str().unwrap_or_default().to_string();
        if !["enabled", "paused", "disabled"].contains(&status.as_str()) {
            return (if self.goes_wrong("any status") { 200 } else { 400 }, json!({}));
        }
        if !self.goes_wrong("status stays") {
            stream.status = status.clone();
        }
        stream.reason = if self.goes_wrong("reason is lost") { Value::Null } else { body["reason"].clone() };
        if status == "disabled" {
            stream.queue.clear();
        }
        (200, json!({ "stream_id": stream.id, "status": status }))
    }

    fn subject(&self, stream: &mut Stream, add: bool, body: &Value) -> Reply {
        let subject = body["subject"].clone();
        let sound = super::wire::well_formed(&subject, true) || self.goes_wrong("any subject");
        if !sound
            || body.get("subject").is_none()
            || !(body["verified"].is_null() || body["verified"].is_boolean())
        {
            return (400, json!({}));
        }
        let (to, from) = if add {
            (&mut stream.added, &mut stream.removed)
        } else {
            (&mut stream.removed, &mut stream.added)
        };
        if add || !self.goes_wrong("remove is forgotten") {
            from.retain(|s| *s != subject);
            to.push(subject);
        }
        (if add && !self.goes_wrong("add is 204") { 200 } else { 204 }, Value::Null)
    }

    fn verify(&self, stream: &mut Stream, body: &Value) -> Reply {
        if !(body["state"].is_null() || body["state"].is_string()) {
            return (400, json!({}));
        }
        let too_soon = stream.verified.is_some_and(|at| at.elapsed() < Duration::from_secs(1));
        if too_soon || (stream.verified.is_some() && self.goes_wrong("verifies once")) {
            return (429, json!({}));
        }
        stream.verified = Some(Stopwatch::start());
        let mut event = json!({});
        if body["state"].is_string() && !self.goes_wrong("state is lost") {
            event["state"] = body["state"].clone();
        }
        let id = if self.goes_wrong("sub_id of another") { "x" } else { stream.id.as_str() };
        let sub_id = json!({ "format": "opaque", "id": id });
        let lost = self.goes_wrong("removes itself") && stream.removed.contains(&sub_id);
        if !lost {
            self.send(stream, &sub_id, VERIFICATION, &event, None);
        }
        (if self.goes_wrong("verify is 200") { 200 } else { 204 }, Value::Null)
    }

    pub(super) async fn poll(&self, id: &str, who: &str, body: &Value) -> Reply {
        let shape = super::wire::poll_is_sound(body);
        if !shape && !self.goes_wrong("any poll") {
            return (400, json!({}));
        }
        let began = Stopwatch::start();
        loop {
            let reply = self.with(|world| {
                let World { streams, ghosts, .. } = world;
                let stream = streams.iter_mut().chain(ghosts).find(|s| s.id == id && s.owner == who);
                stream.map(|s| s.offer(body, self.wrong))
            });
            let Some((sets, more)) = reply else { return (404, json!({})) };
            let at_once = body["returnImmediately"] == true || self.goes_wrong("never waits");
            if !sets.is_empty() || at_once || began.elapsed() > Duration::from_millis(1500) {
                let sets = if self.goes_wrong("sets as a list") { json!([]) } else { Value::Object(sets) };
                return (
                    200,
                    if more {
                        json!({ "sets": sets, "moreAvailable": true })
                    } else {
                        json!({ "sets": sets })
                    },
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn known() -> Vec<String> {
    KNOWN.map(caep).into_iter().chain(opted::KNOWN.map(risc)).collect()
}

fn caep(name: &str) -> String {
    format!("https://schemas.openid.net/secevent/caep/event-type/{name}")
}

/// What all of them share, because making it takes a while.
#[derive(Clone)]
pub struct Common {
    pub key: Arc<SigningKey>,
    pub http: reqwest::Client,
    /// Looks at no certificate.
    pub careless: reqwest::Client,
}

#[expect(clippy::disallowed_methods, reason = "the client of a test is not outbound traffic of the hub")]
pub fn common() -> Common {
    let careless = reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true).build().unwrap();
    Common { key: Arc::new(SigningKey::generate(Alg::RS256).unwrap()), http: crate::hub::http(), careless }
}
