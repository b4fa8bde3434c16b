//! Names and issuers of outgoing SETs: computed from the entry, never drawn (DESIGN 5).
//!
//! A crash, a retry and a rebuilt outbox all arrive at the same `jti`; a restored journal, which has another id,
//! never does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::hub::effect::Item;
use crate::outbox::names::Name;
use crate::tenant::TenantId;

/// What every name and `iss` begins with.
#[derive(Clone, Debug)]
pub struct Issuer {
    journal_id: [u8; 16],
    public_url: String,
}

impl Issuer {
    /// `public_url` without a trailing slash.
    pub fn new(journal_id: [u8; 16], public_url: &str) -> Self {
        Self { journal_id, public_url: public_url.trim_end_matches('/').into() }
    }

    /// The tenant's `iss` (DESIGN, Doors).
    pub fn iss(&self, tenant: &TenantId) -> String {
        format!("{}/t/{tenant}", self.public_url)
    }

    /// The name of an item for one audience: the first 16 bytes of SHA-256 over journal id, tenant, seq,
    /// audience and index. `aud_json` is `Stream::aud_json`.
    pub fn name(&self, tenant: &TenantId, item: Item, aud_json: &str) -> Name {
        let mut hash = Sha256::new();
        hash.update(self.journal_id);
        put_short(&mut hash, tenant.as_str());
        hash.update(item.seq.0.to_be_bytes());
        put_short(&mut hash, aud_json);
        hash.update(item.index.to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut name = Name::default();
        name.copy_from_slice(&digest[..16]);
        name
    }
}

/// A length as u16-BE, then the text. Longer text than that keeps all its bytes under the largest length;
/// no tenant and no configured audience comes near it.
fn put_short(hash: &mut Sha256, text: &str) {
    hash.update(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    hash.update(text);
}

/// The `jti` that a name is written as: 22 characters of base64url.
pub fn jti(name: &Name) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

/// The name that a `jti` stands for; `None` for what this hub never wrote.
pub fn name_of(jti: &str) -> Option<Name> {
    if jti.len() != 22 {
        return None;
    }
    URL_SAFE_NO_PAD.decode(jti).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::Seq;

    fn issuer(journal: u8) -> Issuer {
        Issuer::new([journal; 16], "https://hub.example/")
    }

    /// Golden: these values are registered in receivers' stores; they never change.
    #[test]
    fn names_are_fixed_for_ever() {
        let cases = [
            (1, "default", 1, 0, r#"["https://receiver.example/"]"#, GOLDEN[0]),
            (1, "default", 1, 1, r#"["https://receiver.example/"]"#, GOLDEN[1]),
            (2, "t-1", u64::MAX, 7, r#"["a","b"]"#, GOLDEN[2]),
        ];
        for (journal, tenant, seq, index, aud, want) in cases {
            let tenant = TenantId::parse(tenant).unwrap();
            let name = issuer(journal).name(&tenant, Item { seq: Seq(seq), index }, aud);
            assert_eq!(jti(&name), want);
            assert_eq!(name_of(want), Some(name));
        }
    }
    // Made by an independent program: sha256(journal ‖ len tenant ‖ seq ‖ len aud ‖ index)[..16].
    const GOLDEN: [&str; 3] = ["0pBy8NueMZ9WPBjNNP4x7w", "W_eOeKEMeRNw1K6orrmuhA", "CaIT6pWpgDHQi_f3s5c3nA"];

    #[test]
    fn every_part_of_the_cause_changes_the_name() {
        let t = TenantId::default_tenant();
        let item = Item { seq: Seq(1), index: 0 };
        let base = issuer(1).name(&t, item, "[\"a\"]");
        let others = [
            issuer(2).name(&t, item, "[\"a\"]"),
            issuer(1).name(&TenantId::parse("x").unwrap(), item, "[\"a\"]"),
            issuer(1).name(&t, Item { seq: Seq(2), index: 0 }, "[\"a\"]"),
            issuer(1).name(&t, Item { seq: Seq(1), index: 1 }, "[\"a\"]"),
            issuer(1).name(&t, item, "[\"b\"]"),
        ];
        assert!(others.iter().all(|other| *other != base));
        assert_eq!(issuer(1).iss(&t), "https://hub.example/t/default");
    }

    #[test]
    fn foreign_names_are_nobody() {
        for bad in
            ["", "nope", "../../etc/passwd", &"A".repeat(21), &"A".repeat(23), "AAAAAAAAAAAAAAAAAAAAA="]
        {
            assert_eq!(name_of(bad), None, "{bad}");
        }
    }
}
