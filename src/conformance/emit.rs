//! Letting something happen at the transmitter: a command of the operator, or a function of a test.
//!
//! The runner cannot know how an event comes about at a foreign transmitter, so it is told: a line for the shell with
//! `{type}`, `{subject}`, `{event}`, `{fields}`, `{txn}` (for an event), or `{stream}`, `{status}` (for a status). Each is
//! put in quoted for the shell, and the same values are in the environment as `SSF_TYPE`, `SSF_SUBJECT`, … . Never passes a
//! credential.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::template::{self, Known};
use crate::clock::Stopwatch;

/// Values by name.
pub type Values = BTreeMap<&'static str, String>;

/// What a function of a test returns.
pub type Done = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// How the operator of the transmitter is asked for something.
#[derive(Clone)]
pub enum Hook {
    /// A line for the shell.
    Command(String),
    /// A function.
    Function(Arc<dyn Fn(Values) -> Done + Send + Sync>),
}

/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(20);

impl Hook {
    /// Asks, and waits until it is done; why it was not.
    pub async fn call(&self, values: Values, timeout: Duration) -> Result<(), String> {
        match self {
            Self::Function(function) => function(values).await,
            Self::Command(template) => {
                let line = line(template, &values)?;
                let work = tokio::task::spawn_blocking(move || run(&line, &values, timeout));
                work.await.unwrap_or_else(|_| Err("the command could not be run".into()))
            }
        }
    }
}

/// One word for the shell, whatever is in it.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

/// The line with the values put in.
fn line(template: &str, values: &Values) -> Result<String, String> {
    let mut known: Known =
        values.iter().map(|(name, value)| (name.to_string(), quoted(value).into())).collect();
    if let Some(Ok(Value::Object(event))) = values.get("event").map(|e| serde_json::from_str(e)) {
        let fields =
            event.iter().map(|(name, value)| format!("--field {}", quoted(&format!("{name}={value}"))));
        known.insert("fields".into(), fields.collect::<Vec<_>>().join(" ").into());
    }
    template::text(template, &known).map_err(|unknown| format!("in the command: {unknown}"))
}

fn run(line: &str, values: &Values, timeout: Duration) -> Result<(), String> {
    let environment =
        values.iter().map(|(name, value)| (format!("SSF_{}", name.to_ascii_uppercase()), value));
    let mut child = Command::new("sh")
        .args(["-c", line])
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|e| format!("the command cannot be started: {e}"))?;
    let began = Stopwatch::start();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("the command ended with {status}")),
            Ok(None) if began.elapsed() < timeout => std::thread::sleep(LOOK),
            // It is not waited for any longer; if it cannot be ended, it ends by itself.
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("the command took too long".into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_gets_its_values_quoted_and_in_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("out");
        let values = Values::from([("type", "it's; $HOME".into()), ("txn", "t1".into())]);
        let template = format!("printf '%s|%s|%s' {{type}} {{txn}} \"$SSF_TYPE\" > {}", file.display());
        let hook = Hook::Command(template);
        hook.call(values.clone(), Duration::from_secs(10)).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "it's; $HOME|t1|it's; $HOME");
        let failing = Hook::Command("exit 3".into()).call(values.clone(), Duration::from_secs(10)).await;
        assert!(failing.unwrap_err().contains('3'));
        let values = Values::from([
            ("type", "t".into()),
            ("txn", "t1".into()),
            ("event", "{\"a\":\"x y\",\"b\":{\"c\":1}}".into()),
        ]);
        let template = format!("printf '%s|' {{fields}} > {}", file.display());
        Hook::Command(template).call(values.clone(), Duration::from_secs(10)).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "--field|a=\"x y\"|--field|b={\"c\":1}|");
        let wrong = Hook::Command("echo {subjct}".into()).call(values.clone(), Duration::from_secs(10)).await;
        assert!(wrong.unwrap_err().contains("subjct"));
        let slow = Hook::Command("sleep 30".into()).call(values, Duration::from_millis(50)).await;
        assert!(slow.unwrap_err().contains("too long"));
    }
}
