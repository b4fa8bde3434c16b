//! Each key and each secret is rotated while SETs flow through the real binary: none is refused, none is lost, none comes
//! under two names, and each verifies with what the JWKS says when it comes. `docs/OPERATIONS.md` says what is shown where.
//!
//! - [`sender`], [`takers`], [`world`]: who sends; who takes, by push and by poll; everybody else outside
//! - [`signing`]: our signing keys, rotated and revoked, a backup in the middle
//! - [`secrets`]: what others present to us, what we present to them, the keys of others
//! - [`sealing`]: the sealing key, certificates, client authorities, the admin credential; over restarts
//! - [`commands`]: secrets, tokens and bearers by the command line, and what it refuses
//! - [`bearers`]: bearers by the admin API and by file

mod bearers;
mod commands;
mod sealing;
mod secrets;
mod sender;
mod signing;
mod takers;
mod world;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::hub::Hub;
use super::power::process::Site;

/// What every site has: what failed is tried again at once.
const QUICKLY: &str = "[outbox]\nretry_delays_ms = [20]\nbrake_ms = 20\nbrake_max_ms = 20\n\
                       retry_budget_per_s = 10000\n";

/// A stream for `client`, by push to `url` or by poll, named as its audience.
async fn stream(hub: &Hub, id: &str, client: &str, alg: &str, url: Option<&str>) {
    let mut body =
        json!({ "client": client, "method": "poll", "aud": [id], "events_requested": ["*"], "alg": alg });
    if let Some(url) = url {
        body["method"] = "push".into();
        body["endpoint_url"] = url.into();
    }
    hub.put("default", "streams", id, body).await;
}

impl Site {
    /// Runs a command that makes a secret and writes it into a new file, named by `option`; the secret.
    async fn secret_of(&self, args: &[&str], option: &str) -> String {
        let file = self.fresh("secret");
        self.answer(&[args, &[option, file.to_str().unwrap()]].concat()).await;
        std::fs::read_to_string(file).unwrap().trim().into()
    }

    /// A path where nothing is yet.
    fn fresh(&self, name: &str) -> PathBuf {
        let mut paths = (0..).map(|n| self.dir.path().join(format!("{name}-{n}")));
        paths.find(|path| !path.exists()).unwrap()
    }

    /// Puts an object by the command line.
    async fn put(&self, kind: &str, object: &Value) {
        let file = self.fresh("object.json");
        std::fs::write(&file, object.to_string()).unwrap();
        self.answer(&["put", kind, file.to_str().unwrap()]).await;
    }
}
