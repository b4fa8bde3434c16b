//! The hub's seal: signs bases and chain heads with the audit key (DESIGN 8, 9).
//!
//! An unsigned chain proves nothing to who can write the disk. Heads go to `heads.jws` in the data directory, one
//! compact JWS a line.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::folders;
use crate::hub::base::{Place, Seal, hex};
use crate::jose::alg::Alg;
use crate::jose::compact::verify_compact;
use crate::jose::keyset::KeySet;
use crate::jose::sign::{SigningKey, sign_compact};
use crate::journal::Link;
use crate::journal::verify::SignedHeadClaim;
use crate::keys::Keys;
use crate::tenant::{Seq, TenantId};

/// `typ` of a signed base header.
const BASE_TYP: &str = "ssf-hub-base+jwt";
/// `typ` of a signed manifest of a backup.
const MANIFEST_TYP: &str = "ssf-hub-backup+jwt";
/// `typ` of signed chain heads.
const HEADS_TYP: &str = "ssf-hub-heads+jwt";
/// The file of signed chain heads.
pub const HEADS: &str = "heads.jws";
/// Largest signed text that is read back, in bytes.
const SIGNED_MAX: usize = 64 * 1024 * 1024;

/// Signs with the audit key, and knows its own signature again.
pub struct AuditSeal {
    key: Arc<SigningKey>,
    public: KeySet,
    /// Held while `heads.jws` grows.
    growing: Mutex<()>,
}

/// Chain heads at a moment.
#[derive(Debug, Serialize, Deserialize)]
pub struct SignedHeads {
    /// Which journal (hex).
    pub journal: String,
    /// When (ms since 1970).
    pub at_ms: i64,
    /// The heads.
    pub heads: Vec<SignedHead>,
}

/// One tenant's chain head.
#[derive(Debug, Serialize, Deserialize)]
pub struct SignedHead {
    /// Whose.
    pub tenant: TenantId,
    /// At which entry.
    pub seq: Seq,
    /// The head (hex).
    pub head: String,
}

impl AuditSeal {
    /// The seal with the audit key of `keys`; the key is made on first use.
    pub fn new(keys: &Keys) -> anyhow::Result<Self> {
        let key = keys.audit()?;
        let set = serde_json::json!({ "keys": [key.public_jwk()] });
        let public = KeySet::parse(set.to_string().as_bytes())?;
        Ok(Self { key, public, growing: Mutex::new(()) })
    }

    fn open_typ(&self, compact: &str, typ: &str) -> Result<Vec<u8>, String> {
        let (header, payload) = verify_compact(compact.as_bytes(), &self.public, &[Alg::ES256], SIGNED_MAX)
            .map_err(|e| e.to_string())?;
        if header.typ_is(typ) { Ok(payload) } else { Err("it is signed for another purpose".into()) }
    }

    /// Which audit key this is.
    pub fn kid(&self) -> &str {
        self.key.kid()
    }

    /// A backup's manifest as compact JWS.
    pub fn sign_manifest(&self, json: &[u8]) -> anyhow::Result<String> {
        Ok(sign_compact(&self.key, MANIFEST_TYP, json)?)
    }

    /// A manifest back, if the signature is this hub's.
    pub fn open_manifest(&self, compact: &str) -> Result<Vec<u8>, String> {
        self.open_typ(compact, MANIFEST_TYP)
    }

    /// Appends the signed heads of what is durable now to `heads.jws`.
    pub fn sign_heads(&self, dir: &Path, heads: &SignedHeads) -> anyhow::Result<()> {
        let mut line = sign_compact(&self.key, HEADS_TYP, &serde_json::to_vec(heads)?)?;
        line.push('\n');
        let path = dir.join(HEADS);
        let _one = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
        cut_half_line(&file)?;
        let is_new = file.metadata()?.len() == 0;
        file.write_all(line.as_bytes())?;
        file.sync_data()?;
        // Its name is durable with its first line.
        if is_new { Ok(folders::flush(dir)?) } else { Ok(()) }
    }

    /// The heads signed so far, of this journal. A line that is not ours is an error: somebody wrote here.
    pub fn signed_heads(&self, dir: &Path, journal: &str) -> anyhow::Result<Vec<SignedHeadClaim>> {
        let text = match std::fs::read_to_string(dir.join(HEADS)) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(e) => return Err(e.into()),
        };
        let mut claims = vec![];
        let lines: Vec<&str> = text.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            let opened = match self.open_typ(line, HEADS_TYP) {
                Ok(opened) => opened,
                // A crash may have cut the line that was being written.
                Err(_) if n + 1 == lines.len() && !text.ends_with('\n') => break,
                Err(what) => anyhow::bail!("heads.jws, line {}: {what}", n + 1),
            };
            let signed: SignedHeads = serde_json::from_slice(&opened)?;
            if signed.journal != journal {
                continue;
            }
            for head in signed.heads {
                let link = unhex(&head.head)
                    .ok_or_else(|| anyhow::anyhow!("heads.jws, line {}: bad head", n + 1))?;
                claims.push(SignedHeadClaim { tenant: head.tenant, seq: head.seq, head: link });
            }
        }
        Ok(claims)
    }
}

/// Cuts a last line that a crash or a full disk left without its end: the next one must not grow onto it.
fn cut_half_line(file: &File) -> std::io::Result<()> {
    let len = file.metadata()?.len();
    let mut end = len;
    let mut byte = [b'\n'];
    while end > 0 {
        file.read_exact_at(&mut byte, end - 1)?;
        if byte == *b"\n" {
            break;
        }
        end -= 1;
    }
    if end < len { file.set_len(end) } else { Ok(()) }
}

/// The heads of everything that is durable, as they are signed.
pub fn heads_of(place: &Place, at_ms: i64) -> SignedHeads {
    let of = |(tenant, seq, head): &(TenantId, Seq, Link)| SignedHead {
        tenant: tenant.clone(),
        seq: *seq,
        head: hex(head),
    };
    SignedHeads { journal: hex(&place.journal.0), at_ms, heads: place.heads.iter().map(of).collect() }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0u8; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

impl Seal for AuditSeal {
    fn sign(&self, header: &[u8]) -> Result<String, String> {
        sign_compact(&self.key, BASE_TYP, header).map_err(|e| e.to_string())
    }

    fn open(&self, compact: &str) -> Result<Vec<u8>, String> {
        self.open_typ(compact, BASE_TYP)
    }
}
