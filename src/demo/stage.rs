//! The hub of the demo: a data directory of its own, free ports of loopback, and its objects, made through the admin
//! API as an operator would make them.
//!
//! The directory goes with the stage; a crash leaves it behind in the system's temporary folder.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use super::cast::RUNS;
use super::desk::{APP, Desk, WATCHER};
use super::idp::{Idp, PushTo};
use super::peers::{LOOPBACK, Peers};
use super::point::{self, Point};
use super::receivers::{By, TOLD_MAX, Told, Trust};
use crate::app::running::Running;
use crate::app::serve::start;
use crate::clock::{OsChance, random};
use crate::config::Config;

/// Longest wait for Kafka, before the story and in it: what is more is no demo.
pub const KAFKA_PATIENCE: Duration = Duration::from_secs(15);

/// Where a hub's parts are, for who wants to explore.
#[derive(Clone, Debug)]
pub struct Places {
    /// The public listener, as a URL.
    pub public: String,
    /// The admin listener, as a URL.
    pub admin: String,
    /// The folder that holds everything.
    pub folder: PathBuf,
    /// The file that holds the admin credential.
    pub credential_file: PathBuf,
    /// A configuration file by which the command line finds this hub.
    pub config_file: PathBuf,
    /// The URL by which runs call the tool.
    pub tool: String,
}

/// A hub with everybody around it, ready for the story.
pub struct Stage {
    /// What the peers run on.
    pub peers: Peers,
    /// The IdP.
    pub idp: Idp,
    /// Its way to the hub.
    pub push_to: PushTo,
    /// Who is to be told of the signal, and how.
    pub receivers: Vec<(&'static str, By)>,
    /// The token of each run, in the order of [`RUNS`].
    pub tokens: Vec<String>,
    /// What the receivers were told.
    pub told: Mutex<mpsc::Receiver<Told>>,
    credential: String,
    places: Places,
    running: Running,
    _folder: Folder,
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    /// A new one, that only we may enter.
    fn make() -> anyhow::Result<Self> {
        let name: String = random::<6>(&OsChance).iter().map(|byte| format!("{byte:02x}")).collect();
        let path = std::env::temp_dir().join(format!("ssf-hub-demo-{name}"));
        crate::folders::private(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "the demo's folder could not be removed");
        }
    }
}

impl Stage {
    /// Starts everything.
    pub async fn build(given: &Config) -> anyhow::Result<Self> {
        let folder = Folder::make()?;
        let peers = Peers::new()?;
        let idp = Idp::start(&peers).await?;
        let tool = point::start_tool(&peers).await?;
        let listening = Listening::start(given).await?;
        let data_dir = folder.0.join("hub");
        let running = start(config(given, &data_dir)?).await.context("the hub of the demo does not start")?;
        let credential = running.credential.clone().context("a new hub makes an admin credential")?;
        let (public, admin) = (url(running.public), url(running.admin));
        let iss = format!("{public}/t/default");
        let desk = Desk { peers: &peers, admin: &admin, credential: &credential, iss: &iss };

        let push_to = desk.introduce(&idp).await?;
        let secret = desk.put("points", "gateway", json!({ "aud": [tool], "new_bearer": true })).await?;
        let authz_url = format!("{iss}/v1/authz/nginx");
        let tool_url = Point { authz_url, secret, tool: tool.clone(), peers: peers.clone() }.start().await?;
        let (telling, mut told) = mpsc::channel(TOLD_MAX);
        let trust = Trust::fetch(&peers, &iss, &format!("{iss}/jwks.json")).await?;
        desk.push_receiver(&trust, &telling).await?;
        desk.poll_receiver(&trust, &telling).await?;
        let mut receivers = vec![(APP, By::Push), (WATCHER, By::Poll)];
        receivers.extend(listening.run(&peers, &idp, &push_to.aud, telling).await?);
        let tokens = desk.tell_facts(&idp, &tool).await?;
        // Opens the IdP's way, and lets the hub fetch its keys before it matters.
        let verification = idp.verification(&push_to)?;
        idp.push(&push_to, &verification).await?;
        if receivers.iter().any(|(_, by)| *by == By::Kafka) {
            warm_up(&mut told, &verification.txn).await;
        }

        let places = Places {
            public,
            admin,
            credential_file: data_dir.join("admin.credential"),
            config_file: folder.0.join("hub.toml"),
            tool: tool_url,
            folder: folder.0.clone(),
        };
        leave_for_exploring(&places, &data_dir, running.admin, &tokens)?;
        let told = Mutex::new(told);
        Ok(Self {
            peers,
            idp,
            push_to,
            receivers,
            tokens,
            told,
            credential,
            places,
            running,
            _folder: folder,
        })
    }

    /// Where everything is.
    pub fn at(&self) -> &Places {
        &self.places
    }

    /// The same for machines.
    pub fn places(&self) -> Value {
        let p = &self.places;
        json!({
            "public": p.public,
            "admin": p.admin,
            "idp": self.idp.iss(),
            "tool": p.tool,
            "config_file": p.config_file,
            "credential_file": p.credential_file,
        })
    }

    /// What the hub says led to a decision (`ssf-hub why`).
    pub async fn why(&self, decision: &str) -> anyhow::Result<Value> {
        let url = format!("{}/admin/v1/why/{decision}", self.places.admin);
        self.peers.json(Method::GET, &url, &self.credential, &Value::Null).await
    }

    /// Waits until the hub wants to end by itself.
    pub async fn ended(&self) {
        self.running.ended().await;
    }

    /// Ends hub and peers; the folder goes with the stage. Errors are the hub's.
    pub async fn take_down(self) -> anyhow::Result<()> {
        // Peers first: a poll that waits would hold the hub up.
        self.peers.end().await;
        self.running.stop().await
    }
}

/// Waits until Kafka, too, has the verification event: its producer connects, and topics may have to be made first.
/// If it does not come, the story will say so.
async fn warm_up(told: &mut mpsc::Receiver<Told>, txn: &str) {
    let verified = async { while told.recv().await.is_some_and(|told| told.txn != txn) {} };
    let _ = tokio::time::timeout(KAFKA_PATIENCE, verified).await;
}

fn url(at: SocketAddr) -> String {
    format!("http://{at}")
}

/// The hub's configuration: the defaults, loopback, and the Kafka of `given`.
fn config(given: &Config, data_dir: &std::path::Path) -> anyhow::Result<Config> {
    // `iss` names the port, so it must be known before the hub binds it.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let variables = [
        ("DATA_DIR", data_dir.to_str().context("the temporary folder's name is no text")?.to_string()),
        ("PUBLIC__LISTEN", format!("127.0.0.1:{port}")),
        ("PUBLIC_URL", format!("http://127.0.0.1:{port}")),
        ("ADMIN__LISTEN", "127.0.0.1:0".into()),
        ("EGRESS__ALLOW_CIDRS", LOOPBACK.into()),
    ];
    let variables = variables.map(|(name, value)| (format!("SSF_HUB__{name}"), value));
    let mut config = Config::load(None, variables.into_iter())?;
    config.kafka = given.kafka.clone();
    Ok(config)
}

/// What the suggestions for exploring name: a configuration file, and a file for the token of each run.
fn leave_for_exploring(
    places: &Places,
    data_dir: &std::path::Path,
    admin: SocketAddr,
    tokens: &[String],
) -> anyhow::Result<()> {
    let dir = Value::from(data_dir.to_str().unwrap_or_default());
    let text = format!("data_dir = {dir}\nadmin.listen = \"{admin}\"\n");
    crate::keys::write_private(&places.config_file, text.as_bytes())?;
    for (run, token) in RUNS.iter().zip(tokens) {
        let path = places.folder.join(format!("{}.token", run.id));
        crate::keys::write_private(&path, token.as_bytes())?;
    }
    Ok(())
}

/// The consumer of Kafka, if there is one.
struct Listening(#[cfg(feature = "kafka")] Option<super::kafka::Listener>, #[cfg(not(feature = "kafka"))] ());

#[cfg(feature = "kafka")]
impl Listening {
    async fn start(given: &Config) -> anyhow::Result<Self> {
        let kafka = &given.kafka;
        Ok(Self(if kafka.is_on() { Some(super::kafka::Listener::start(kafka).await?) } else { None }))
    }

    async fn run(
        self,
        peers: &Peers,
        idp: &Idp,
        aud: &str,
        told: mpsc::Sender<Told>,
    ) -> anyhow::Result<Option<(&'static str, By)>> {
        let Some(listener) = self.0 else { return Ok(None) };
        let trust = Trust::fetch(peers, idp.iss(), &idp.jwks_url()).await?;
        peers.spawn("demo kafka consumer", listener.run(trust, aud.into(), told, peers.clone()));
        Ok(Some((super::kafka::NAME, By::Kafka)))
    }
}

#[cfg(not(feature = "kafka"))]
impl Listening {
    async fn start(_: &Config) -> anyhow::Result<Self> {
        Ok(Self(()))
    }

    async fn run(
        self,
        _: &Peers,
        _: &Idp,
        _: &str,
        _: mpsc::Sender<Told>,
    ) -> anyhow::Result<Option<(&'static str, By)>> {
        Ok(None)
    }
}
