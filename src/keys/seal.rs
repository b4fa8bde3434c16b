//! The seal on a file in `keys/`: AES-256-GCM under a key that does not lie in the data directory.
//!
//! A sealed file says which sealing key it wants, and is good under its own name only: two files cannot be swapped. Pure
//! bytes; [`super::safe`] reads and writes. Never shows a key.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use sha2::{Digest as _, Sha256};

use crate::clock::{Chance, random};

/// What a sealed file begins with. No text begins so (it is not UTF-8), no PEM, and no key of 32 bytes is as long as a
/// sealed file.
const MAGIC: &[u8; 8] = b"\x89SSFHUB\x01";
const ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = MAGIC.len() + ID_BYTES + NONCE_BYTES;
/// Longest file that a sealing key is read from, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 256;

/// Why there is no sealing key: the operator's to mend.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadKey {
    /// The file cannot be read.
    #[error("`{}` cannot be read: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Others may read it.
    #[error("`{}` may be read by others; its mode must be 0600 or 0400", .0.display())]
    Open(PathBuf),
    /// Not 32 bytes.
    #[error("a sealing key is 32 random bytes, as they are, in base64 or in hex")]
    Form,
}

/// A sealing key.
#[derive(Clone)]
pub struct SealingKey {
    key: [u8; 32],
    id: [u8; ID_BYTES],
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingKey({})", self.id())
    }
}

impl PartialEq for SealingKey {
    fn eq(&self, other: &Self) -> bool {
        openssl::memcmp::eq(&self.key, &other.key)
    }
}

impl Eq for SealingKey {}

impl SealingKey {
    /// A key from its bytes.
    pub fn new(key: [u8; 32]) -> Self {
        let hash: [u8; 32] =
            Sha256::new().chain_update(b"ssf-hub sealing key id").chain_update(key).finalize().into();
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&hash[..ID_BYTES]);
        Self { key, id }
    }

    /// Reads a key as it is written: 32 bytes, or their base64 or hex.
    pub fn parse(written: &[u8]) -> Result<Self, BadKey> {
        if let Ok(key) = written.try_into() {
            return Ok(Self::new(key));
        }
        let text = std::str::from_utf8(written).map_err(|_| BadKey::Form)?.trim();
        let base64 = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|e| e.decode(text).ok());
        let found = base64.into_iter().chain([unhex(text)]).flatten().find_map(|b| b.try_into().ok());
        found.map(Self::new).ok_or(BadKey::Form)
    }

    /// Reads a key from a file that only its owner may read.
    pub fn read(path: &Path) -> Result<Self, BadKey> {
        use std::io::Read as _;
        use std::os::unix::fs::PermissionsExt as _;
        let unreadable = |e: std::io::Error| BadKey::Unreadable { path: path.into(), why: e.to_string() };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.permissions().mode() & 0o077 != 0 {
            return Err(BadKey::Open(path.into()));
        }
        let mut written = vec![];
        file.take(KEY_FILE_BYTES_MAX).read_to_end(&mut written).map_err(unreadable)?;
        Self::parse(&written)
    }

    /// Its name: what a sealed file says of it.
    pub fn id(&self) -> String {
        hex(&self.id)
    }
}

/// The sealing keys of a hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealing {
    /// What is written is sealed with this; without it, with none.
    pub current: Option<SealingKey>,
    /// What was sealed with this is still read.
    pub previous: Option<SealingKey>,
}

/// Why a sealed file cannot be opened.
#[derive(Debug, PartialEq, Eq)]
pub enum Closed {
    /// It wants the key of this id.
    OtherKey(String),
    /// It was changed, or is another file than its name says.
    Damaged,
}

impl Sealing {
    fn all(&self) -> impl Iterator<Item = &SealingKey> {
        self.current.iter().chain(&self.previous)
    }

    /// The bytes to keep under a name.
    pub fn seal(
        &self,
        name: &str,
        plain: &[u8],
        chance: &dyn Chance,
    ) -> Result<Vec<u8>, openssl::error::ErrorStack> {
        let Some(key) = &self.current else { return Ok(plain.to_vec()) };
        let nonce = random::<NONCE_BYTES>(chance);
        let mut tag = [0; TAG_BYTES];
        let aad = associated(&key.id, name);
        let sealed = encrypt_aead(Cipher::aes_256_gcm(), &key.key, Some(&nonce), &aad, plain, &mut tag)?;
        Ok([&MAGIC[..], &key.id, &nonce, &sealed, &tag].concat())
    }

    /// What is kept under a name.
    pub fn open(&self, name: &str, kept: Vec<u8>) -> Result<Vec<u8>, Closed> {
        let Some(id) = sealed_with(&kept) else { return Ok(kept) };
        let key = self.all().find(|key| key.id == id).ok_or_else(|| Closed::OtherKey(hex(&id)))?;
        let (head, body) = kept.split_at(HEAD_BYTES);
        let (sealed, tag) = body.split_at(body.len() - TAG_BYTES);
        let nonce = &head[MAGIC.len() + ID_BYTES..];
        decrypt_aead(Cipher::aes_256_gcm(), &key.key, Some(nonce), &associated(&id, name), sealed, tag)
            .map_err(|_| Closed::Damaged)
    }

    /// Whether what is kept is as it would be written now.
    pub fn is_current(&self, kept: &[u8]) -> bool {
        match (&self.current, sealed_with(kept)) {
            (None, _) => true,
            (Some(key), with) => with == Some(key.id),
        }
    }
}

/// The id of the key that a file is sealed with; `None`: it is not sealed.
pub fn sealed_with(kept: &[u8]) -> Option<[u8; ID_BYTES]> {
    let sealed = kept.len() >= HEAD_BYTES + TAG_BYTES && kept.starts_with(MAGIC);
    kept.get(MAGIC.len()..MAGIC.len() + ID_BYTES).filter(|_| sealed)?.try_into().ok()
}

/// Binds the file to its name and to its key.
fn associated(id: &[u8], name: &str) -> Vec<u8> {
    [&MAGIC[..], id, name.as_bytes()].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsChance;
    use std::os::unix::fs::PermissionsExt as _;

    fn with(current: u8, previous: Option<u8>) -> Sealing {
        let key = |n: u8| SealingKey::new([n; 32]);
        Sealing { current: Some(key(current)), previous: previous.map(key) }
    }

    #[test]
    fn only_under_its_name_and_its_key() {
        let (one, two) = (with(1, None), with(2, Some(1)));
        for plain in [&b""[..], b"\x00", &[7; 5_000]] {
            let kept = one.seal("t/a/subject.key", plain, &OsChance).unwrap();
            assert!(plain.len() < 16 || !kept.windows(16).any(|w| w == &plain[..16]));
            assert_eq!(one.open("t/a/subject.key", kept.clone()).unwrap(), plain);
            assert_eq!(two.open("t/a/subject.key", kept.clone()).unwrap(), plain);
            assert_eq!(one.open("t/b/subject.key", kept.clone()), Err(Closed::Damaged));
            let id = SealingKey::new([1; 32]).id();
            assert_eq!(
                with(2, None).open("t/a/subject.key", kept.clone()),
                Err(Closed::OtherKey(id.clone()))
            );
            assert_eq!(Sealing::default().open("t/a/subject.key", kept.clone()), Err(Closed::OtherKey(id)));
            for at in 0..kept.len().min(64) {
                let mut bent = kept.clone();
                bent[at] ^= 1;
                assert_ne!(one.open("t/a/subject.key", bent).ok().as_deref(), Some(plain), "{at}");
            }
            assert!(one.is_current(&kept) && !two.is_current(&kept) && Sealing::default().is_current(&kept));
            assert_ne!(kept, one.seal("t/a/subject.key", plain, &OsChance).unwrap());
        }
        // What was never sealed is read as it is.
        assert_eq!(one.open("x", vec![1; 32]).unwrap(), vec![1; 32]);
        assert!(!one.is_current(&[1; 32]));
    }

    #[test]
    fn keys_as_they_are_written() {
        let key = SealingKey::new([0xab; 32]);
        let hex = "ab".repeat(32);
        let base64 = STANDARD.encode([0xab; 32]);
        for good in [&[0xab; 32][..], hex.as_bytes(), format!("{hex}\n").as_bytes(), base64.as_bytes()] {
            assert_eq!(SealingKey::parse(good), Ok(key.clone()));
        }
        for bad in [&b""[..], &[0xab; 31], b"ab", format!("{hex}00").as_bytes(), &[0xff; 33]] {
            assert_eq!(SealingKey::parse(bad), Err(BadKey::Form));
        }
        let shown = format!("{key:?} {:?}", with(3, None));
        assert!(!shown.contains("171") && !shown.contains("abab"), "{shown}");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        std::fs::write(&path, hex).unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(SealingKey::read(&path).is_ok(), good, "{mode:o}");
        }
        assert!(matches!(SealingKey::read(&dir.path().join("none")), Err(BadKey::Unreadable { .. })));
    }
}
