//! A real Keycloak as an identity provider that transmits SETs (its feature `ssf`), by push and by poll.
//!
//! One at a time: its database belongs to the unpacked folder, so a second test waits for the first. Each
//! start begins with an empty database. What Keycloak does otherwise than SSF 1.0 is told where it matters.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::http::{Answer, Body, call};
use super::{address::Address, install, leash::Leash};

/// A person of the realm (`alice`, `bob`, `carol`).
#[derive(Debug, Clone, serde::Deserialize)]
pub struct User {
    /// The `sub` of its tokens.
    pub id: String,
    pub username: String,
    pub email: String,
    pub password: String,
}

/// A client that may have a stream: `ssf-push`, `ssf-poll`, `ssf-push-email` (subjects by e-mail address),
/// `ssf-push-legacy` (the profile SSE_CAEP), `ssf-opt-in` (nothing before a subject is added).
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Receiver {
    pub client_id: String,
    pub client_secret: String,
}

#[derive(serde::Deserialize)]
struct Settings {
    issuer: String,
    token_endpoint: String,
    scope: String,
    login_client: String,
    metadata: Value,
    users: BTreeMap<String, User>,
    receivers: BTreeMap<String, Receiver>,
    admin: Admin,
}

#[derive(serde::Deserialize)]
struct Admin {
    username: String,
    password: String,
    client_id: String,
    token_endpoint: String,
    api: String,
}

/// What a user has after the login.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: String,
    pub id_token: String,
    /// The session, as in the ID token and in the SETs about it.
    pub sid: String,
}

/// A running Keycloak; ends when dropped.
pub struct Keycloak {
    _leash: Leash,
    _address: Address,
    _log: TempDir,
    _turn: OwnedMutexGuard<()>,
    pub issuer: String,
    /// Its SSF metadata document.
    pub metadata: Value,
    pub users: BTreeMap<String, User>,
    pub receivers: BTreeMap<String, Receiver>,
    settings: Settings,
}

static TURN: std::sync::LazyLock<Arc<Mutex<()>>> = std::sync::LazyLock::new(Arc::default);

impl Keycloak {
    /// Starts it (10–25 s). `push_urls`: where streams may push to, each exact or with a trailing `*`, joined by `##`.
    pub async fn start(push_urls: &str) -> Self {
        let turn = Arc::clone(&TURN).lock_owned().await;
        install::install("keycloak").await;
        let (address, log) = (Address::claim(), TempDir::new().expect("a folder for its log"));
        let script = install::folder().join("keycloak/keycloak.py").into_os_string();
        let (dir, ip) = (install::unpacked().join("keycloak").into_os_string(), address.ip.to_string());
        let mut leash = Leash::start(
            &[script.clone(), "run".into(), "--dir".into(), dir, "--addr".into(), ip.clone().into()],
            &log.path().join("keycloak.log"),
        );
        leash.serves(address.port(8080), 400).await;
        let configure =
            [script, "configure".into(), "--addr".into(), ip.into(), "--push-urls".into(), push_urls.into()];
        let said = install::run(&configure, 400).await;
        let settings: Settings = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
        Self {
            _leash: leash,
            _address: address,
            _log: log,
            _turn: turn,
            issuer: settings.issuer.clone(),
            metadata: settings.metadata.clone(),
            users: settings.users.clone(),
            receivers: settings.receivers.clone(),
            settings,
        }
    }

    /// Logs a user in (a new session each time).
    pub async fn login(&self, user: &str) -> Tokens {
        let user = &self.users[user];
        let form = [
            ("grant_type", "password"),
            ("client_id", &self.settings.login_client),
            ("username", &user.username),
            ("password", &user.password),
            ("scope", "openid"),
        ];
        let said =
            call("POST", &self.settings.token_endpoint, &[], Body::Form(&form)).await.expect_success().json();
        let token = |name: &str| said[name].as_str().unwrap_or_else(|| panic!("{name} in {said}")).to_owned();
        let id_token = token("id_token");
        let sid = claims(&id_token)["sid"].as_str().expect("a sid").to_owned();
        Tokens { access_token: token("access_token"), refresh_token: token("refresh_token"), id_token, sid }
    }

    /// The user logs out: a `session-revoked` for that session.
    pub async fn logout(&self, refresh_token: &str) {
        let form = [("client_id", self.settings.login_client.as_str()), ("refresh_token", refresh_token)];
        let url = format!("{}/protocol/openid-connect/logout", self.issuer);
        call("POST", &url, &[], Body::Form(&form)).await.expect_success();
    }

    /// An administrator ends all sessions of a user: one `session-revoked`, whose session id is the text `ALL`.
    pub async fn admin_logout_all(&self, user: &str) {
        let path = format!("users/{}/logout", self.users[user].id);
        self.admin("POST", &path, Body::None).await.expect_success();
    }

    /// An administrator sets the password that the user has already: a `credential-change` all the same.
    pub async fn admin_reset_password(&self, user: &str) {
        let user = &self.users[user];
        let body = json!({"type": "password", "value": user.password, "temporary": false});
        self.admin("PUT", &format!("users/{}/reset-password", user.id), Body::Json(&body))
            .await
            .expect_success();
    }

    /// Sends an event of one's own making on the stream of `client`; gives its `jti`. `event_type` is
    /// `CaepSessionRevoked`, `CaepCredentialChange` or the URI; subject and members go out as they are.
    pub async fn emit(&self, client: &str, event_type: &str, sub_id: &Value, event: &Value) -> String {
        let body = json!({"eventType": event_type, "sub_id": sub_id, "event": event});
        let path = format!("ssf/clients/{client}/events/emit");
        let said = self.admin("POST", &path, Body::Json(&body)).await.expect_success().json();
        said["jti"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// Any call of the realm's admin interface (`path` below `/admin/realms/REALM/`).
    pub async fn admin(&self, method: &str, path: &str, body: Body<'_>) -> Answer {
        let admin = &self.settings.admin;
        let form = [
            ("grant_type", "password"),
            ("client_id", &admin.client_id),
            ("username", &admin.username),
            ("password", &admin.password),
        ];
        let said = call("POST", &admin.token_endpoint, &[], Body::Form(&form)).await.expect_success().json();
        let bearer = bearer(&said); // lives 60 s: one for each call
        call(method, &format!("{}/{path}", admin.api), &[("authorization", &bearer)], body).await
    }

    /// An access token with which `client` may manage and read its stream.
    pub async fn receiver_token(&self, client: &str) -> String {
        let receiver = &self.receivers[client];
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &receiver.client_id),
            ("client_secret", &receiver.client_secret),
            ("scope", &self.settings.scope),
        ];
        let said =
            call("POST", &self.settings.token_endpoint, &[], Body::Form(&form)).await.expect_success().json();
        bearer(&said)["Bearer ".len()..].to_owned()
    }

    /// Makes the push stream of `client` for session-revoked and credential-change; gives `stream_id` and the `aud` of
    /// its SETs, which Keycloak makes up (`CLIENT/STREAM_ID`), so that it is known only now.
    pub async fn create_push_stream(
        &self,
        client: &str,
        push_url: &str,
        authorization_header: &str,
    ) -> (String, String) {
        let delivery = json!({
            "method": "urn:ietf:rfc:8935", "endpoint_url": push_url, "authorization_header": authorization_header,
        });
        let stream = self.create_stream(client, &delivery).await;
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{stream}")).to_owned();
        (text(&stream["stream_id"]), text(&stream["aud"][0]))
    }

    /// Makes a stream with this `delivery`; gives the stream configuration (a poll stream's URL is in `delivery.endpoint_url`).
    pub async fn create_stream(&self, client: &str, delivery: &Value) -> Value {
        let events = ["session-revoked", "credential-change"]
            .map(|name| format!("https://schemas.openid.net/secevent/caep/event-type/{name}"));
        let body = json!({"delivery": delivery, "events_requested": events});
        self.as_receiver(client, "POST", "configuration_endpoint", &body).await.expect_success().json()
    }

    /// Asks for a verification event. Push: it comes while this waits, and must be answered meanwhile.
    pub async fn verify_stream(&self, client: &str, stream_id: &str, state: &str) -> Answer {
        let body = json!({"stream_id": stream_id, "state": state});
        self.as_receiver(client, "POST", "verification_endpoint", &body).await
    }

    /// A call of an endpoint that its metadata names, with the client's own token.
    pub async fn as_receiver(&self, client: &str, method: &str, endpoint: &str, body: &Value) -> Answer {
        let url =
            self.metadata[endpoint].as_str().unwrap_or_else(|| panic!("{endpoint} in {}", self.metadata));
        let bearer = format!("Bearer {}", self.receiver_token(client).await);
        call(method, url, &[("authorization", &bearer)], Body::Json(body)).await
    }
}

fn bearer(said: &Value) -> String {
    format!("Bearer {}", said["access_token"].as_str().unwrap_or_else(|| panic!("access_token in {said}")))
}

/// The claims of a token, unverified: the test has it from the issuer itself.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&bytes).expect("claims")
}
