//! What an operator and a broker of runs do at the hub's doors before the story begins: objects by the admin API, facts
//! by the public one.
//!
//! Starts the receivers where their streams are made, because each needs what the other knows.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::cast::{self, RUNS};
use super::idp::{Idp, PushTo, SESSION_REVOKED};
use super::peers::Peers;
use super::receivers::{Polling, Pushed, Told, Trust};
use crate::clock::{OsChance, random_secret};

/// The receiver by push: an application that ends its own sessions.
pub const APP: &str = "crm";
/// The receiver by poll: wants to know of runs and tokens too.
pub const WATCHER: &str = "siem";

/// Calls the hub as its operator and as the broker of runs.
pub struct Desk<'a> {
    /// HTTP.
    pub peers: &'a Peers,
    /// The admin listener, as a URL.
    pub admin: &'a str,
    /// The admin credential.
    pub credential: &'a str,
    /// The tenant's `iss`, which is also the URL of its public paths.
    pub iss: &'a str,
}

impl Desk<'_> {
    /// Makes an object; the bearer that the hub made for it, if one was asked for.
    pub async fn put(&self, collection: &str, id: &str, object: Value) -> anyhow::Result<String> {
        let url = format!("{}/admin/v1/t/default/{collection}/{id}", self.admin);
        let answer = self.peers.json(Method::PUT, &url, self.credential, &object).await?;
        Ok(answer["bearer"].as_str().unwrap_or_default().into())
    }

    /// Makes the IdP an upstream and an issuer of tokens.
    pub async fn introduce(&self, idp: &Idp) -> anyhow::Result<PushTo> {
        let keys = json!({ "url": idp.jwks_url() });
        let upstream = json!({ "iss": idp.iss(), "aud": [self.iss], "jwks": keys, "new_bearer": true });
        let bearer = self.put("upstreams", "idp", upstream).await?;
        self.put("token-issuers", "idp", json!({ "iss": idp.iss(), "jwks": keys })).await?;
        Ok(PushTo { url: format!("{}/in/idp", self.iss), bearer, aud: self.iss.into() })
    }

    /// Starts the receiver by push and makes its stream.
    pub async fn push_receiver(&self, trust: &Arc<Trust>, told: &mpsc::Sender<Told>) -> anyhow::Result<()> {
        let authorization = format!("Bearer {}", random_secret(&OsChance));
        let aud = format!("https://{APP}.example");
        let receiver = Pushed {
            name: APP,
            aud: aud.clone(),
            authorization: authorization.clone(),
            told: told.clone(),
            trust: trust.clone(),
            peers: self.peers.clone(),
        };
        let endpoint_url = receiver.start().await?;
        self.put("clients", APP, json!({ "new_bearer": true })).await?;
        let stream = json!({
            "client": APP,
            "method": "urn:ietf:rfc:8935",
            "endpoint_url": endpoint_url,
            "authorization_header": authorization,
            "aud": [aud],
            "events_requested": [SESSION_REVOKED],
        });
        self.put("streams", APP, stream).await.map(drop)
    }

    /// Makes the stream of the receiver by poll and starts it.
    pub async fn poll_receiver(&self, trust: &Arc<Trust>, told: &mpsc::Sender<Told>) -> anyhow::Result<()> {
        let aud = format!("https://{WATCHER}.example");
        let bearer = self.put("clients", WATCHER, json!({ "new_bearer": true })).await?;
        let stream = json!({
            "client": WATCHER,
            "method": "urn:ietf:rfc:8936",
            "aud": [aud],
            "events_requested": ["*"],
            "derived": true,
        });
        self.put("streams", WATCHER, stream).await?;
        let receiver = Polling {
            name: WATCHER,
            aud,
            url: format!("{}/poll/{WATCHER}", self.iss),
            bearer,
            told: told.clone(),
            trust: trust.clone(),
            peers: self.peers.clone(),
        };
        self.peers.spawn("demo poll receiver", receiver.run());
        Ok(())
    }

    /// The broker of runs tells the hub whom it knows; the token of each run, in the order of [`RUNS`].
    pub async fn tell_facts(&self, idp: &Idp, tool: &str) -> anyhow::Result<Vec<String>> {
        let bearer = self.put("clients", "broker", json!({ "facts": true, "new_bearer": true })).await?;
        let now_s = self.peers.wall_ms() / 1000;
        for (collection, fact) in cast::facts(idp.iss(), tool, now_s) {
            let url = format!("{}/v1/{collection}", self.iss);
            self.peers.json(Method::POST, &url, &bearer, &fact).await?;
        }
        RUNS.iter().map(|run| idp.access_token(&run.claims(idp.iss(), tool, now_s))).collect()
    }
}
