//! One running part, as a child that cannot outlive the tests: it is started by the script `leash`, which kills the
//! part's process group as soon as the pipe that is held here closes. Every wait has a deadline.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::install;

const PAUSE: Duration = Duration::from_millis(20);

/// A part that runs. Dropping it kills the part and waits until it is gone.
pub struct Leash {
    child: Child,
    control: Option<ChildStdin>,
    log: PathBuf,
}

impl Leash {
    /// Starts `argv`; all that it prints is appended to `log`.
    pub fn start<S: AsRef<OsStr>>(argv: &[S], log: &Path) -> Self {
        let out = File::options().create(true).append(true).open(log).expect("the part's log");
        let mut child = Command::new(install::folder().join("leash"))
            .args(argv)
            .stdin(Stdio::piped())
            .stdout(out.try_clone().expect("the part's log"))
            .stderr(out)
            .spawn()
            .expect("tests/parts/leash");
        let control = child.stdin.take();
        Self { child, control, log: log.to_owned() }
    }

    /// Sends a signal (`TERM`, `KILL`, `STOP`, …) to the part's process group; within 0.1 s it is there.
    pub fn signal(&mut self, name: &str) {
        let control = self.control.as_mut().expect("a part that runs");
        writeln!(control, "{name}").expect("a part that runs");
    }

    /// Waits until the part has ended. Panics after `seconds`.
    pub async fn ended(&mut self, seconds: u64) -> ExitStatus {
        let wait = async {
            loop {
                if let Some(status) = self.child.try_wait().expect("a child of ours") {
                    return status;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(seconds), wait).await {
            Ok(status) => status,
            Err(_) => panic!("still running after {seconds} s:\n{}", self.log_tail()),
        }
    }

    /// How it ended, if it did.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Waits until the part takes connections on `address`. Panics when it ends before, or after `seconds`.
    pub async fn serves(&mut self, address: SocketAddr, seconds: u64) {
        let wait = async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                if let Some(status) = self.child.try_wait().expect("a child of ours") {
                    panic!("the part ended ({status}) before it served:\n{}", self.log_tail());
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(seconds), wait).await.is_err() {
            panic!("{address} takes no connections after {seconds} s:\n{}", self.log_tail());
        }
    }

    /// The last 40 lines that the part printed.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.control = None; // the script sees the end of its input and kills the part
        for _ in 0..250 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        let _ = self.child.kill(); // a panic here would hide the test's own
        let _ = self.child.wait();
    }
}
