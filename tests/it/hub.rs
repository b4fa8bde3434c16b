//! A hub under test: in this process, on free loopback ports, in a folder of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use ssf_hub::app::running::Running;
use ssf_hub::app::serve::{Runtime, start_with};
use ssf_hub::config::Config;
use tempfile::TempDir;

/// A port that is free now and stays so: each is given once, and lies below those that the system takes by itself for
/// outgoing connections, of which the journeys beside this one make thousands.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + (next % 12_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// What a hub is started with.
pub struct Setup {
    pub public: u16,
    pub admin: u16,
    pub more: String,
    pub runtime: Runtime,
}

impl Default for Setup {
    fn default() -> Self {
        Self { public: free_port(), admin: free_port(), more: String::new(), runtime: Runtime::default() }
    }
}

impl Setup {
    /// More lines of configuration.
    pub fn with(more: &str) -> Self {
        Self { more: more.into(), ..Self::default() }
    }
}

/// The configuration file of a hub under test.
pub fn toml(dir: &Path, public: u16, admin: u16, more: &str) -> String {
    let data = dir.join("data");
    // What stands before the first table belongs to the top.
    let (top, more) = more.split_at(more.find('[').unwrap_or(more.len()));
    let small = if more.contains("[journal]") { "" } else { "[journal]\nsegment_bytes = 4194304\n" };
    let egress = if more.contains("[egress]") { "" } else { "[egress]\nallow_cidrs = [\"127.0.0.0/8\"]\n" };
    format!(
        "data_dir = {data:?}\n{top}\n[public]\nlisten = \"127.0.0.1:{public}\"\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n\
         {egress}{small}{more}\n"
    )
}

/// A running hub.
pub struct Hub {
    pub dir: Arc<TempDir>,
    pub public: String,
    pub admin: String,
    pub credential: String,
    pub http: reqwest::Client,
    pub setup: (u16, u16, String),
    running: Option<Running>,
}

#[expect(clippy::disallowed_methods, reason = "the client of a test is not outbound traffic of the hub")]
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap()
}

impl Hub {
    pub async fn start() -> Self {
        Self::start_as(Setup::default()).await
    }

    pub async fn start_as(setup: Setup) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), setup).await
    }

    pub async fn start_in(dir: Arc<TempDir>, setup: Setup) -> Self {
        let file = dir.path().join("hub.toml");
        std::fs::write(&file, toml(dir.path(), setup.public, setup.admin, &setup.more)).unwrap();
        let config = Config::load(Some(&file), std::iter::empty()).unwrap_or_else(|e| panic!("{e}"));
        let running = start_with(config, setup.runtime).await.unwrap_or_else(|e| panic!("{e:#}"));
        let hub = Self::elsewhere(dir, (setup.public, setup.admin, setup.more));
        Self { running: Some(running), ..hub }
    }

    /// A hub that runs as a process of its own: `dir` has its data, `setup` its ports and configuration.
    pub fn elsewhere(dir: Arc<TempDir>, setup: (u16, u16, String)) -> Self {
        let credential = std::fs::read_to_string(dir.path().join("data/admin.credential")).unwrap();
        Self {
            public: format!("http://127.0.0.1:{}", setup.0),
            admin: format!("http://127.0.0.1:{}", setup.1),
            credential: credential.trim().into(),
            http: http(),
            setup,
            dir,
            running: None,
        }
    }

    /// Its sequencer, to leave what a crash would leave.
    pub fn sequencer(&self) -> &ssf_hub::hub::sequencer::Hub {
        &self.running.as_ref().unwrap().hub
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Stops in order.
    pub async fn stop(mut self) -> Arc<TempDir> {
        self.running.take().unwrap().stop().await.unwrap();
        self.dir.clone()
    }

    /// Stops, and starts again on the same ports and data.
    pub async fn restart(self) -> Self {
        let (public, admin, more) = self.setup.clone();
        let dir = self.stop().await;
        Self::start_in(dir, Setup { public, admin, more, runtime: Runtime::default() }).await
    }

    pub fn iss(&self, tenant: &str) -> String {
        format!("{}/t/{tenant}", self.public)
    }

    pub async fn admin_send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}{path}", self.admin);
        let mut request = self.http.request(method, url).bearer_auth(&self.credential);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Makes an object; panics where it is refused.
    pub async fn put(&self, tenant: &str, collection: &str, id: &str, body: Value) -> Value {
        let (status, answer) =
            self.admin_send("PUT", &format!("/admin/v1/t/{tenant}/{collection}/{id}"), Some(body)).await;
        assert_eq!(status, 200, "{collection}/{id}: {answer}");
        answer
    }

    pub async fn tenant(&self, id: &str) {
        self.put("_hub", "tenants", id, json!({})).await;
    }

    /// A client with a new bearer, which is returned.
    pub async fn client(&self, tenant: &str, id: &str, facts: bool) -> String {
        let answer = self.put(tenant, "clients", id, json!({ "new_bearer": true, "facts": facts })).await;
        answer["bearer"].as_str().unwrap().to_string()
    }

    pub async fn status(&self) -> Value {
        let (status, value) = self.admin_send("GET", "/admin/v1/status?digest=true", None).await;
        assert_eq!(status, 200, "{value}");
        value
    }

    /// Digest and last entry of a tenant: what must not change when bad input comes in.
    pub async fn mark(&self, tenant: &str) -> (String, u64) {
        let status = self.status().await;
        let t = &status["tenants"][tenant];
        (t["digest"].as_str().unwrap().into(), t["seq"].as_u64().unwrap())
    }

    /// Pushes a SET.
    pub async fn push(&self, tenant: &str, upstream: &str, compact: &str) -> (u16, Value) {
        let answer = self
            .http
            .post(format!("{}/t/{tenant}/in/{upstream}", self.public))
            .header("content-type", "application/secevent+jwt")
            .body(compact.to_string())
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Tells a fact.
    pub async fn fact(&self, tenant: &str, bearer: &str, facts: &str, body: Value) -> (u16, Value) {
        self.post(format!("{}/t/{tenant}/v1/{facts}", self.public), bearer, body).await
    }

    /// Polls a stream.
    pub async fn poll(&self, tenant: &str, stream: &str, bearer: &str, body: Value) -> (u16, Value) {
        self.post(format!("{}/t/{tenant}/poll/{stream}", self.public), bearer, body).await
    }

    async fn post(&self, url: String, bearer: &str, body: Value) -> (u16, Value) {
        let request = self.http.post(url).bearer_auth(bearer).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Asks the gate as NGINX would: status, decision id, reason in `WWW-Authenticate`.
    pub async fn ask(&self, tenant: &str, point: &str, token: &str) -> (u16, String) {
        let answer = self
            .http
            .get(format!("{}/t/{tenant}/v1/authz/nginx", self.public))
            .header("x-hub-point", format!("Bearer {point}"))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        let id = answer.headers().get("x-hub-decision-id").map(|v| v.to_str().unwrap().to_string());
        (answer.status().as_u16(), id.unwrap_or_default())
    }
}

/// Tries until it holds, at most `seconds`.
pub async fn until<F, R>(what: &str, seconds: u64, mut holds: F)
where
    F: FnMut() -> R,
    R: Future<Output = bool>,
{
    let tries = seconds * 50;
    for _ in 0..tries {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within {seconds} s: {what}");
}
