//! Files that the configuration names and that must fit: certificates, sealing keys.
//!
//! Read at load, so that `check-config` says what a start would say. The listeners read theirs again when they change.

use std::path::Path;

use super::mistake::{Fault, Place};
use super::secret::Sources;
use crate::keys::seal::SealingKey;
use crate::tls::pair::Files;
use crate::tls::{ClientCertificates, Config};

/// Judges TLS at a listener.
pub fn tls(section: &str, tls: &Config, faults: &mut Vec<Fault>) {
    let empty = |path: &Path| path.as_os_str().is_empty();
    let mut fault =
        |key: &str, what: String| faults.push(Fault::new(Place::of(&[section, "tls", key]), what));
    let clients = tls.client_certificates != ClientCertificates::Off;
    if !tls.is_on() {
        if !empty(&tls.key_file) || clients {
            fault("certificate_file", "must be set with the other keys of this table".into());
        }
        return;
    }
    if empty(&tls.key_file) {
        return fault("key_file", "must be set with certificate_file".into());
    }
    if clients && empty(&tls.client_ca_file) {
        return fault("client_ca_file", "must name the authorities of clients when these are asked".into());
    }
    if let Err(bad) = Files::read(tls).and_then(|files| files.parse()) {
        fault("certificate_file", bad.to_string());
    }
}

/// Reads the sealing keys, and judges the times of a rotation.
pub fn keys(keys: &mut crate::keys::config::Config, sources: &Sources<'_>, faults: &mut Vec<Fault>) {
    if keys.publish_ahead_s < keys.jwks_max_age_s {
        let what = "must not be less than keys.jwks_max_age_s: a key would sign that nobody has fetched yet";
        faults.push(Fault::new(Place::of(&["keys", "publish_ahead_s"]), what));
    }
    let mut read = |name: &str, file: &Path, env: &str| -> Option<SealingKey> {
        let (file_key, env_key) = (format!("{name}_file"), format!("{name}_env"));
        let (key, read) = match (file.as_os_str().is_empty(), env.is_empty()) {
            (true, true) => return None,
            (false, true) => (file_key, SealingKey::read(file).map_err(|bad| bad.to_string())),
            (true, false) => (env_key, variable(sources, env)),
            (false, false) => {
                let what = format!("`{file_key}` and `{env_key}` are both given; one must be");
                (file_key, Err(what))
            }
        };
        read.map_err(|what| faults.push(Fault::new(Place::of(&["keys", &key]), what))).ok()
    };
    keys.sealing.current = read("sealing_key", &keys.sealing_key_file, &keys.sealing_key_env);
    keys.sealing.previous =
        read("sealing_key_previous", &keys.sealing_key_previous_file, &keys.sealing_key_previous_env);
    let named = !keys.sealing_key_file.as_os_str().is_empty() || !keys.sealing_key_env.is_empty();
    if keys.sealing.previous.is_some() && !named {
        let what = "must be set when the sealing key before it is: nothing is ever unsealed";
        faults.push(Fault::new(Place::of(&["keys", "sealing_key_file"]), what));
    }
}

fn variable(sources: &Sources<'_>, name: &str) -> Result<SealingKey, String> {
    let value =
        sources.variables.get(name).ok_or_else(|| format!("there is no environment variable `{name}`"))?;
    SealingKey::parse(value.as_bytes()).map_err(|bad| bad.to_string())
}
