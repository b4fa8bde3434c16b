//! Originals for relay streams: held while one of them is owed the SET or has it as a dead letter (RFC 8935, 2).
//!
//! The streams that get everything re-signed never need it, so it is held only where a relay stream is.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::hub::effect::{Effect, Item, Original};
use crate::hub::entry::SetInput;
use crate::hub::state::{HeldOriginal, State};
use crate::stream::StreamNo;

/// `aud` of a compact SET that was verified when it came in; empty where it cannot be read.
pub(super) fn audience(compact: &str) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Aud {
        One(String),
        Many(Vec<String>),
    }
    #[derive(Deserialize)]
    struct Payload {
        aud: Aud,
    }
    let payload = compact.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    match payload.and_then(|bytes| serde_json::from_slice::<Payload>(&bytes).ok()) {
        Some(Payload { aud: Aud::One(one) }) => vec![one],
        Some(Payload { aud: Aud::Many(many) }) => many,
        None => vec![],
    }
}

impl State {
    fn is_relay(&self, stream: StreamNo) -> bool {
        self.streams.get(&stream).is_some_and(|s| s.relay)
    }

    /// Keeps the original for those of the streams that relay it.
    pub(super) fn hold_original(
        &mut self,
        item: Item,
        wanting: &[StreamNo],
        set: &SetInput,
        fx: &mut Vec<Effect>,
    ) {
        let held = wanting.iter().filter(|no| self.is_relay(**no)).count();
        if held == 0 {
            return;
        }
        let original = Arc::new(Original { jti: set.jti.clone(), compact: set.compact.clone() });
        let held = u32::try_from(held).unwrap_or(u32::MAX);
        self.originals.insert(item, HeldOriginal { original: original.clone(), held });
        fx.push(Effect::Original { item, original: Some(original) });
    }

    /// One stream needs it no more.
    pub(super) fn let_original_go(&mut self, stream: StreamNo, item: Item, fx: &mut Vec<Effect>) {
        if !self.is_relay(stream) {
            return;
        }
        let over = self.originals.get_mut(&item).is_some_and(|held| {
            held.held = held.held.saturating_sub(1);
            held.held == 0
        });
        if over {
            self.originals.remove(&item);
            fx.push(Effect::Original { item, original: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audiences_are_read_as_rfc_7519_writes_them() {
        let compact = |payload: &str| format!("h.{}.s", URL_SAFE_NO_PAD.encode(payload));
        let table = [
            (compact(r#"{"aud":"a","iss":"i"}"#), vec!["a"]),
            (compact(r#"{"iss":"i","aud":["a","b"]}"#), vec!["a", "b"]),
            (compact(r#"{"iss":"i"}"#), vec![]),
            (compact(r#"{"aud":7}"#), vec![]),
            ("no compact".into(), vec![]),
            ("a.!.b".into(), vec![]),
        ];
        for (compact, want) in table {
            assert_eq!(audience(&compact), want, "{compact}");
        }
    }
}
