//! A small transmitter of SSF 1.0 that does right, or goes wrong in one way that it is told: the proof that the cases can
//! fail. Written after the specification, not after the hub.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use openssl::ssl::SslAcceptor;
use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::{SigningKey, sign_compact};

use super::doors::{deliver, handle};
use super::opted::Opted;
use super::wire::{Stream, matches};
use super::wrongs;
use crate::peers::{axum_serve, now_s};

pub const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
pub const STREAM_UPDATED: &str = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";
const RISC: [&str; 13] = [
    "account-credential-change-required",
    "account-purged",
    "account-disabled",
    "account-enabled",
    "identifier-changed",
    "identifier-recycled",
    "credential-compromise",
    "opt-in",
    "opt-out-initiated",
    "opt-out-cancelled",
    "opt-out-effective",
    "recovery-activated",
    "recovery-information-changed",
];
const CAEP: [&str; 8] = [
    "session-revoked",
    "credential-change",
    "device-compliance-change",
    "token-claims-change",
    "assurance-level-change",
    "session-established",
    "session-presented",
    "risk-level-change",
];

pub struct World {
    pub streams: Vec<Stream>,
    /// Deleted, and yet to be polled, where it goes wrong.
    pub ghosts: Vec<Stream>,
    pub made: usize,
    /// The `state` that was asked for last.
    pub state: Value,
    opted: Opted,
}

/// The transmitter.
pub struct Scripted {
    pub issuer: String,
    pub base: String,
    wrong: &'static str,
    default_subjects: &'static str,
    pub key: Arc<SigningKey>,
    /// What SETs are signed with where it goes wrong in that.
    pub other_key: Arc<SigningKey>,
    world: Mutex<World>,
    pub http: reqwest::Client,
}

pub type Reply = (u16, Value);

impl Scripted {
    pub async fn start(common: Common, wrong: &'static str, default_subjects: &'static str) -> Arc<Self> {
        Self::start_with(common, wrong, default_subjects, None).await
    }

    /// The same, over TLS where it is given an acceptor.
    #[expect(clippy::disallowed_methods, reason = "a peer in a test")]
    pub async fn start_with(
        Common { key, other_key, http, careless }: Common,
        wrong: &'static str,
        default_subjects: &'static str,
        tls: Option<SslAcceptor>,
    ) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{}", listener.local_addr().unwrap());
        let me = Arc::new(Self {
            issuer: format!("{base}/t/x{}", if wrong.contains("slash") { "/" } else { "" }),
            base,
            wrong,
            default_subjects,
            key,
            other_key,
            world: Mutex::new(World {
                streams: vec![],
                ghosts: vec![],
                made: 0,
                state: Value::Null,
                opted: Opted::default(),
            }),
            http: if wrong == "trusts anybody" { careless } else { http },
        });
        if wrong == "has a stream and offers no other" {
            me.with(|world| world.streams.push(Stream::new("s0", "a")));
        }
        let router = Router::new().fallback(handle).with_state(me.clone());
        match tls {
            Some(tls) => drop(tokio::spawn(super::secure::serve(listener, tls, router))),
            None => drop(tokio::spawn(axum_serve(listener, router))),
        }
        tokio::spawn(deliver(me.clone()));
        me
    }

    pub fn wrong(&self) -> &'static str {
        self.wrong
    }

    /// The document of the other issuer on this host.
    pub(super) fn other_metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.base);
        json!({ "issuer": at("/t/y"), "jwks_uri": at("/y/jwks"), "configuration_endpoint": at("/y/streams") })
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
        wrongs::metadata(self.wrong, &mut doc);
        match self.wrong {
            "drops the slash" => doc["issuer"] = json!(self.issuer.trim_end_matches('/')),
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
        if self.wrong.starts_with("idle") {
            config["inactivity_timeout"] = json!(self.idle_s());
        }
        match self.wrong {
            "no poll URL" => drop(config["delivery"].as_object_mut().unwrap().remove("endpoint_url")),
            "one poll URL for all" => {
                config["delivery"]["endpoint_url"] = json!(format!("{}/poll/s", self.base))
            }
            "supports nothing" => config["events_supported"] = json!(["urn:example:other"]),
            "empty aud" => config["aud"] = json!(""),
            "delivers no CAEP" => config["events_delivered"] = json!([]),
            "no events_delivered" => drop(config.as_object_mut().unwrap().remove("events_delivered")),
            "iss of another" => config["iss"] = json!("https://elsewhere.example"),
            "no delivery" => drop(config.as_object_mut().unwrap().remove("delivery")),
            _ => {}
        }
        config
    }

    pub(super) fn delivered(&self, stream: &Stream) -> Vec<String> {
        let all = self.goes_wrong("delivers what it does not know");
        let asked = if self.goes_wrong("narrows nothing") { &stream.ever } else { &stream.requested };
        asked.iter().filter(|uri| all || known().contains(uri)).cloned().collect()
    }

    /// Signs a SET and puts it where it belongs.
    pub(super) fn send(
        &self,
        stream: &mut Stream,
        sub_id: &Value,
        uri: &str,
        event: &Value,
        txn: Option<&str>,
    ) {
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
            claims["toe"] = json!(now_s());
        }
        let mut typ = "secevent+jwt";
        wrongs::claims(self.wrong, uri, &mut claims);
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
        let key = if self.goes_wrong("signs ES256") { &self.other_key } else { &self.key };
        let text = wrongs::text(self.wrong, &claims);
        let compact = sign_compact(key, typ, text.as_bytes()).unwrap();
        let compact = wrongs::compact(self.wrong, &compact, &claims);
        let urgent =
            uri.contains("/stream") || (uri == VERIFICATION && self.goes_wrong("verifies while paused"));
        stream.queue(jti, compact, urgent, self.wrong);
    }

    /// Something happens: what `--emit-command` is for.
    pub fn emit(&self, uri: &str, subject: &Value, event: &Value, txn: &str) {
        let (mut event, mut subject) = (event.clone(), subject.clone());
        let heard = subject.clone();
        wrongs::event(self.wrong, uri, &heard, &mut event);
        wrongs::subject(self.wrong, uri, &mut subject);
        if self.goes_wrong("sends nothing")
            || (self.goes_wrong("keeps one type back") && uri == caep("risk-level-change"))
        {
            return;
        }
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
            if !world.opted.sends(uri, &heard, self.wrong) {
                return;
            }
            let mut streams = std::mem::take(&mut world.streams);
            for stream in &mut streams {
                let wanted =
                    self.delivered(stream).iter().any(|u| u == uri) || self.goes_wrong("sends every type");
                if wanted && self.has(stream, &heard) {
                    let txn = if self.goes_wrong("one txn for all") { "t" } else { txn };
                    self.send(stream, &subject, uri, &event, Some(txn));
                }
            }
            world.streams = streams;
        });
    }

    pub(super) fn has(&self, stream: &Stream, subject: &Value) -> bool {
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
            self.tell(stream);
        });
    }

    /// Tells a receiver what became of its stream.
    pub(super) fn tell(&self, stream: &mut Stream) {
        let silent = match self.wrong {
            "no stream-updated" | "idle: says nothing" => true,
            "tells of no return" => stream.status == "enabled",
            _ => false,
        };
        if silent {
            return;
        }
        let id = if self.goes_wrong("stream-updated of another") { "x" } else { stream.id.as_str() };
        let (sub_id, status) = (json!({ "format": "opaque", "id": id }), stream.status.clone());
        let event = if self.goes_wrong("no new status") { json!({}) } else { json!({ "status": status }) };
        let old = "https://schemas.openid.net/secevent/ssf/event-type/stream_updated";
        let uri = if self.goes_wrong("old stream-updated") { old } else { STREAM_UPDATED };
        self.send(stream, &sub_id, uri, &event, None);
    }

    /// Streams that nobody looked after are paused.
    pub(super) fn look_after(&self) {
        if !self.wrong.starts_with("idle") {
            return;
        }
        let idle = Duration::from_secs(self.idle_s());
        self.with(|world| {
            let mut streams = std::mem::take(&mut world.streams);
            for stream in &mut streams {
                if stream.status == "enabled" && stream.seen.elapsed() > idle {
                    stream.status = "paused".into();
                    self.tell(stream);
                }
            }
            world.streams = streams;
        });
    }

    /// After so long without a sign of life a stream is paused: soon where that goes wrong, and late where a sign of life may
    /// be held up without harm.
    fn idle_s(&self) -> u64 {
        if self.goes_wrong("idle") { 6 } else { 2 }
    }
}

/// The event types that it knows.
fn known() -> Vec<String> {
    let risc = |name: &&str| format!("https://schemas.openid.net/secevent/risc/event-type/{name}");
    CAEP.map(caep).into_iter().chain(RISC.iter().map(risc)).collect()
}

fn caep(name: &str) -> String {
    format!("https://schemas.openid.net/secevent/caep/event-type/{name}")
}

/// What all of them share, because making it takes a while.
#[derive(Clone)]
pub struct Common {
    pub key: Arc<SigningKey>,
    pub other_key: Arc<SigningKey>,
    pub http: reqwest::Client,
    /// Looks at no certificate.
    pub careless: reqwest::Client,
}

#[expect(clippy::disallowed_methods, reason = "the client of a test is not outbound traffic of the hub")]
pub fn common() -> Common {
    let careless = reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true).build().unwrap();
    let [key, other_key] = [Alg::RS256, Alg::ES256].map(|alg| Arc::new(SigningKey::generate(alg).unwrap()));
    Common { key, other_key, http: crate::hub::http(), careless }
}
