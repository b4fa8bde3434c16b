//! The hub as a process of its own, with its data on the disk that holds `target/`.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ssf_hub::clock::Stopwatch;
use tempfile::TempDir;

use super::hub::{Hub, free_port, http, toml};
use super::secure::{Over, secure};
use super::wire::At;
use super::{cpu, wire};

/// How long outcomes (1 s) and mirrored rows (0.5 s) may gather before they are written.
const GATHERING: Duration = Duration::from_millis(1700);

/// Where measured data lies: never a tmpfs, whose flushes cost nothing.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// A hub's folder and ports, and its process while it runs.
pub struct Site {
    dir: Arc<TempDir>,
    public: u16,
    admin: u16,
    over: Over,
    child: Option<Child>,
}

/// What the journal wrote since the hub started.
#[derive(Clone, Copy)]
pub struct Written {
    pub bytes: f64,
    pub flushes: f64,
    pub entries: f64,
}

#[allow(dead_code, reason = "two benchmarks share it")]
impl Site {
    /// Starts a hub with its default configuration, but for ports and loopback receivers.
    pub async fn start() -> Self {
        Self::start_over(Over::Plain).await
    }

    /// The same, plain or over TLS, with receivers that speak as it does.
    pub async fn start_over(over: Over) -> Self {
        let public = free_port();
        let more = if over == Over::Tls { secure().toml(public) } else { String::new() };
        Self::start_as(public, over, &more).await
    }

    /// The same, with more in its configuration.
    pub async fn start_with(more: &str) -> Self {
        Self::start_as(free_port(), Over::Plain, more).await
    }

    async fn start_as(public: u16, over: Over, more: &str) -> Self {
        std::fs::create_dir_all(folder()).unwrap();
        let dir = Arc::new(tempfile::tempdir_in(folder()).unwrap());
        let admin = free_port();
        let more = format!("{more}[journal]\nsegment_bytes = 16777216\n");
        std::fs::write(dir.path().join("hub.toml"), toml(dir.path(), public, admin, &more)).unwrap();
        let mut site = Self { dir, public, admin, over, child: None };
        site.restart().await;
        site
    }

    /// Starts the process; how long it took until it was ready (µs).
    pub async fn restart(&mut self) -> f64 {
        let log = OpenOptions::new().create(true).append(true).open(self.dir.path().join("hub.log")).unwrap();
        let watch = Stopwatch::start();
        let mut child = Command::new(env!("CARGO_BIN_EXE_ssf-hub"))
            .arg("--config")
            .arg(self.dir.path().join("hub.toml"))
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let readyz = wire::get("/readyz");
        let admin = At::plain(SocketAddr::from(([127, 0, 0, 1], self.admin)));
        while !is_ready(admin, &readyz).await {
            assert!(child.try_wait().unwrap().is_none(), "the hub ended at its start\n{}", self.log());
            assert!(watch.elapsed() < Duration::from_secs(120), "the hub is not ready\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.child = Some(child);
        watch.elapsed().as_secs_f64() * 1e6
    }

    /// SIGTERM, and an orderly end.
    pub async fn stop(&mut self) {
        let mut child = self.child.take().expect("a hub that runs");
        let told = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", child.id())).status().unwrap();
        assert!(told.success());
        let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert!(ended.success(), "the end was not orderly: {ended}\n{}", self.log());
    }

    /// The running hub as its operator sees it.
    pub fn hub(&self) -> Hub {
        Hub::elsewhere(self.dir.clone(), (self.public, self.admin, String::new()))
    }

    pub fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("hub.log")).unwrap_or_default()
    }

    pub fn public(&self) -> At {
        At { address: SocketAddr::from(([127, 0, 0, 1], self.public)), over: self.over }
    }

    /// CPU of the hub so far (µs).
    pub fn cpu_us(&self) -> f64 {
        cpu::of_process(self.child.as_ref().expect("a hub that runs").id())
    }

    /// CPU of the hub so far, once nothing is left to do: what is written behind the answers counts too.
    pub async fn settled_us(&self) -> f64 {
        tokio::time::sleep(GATHERING).await;
        let mut last = self.cpu_us();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = self.cpu_us();
            if now - last <= 10_000.0 {
                return now;
            }
            last = now;
        }
        panic!("the hub does not come to rest\n{}", self.log());
    }

    /// Memory of the process that is in the machine (bytes).
    pub fn memory_bytes(&self) -> f64 {
        let pid = self.child.as_ref().expect("a hub that runs").id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
    }

    async fn page(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.admin);
        http().get(url).send().await.unwrap().text().await.unwrap()
    }

    /// One metric, with its labels as they are written.
    pub async fn metric(&self, name: &str) -> f64 {
        value_of(&self.page().await, name)
    }

    /// What the journal wrote, from the metrics page.
    pub async fn written(&self) -> Written {
        let page = self.page().await;
        let value = |name: &str| value_of(&page, name);
        Written {
            bytes: value("ssf_hub_journal_bytes"),
            flushes: value("ssf_hub_journal_flushes"),
            entries: value("ssf_hub_journal_entries"),
        }
    }
}

fn value_of(page: &str, name: &str) -> f64 {
    let line = page.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{page}")).parse::<f64>().unwrap()
}

async fn is_ready(admin: At, request: &[u8]) -> bool {
    let Ok(mut connection) = wire::Connection::try_open(admin).await else { return false };
    connection.send(request).await.is_ok() && connection.receive().await.is_some_and(|m| m.status() == 200)
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
