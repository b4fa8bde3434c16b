//! The real binary: started with a configuration file, killed by its id.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::super::hub::{Hub, free_port, http, toml};

/// Where a hub lives: its folder, its ports, its configuration file. It may run or not.
#[derive(Clone)]
pub struct Site {
    pub dir: Arc<TempDir>,
    pub public: u16,
    pub admin: u16,
    pub more: String,
    http: reqwest::Client,
}

impl Site {
    pub fn new(more: &str) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let (public, admin) = (free_port(), free_port());
        std::fs::write(dir.path().join("hub.toml"), toml(dir.path(), public, admin, more)).unwrap();
        Self { dir, public, admin, more: more.into(), http: http() }
    }

    /// The same folder under other ports: a second hub that should not be.
    pub fn twin(&self) -> Self {
        let (public, admin) = (free_port(), free_port());
        std::fs::write(self.file_of(public), toml(self.dir.path(), public, admin, &self.more)).unwrap();
        Self { public, admin, ..self.clone() }
    }

    fn file_of(&self, public: u16) -> PathBuf {
        self.dir.path().join(format!("hub-{public}.toml"))
    }

    /// The configuration file.
    pub fn file(&self) -> PathBuf {
        let own = self.file_of(self.public);
        if own.exists() { own } else { self.dir.path().join("hub.toml") }
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What the hubs here said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("hub.log")).unwrap_or_default()
    }

    /// Waits until the log holds `text`: the hub hands its lines over a little after it wrote them.
    pub async fn logs(&self, text: &str) {
        for _ in 0..1500 {
            if self.log().contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the log does not say {text:?}\n{}", self.log());
    }

    /// Starts the hub's process and waits for nothing.
    pub fn spawn(&self) -> Process {
        let log = OpenOptions::new().create(true).append(true).open(self.dir.path().join("hub.log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_ssf-hub"))
            .arg("--config")
            .arg(self.file())
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Process(child)
    }

    /// Starts the hub and waits until it answers; ready or not.
    pub async fn start(&self) -> Process {
        let mut process = self.spawn();
        let url = format!("http://127.0.0.1:{}/healthz", self.admin);
        for _ in 0..6000 {
            if let Some(status) = process.0.try_wait().unwrap() {
                panic!("the hub ended at its start: {status}\n{}", self.log());
            }
            if self.http.get(&url).send().await.is_ok_and(|a| a.status().is_success()) {
                return process;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the hub does not answer\n{}", self.log());
    }

    /// The running hub as its clients see it.
    pub fn hub(&self) -> Hub {
        Hub::elsewhere(self.dir.clone(), (self.public, self.admin, self.more.clone()))
    }

    /// Status and text of `/readyz`; 0 where nobody answers.
    pub async fn readyz(&self) -> (u16, String) {
        match self.http.get(format!("http://127.0.0.1:{}/readyz", self.admin)).send().await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
            Err(_) => (0, String::new()),
        }
    }

    /// Runs a command of the binary to its end, beside whatever else runs.
    pub async fn cli(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ssf-hub"));
        command.arg("--config").arg(self.file()).args(args).stdin(Stdio::null());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Runs a command that must succeed; its JSON answer.
    pub async fn answer(&self, args: &[&str]) -> serde_json::Value {
        let output = self.cli(&[&["--json"], args].concat()).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {} {said}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A hub's process; killed when dropped.
pub struct Process(Child);

impl Process {
    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }

    /// SIGTERM, as soon as the hub hears it: a start answers requests a moment before.
    pub fn term(&self) {
        for _ in 0..1000 {
            if self.hears_sigterm() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let told = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.0.id())).status().unwrap();
        assert!(told.success());
    }

    /// Whether SIGTERM is caught (`SigCgt` in proc(5)), and does not simply end the process.
    fn hears_sigterm(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
        u64::from_str_radix(caught.trim(), 16).is_ok_and(|caught| caught & (1 << 14) != 0)
    }

    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Waits until it ends.
    pub async fn exit(&mut self, within: Duration) -> ExitStatus {
        for _ in 0..within.as_millis() / 10 {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the hub still runs after {within:?}");
    }

    /// SIGTERM, and an orderly end.
    pub async fn stop(mut self) {
        self.term();
        let status = self.exit(Duration::from_secs(60)).await;
        assert_eq!(status.code(), Some(0), "the end was not orderly");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
