//! Secrets that the configuration points at: read from a file or a variable, never written in the file.
//!
//! Read once at load. A [`Secret`] shows itself to nobody by accident; a mistake names where a secret was
//! looked for, never what was found.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::mistake::{Fault, Place};

/// Shortest bearer taken: shorter ones are guessed, and only their plain SHA-256 is kept.
pub const BEARER_CHARS_MIN: usize = 16;
/// Longest secret read, in bytes.
pub const SECRET_BYTES_MAX: usize = 4096;

/// A value that no log, error or dump shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for its one use.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where secrets are looked up: the environment as it was at start, and files.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The environment.
    pub variables: &'a BTreeMap<String, String>,
}

impl Sources<'_> {
    /// Takes `{name}_file` or `{name}_env` out of an object and reads the secret. `None`: neither was there,
    /// or it is at fault.
    pub fn take(
        &self,
        object: &mut Map<String, Value>,
        name: &str,
        place: &Place,
        faults: &mut Vec<Fault>,
    ) -> Option<Secret> {
        let (file_key, env_key) = (format!("{name}_file"), format!("{name}_env"));
        let (file, env) = (object.remove(&file_key), object.remove(&env_key));
        let (at, read) = match (file.as_ref().and_then(Value::as_str), env.as_ref().and_then(Value::as_str)) {
            (Some(_), Some(_)) => {
                let what = format!("`{file_key}` and `{env_key}` are both given; one must be");
                faults.push(Fault::new(place.clone(), what));
                return None;
            }
            (Some(path), None) => (place.key(&file_key), file_secret(path)),
            (None, Some(variable)) => (place.key(&env_key), self.variable(variable)),
            (None, None) => return None,
        };
        read.map_err(|what| faults.push(Fault::new(at, what))).ok()
    }

    /// Reads `file:PATH` or `env:NAME`; anything else is `None`.
    pub fn indirect(&self, text: &str) -> Option<Result<Secret, String>> {
        match text.split_once(':')? {
            ("file", path) => Some(file_secret(path)),
            ("env", name) => Some(self.variable(name)),
            _ => None,
        }
    }

    fn variable(&self, name: &str) -> Result<Secret, String> {
        match self.variables.get(name) {
            Some(value) => sound(value),
            None => Err(format!("there is no environment variable `{name}`")),
        }
    }
}

fn file_secret(path: &str) -> Result<Secret, String> {
    use std::io::Read as _;
    let mut text = String::new();
    let limit = u64::try_from(SECRET_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(2);
    let read = std::fs::File::open(path).and_then(|f| f.take(limit).read_to_string(&mut text));
    read.map_err(|e| format!("`{path}` cannot be read: {e}"))?;
    sound(&text)
}

/// A secret without the line end that editors leave behind it.
fn sound(text: &str) -> Result<Secret, String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    match text {
        "" => Err("the secret there is empty".into()),
        t if t.len() > SECRET_BYTES_MAX => {
            Err(format!("the secret there is longer than {SECRET_BYTES_MAX} bytes"))
        }
        t => Ok(Secret::new(t.into())),
    }
}

/// Judges a bearer: long enough to be kept as a plain hash, and of characters that fit into a header (RFC
/// 6750, 2.1).
pub fn check_bearer(secret: &Secret) -> Result<(), String> {
    let value = secret.reveal();
    if value.len() < BEARER_CHARS_MIN {
        return Err(format!("the bearer there is shorter than {BEARER_CHARS_MIN} characters"));
    }
    if !crate::auth::bearer::is_token(value) {
        return Err("the bearer there has characters that no bearer has (RFC 6750, 2.1)".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_read_and_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, "from-a-file\r\n").unwrap();
        let variables = [("S".to_string(), "from-env".to_string()), ("E".into(), "\n".into())].into();
        let sources = Sources { variables: &variables };
        let cases = [
            (json!({"x_env": "S"}), Some("from-env"), 0),
            (json!({"x_file": path}), Some("from-a-file"), 0),
            (json!({}), None, 0),
            (json!({"x_env": "S", "x_file": path}), None, 1),
            (json!({"x_env": "NOPE"}), None, 1),
            (json!({"x_env": "E"}), None, 1),
            (json!({"x_file": dir.path().join("nope")}), None, 1),
            (json!({"x_file": dir.path()}), None, 1),
        ];
        for (mut object, want, n) in cases {
            let mut faults = vec![];
            let got = sources.take(object.as_object_mut().unwrap(), "x", &Place::default(), &mut faults);
            assert_eq!((got.as_ref().map(Secret::reveal), faults.len()), (want, n), "{faults:?}");
            assert_eq!(object, json!({}));
            assert!(!format!("{got:?}{faults:?}").contains("from-"));
        }
        std::fs::write(&path, "x".repeat(SECRET_BYTES_MAX + 1)).unwrap();
        assert!(file_secret(path.to_str().unwrap()).is_err());
        assert_eq!(sources.indirect("env:S").unwrap().unwrap().reveal(), "from-env");
        assert!(sources.indirect("SASL_SSL").is_none());
    }

    #[test]
    fn bearers() {
        for (value, good) in [("0123456789abcdef", true), ("short", false), ("0123456789 abcdef", false)] {
            assert_eq!(check_bearer(&Secret::new(value.into())).is_ok(), good, "{value}");
        }
    }
}
