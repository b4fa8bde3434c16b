//! A foreign JOSE library (Python's joserfc) at the other end of a pipe: it signs as our peers do, and judges what
//! the hub signs.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::install;

/// The running library; ends when dropped.
pub struct Jose {
    child: Child,
    asks: Option<ChildStdin>,
    answers: Receiver<String>,
    jwks: Value,
}

impl Jose {
    /// Starts it with new keys, one each for RS256, PS256, ES256 and EdDSA, and for what must be refused (RS512, PS512,
    /// ES384, HS256, none); the `kid` is the algorithm's name.
    pub async fn start() -> Self {
        install::install("jose").await;
        let mut child = Command::new(install::unpacked().join("jose/bin/python"))
            .args(["-W", "ignore"])
            .arg(install::folder().join("jose/sign.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let (said, answers) = channel();
        // A blocking pipe read has no deadline; the channel's end has one.
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        let asks = child.stdin.take();
        let mut jose = Self { child, asks, answers, jwks: Value::Null };
        jose.jwks = jose.answer();
        jose
    }

    /// The public keys.
    pub fn jwks(&self) -> &Value {
        &self.jwks
    }

    /// A SET in compact form: `typ` `secevent+jwt`, signed with the key of `alg`.
    pub fn sign(&mut self, alg: &str, claims: &Value) -> String {
        self.sign_text(json!({"alg": alg, "typ": "secevent+jwt"}), &claims.to_string())
    }

    /// Any protected header (its `alg` chooses the key; `kid` is added when missing) over any payload, byte for byte.
    pub fn sign_text(&mut self, header: Value, payload: &str) -> String {
        let said = self.ask(&json!({"header": header, "sign": payload}));
        said["jws"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// Header and claims of `compact`, when a key of `jwks` verifies it with one of `algs`; else the library's complaint.
    pub fn verify(&mut self, jwks: &Value, compact: &str, algs: &[&str]) -> Result<(Value, Value), String> {
        let said = self.ask(&json!({"verify": compact, "jwks": jwks, "algs": algs}));
        if let Some(error) = said["error"].as_str() {
            return Err(error.to_owned());
        }
        let payload = said["payload"].as_str().unwrap_or_else(|| panic!("{said}"));
        Ok((said["header"].clone(), serde_json::from_str(payload).map_err(|error| error.to_string())?))
    }

    fn ask(&mut self, what: &Value) -> Value {
        let asks = self.asks.as_mut().expect("a pipe to Python");
        writeln!(asks, "{what}").and_then(|()| asks.flush()).expect("a pipe to Python");
        self.answer()
    }

    fn answer(&self) -> Value {
        let line = self.answers.recv_timeout(Duration::from_secs(120)).expect("an answer of Python");
        serde_json::from_str(&line).expect("a JSON line")
    }
}

impl Drop for Jose {
    fn drop(&mut self) {
        self.asks = None; // it ends with its input
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
