//! Our own signing keys: PEM in, cached signer and public JWK out; compact and flattened JWS.
//!
//! Called by `keys` (which holds the files) and by the transmitter's signing pool. The signer is built
//! once per key, because parsing the key costs more than the signature. Never hands out private members.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jws::{ES256, EdDSA, JwsSigner, PS256, RS256};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Rsa;
use serde_json::{Map, Value};

use super::alg::Alg;
use super::jwk::{RSA_BITS, thumbprint};

/// Size of the RSA keys that the hub makes, in bits.
const RSA_BITS_MADE: u32 = 2048;

/// What can go wrong with our own keys: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The PEM holds no private key that fits the algorithm.
    #[error("the private key does not fit {0}")]
    Key(Alg),
    /// OpenSSL could not make a key or a signature.
    #[error("signing with {0} failed")]
    Sign(Alg),
}

/// A private key, ready to sign.
pub struct SigningKey {
    alg: Alg,
    kid: String,
    signer: Box<dyn JwsSigner>,
    public_jwk: Map<String, Value>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("alg", &self.alg).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Makes a new private key for `alg`, as PKCS#8 PEM.
pub fn generate_pem(alg: Alg) -> Result<Vec<u8>, Error> {
    let make = || -> Result<Vec<u8>, openssl::error::ErrorStack> {
        let key = match alg {
            Alg::RS256 | Alg::PS256 => PKey::from_rsa(Rsa::generate(RSA_BITS_MADE)?)?,
            Alg::ES256 => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
                PKey::from_ec_key(EcKey::generate(&group)?)?
            }
            Alg::EdDSA => PKey::generate_ed25519()?,
        };
        key.private_key_to_pem_pkcs8()
    };
    make().map_err(|_| Error::Sign(alg))
}

impl SigningKey {
    /// Makes a new key that lives only in memory.
    pub fn generate(alg: Alg) -> Result<Self, Error> {
        Self::from_pem(alg, &generate_pem(alg)?)
    }

    /// Reads a private key. Its `kid` is its RFC 7638 thumbprint.
    pub fn from_pem(alg: Alg, pem: &[u8]) -> Result<Self, Error> {
        let key = PKey::private_key_from_pem(pem).map_err(|_| Error::Key(alg))?;
        let mut public_jwk = public_members(alg, &key).ok_or(Error::Key(alg))?;
        let kid = thumbprint(&public_jwk).ok_or(Error::Key(alg))?;
        public_jwk.insert("kid".into(), kid.clone().into());
        public_jwk.insert("use".into(), "sig".into());
        public_jwk.insert("alg".into(), alg.name().into());
        let signer = signer(alg, &key).ok_or(Error::Key(alg))?;
        Ok(Self { alg, kid, signer, public_jwk })
    }

    /// What it signs with.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// Its name in the published key set.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, with `kid`, `use` and `alg`, as it is published.
    pub fn public_jwk(&self) -> &Map<String, Value> {
        &self.public_jwk
    }

    fn header(&self, typ: Option<&str>) -> String {
        let mut header = Map::new();
        header.insert("alg".into(), self.alg.name().into());
        if let Some(typ) = typ {
            header.insert("typ".into(), typ.into());
        }
        header.insert("kid".into(), self.kid.clone().into());
        URL_SAFE_NO_PAD.encode(Value::Object(header).to_string())
    }

    fn signature(&self, signed: &str) -> Result<String, Error> {
        let raw = self.signer.sign(signed.as_bytes()).map_err(|_| Error::Sign(self.alg))?;
        Ok(URL_SAFE_NO_PAD.encode(raw))
    }
}

/// Signs `payload` as a compact JWS (RFC 7515 §7.1) with header `alg`, `typ`, `kid`.
pub fn sign_compact(key: &SigningKey, typ: &str, payload: &[u8]) -> Result<String, Error> {
    let mut token = key.header(Some(typ));
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.signature(&token)?;
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

/// Signs under any header at all: how tests make tokens that the hub itself would never make.
#[cfg(test)]
pub(crate) fn sign_raw(key: &SigningKey, header: &str, payload: &str) -> Result<String, Error> {
    let signed = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header));
    let signature = key.signature(&signed)?;
    Ok(format!("{signed}.{signature}"))
}

/// josekit's signer, straight from the key's DER: no private `Jwk` ever exists.
fn signer(alg: Alg, key: &PKey<Private>) -> Option<Box<dyn JwsSigner>> {
    let pkcs8 = || key.private_key_to_pkcs8().ok();
    let built: Box<dyn JwsSigner> = match alg {
        Alg::RS256 => Box::new(RS256.signer_from_der(pkcs8()?).ok()?),
        // josekit wants the PSS object identifier inside PKCS#8; the bare PKCS#1 form suits both.
        Alg::PS256 => Box::new(PS256.signer_from_der(key.rsa().ok()?.private_key_to_der().ok()?).ok()?),
        Alg::ES256 => Box::new(ES256.signer_from_der(pkcs8()?).ok()?),
        Alg::EdDSA => Box::new(EdDSA.signer_from_der(pkcs8()?).ok()?),
    };
    Some(built)
}

fn public_members(alg: Alg, key: &PKey<Private>) -> Option<Map<String, Value>> {
    let text = |bytes: &[u8]| Value::from(URL_SAFE_NO_PAD.encode(bytes));
    let members = match alg {
        Alg::RS256 | Alg::PS256 => {
            let rsa = key.rsa().ok()?;
            if !RSA_BITS.contains(&usize::try_from(rsa.n().num_bits()).ok()?) {
                return None;
            }
            vec![("kty", "RSA".into()), ("n", text(&rsa.n().to_vec())), ("e", text(&rsa.e().to_vec()))]
        }
        Alg::ES256 => {
            let ec = key.ec_key().ok()?;
            if ec.group().curve_name() != Some(Nid::X9_62_PRIME256V1) {
                return None;
            }
            let (mut x, mut y) = (BigNum::new().ok()?, BigNum::new().ok()?);
            let mut context = BigNumContext::new().ok()?;
            ec.public_key().affine_coordinates(ec.group(), &mut x, &mut y, &mut context).ok()?;
            let fixed = |n: &BigNum| Some(text(&n.to_vec_padded(32).ok()?));
            vec![("kty", "EC".into()), ("crv", "P-256".into()), ("x", fixed(&x)?), ("y", fixed(&y)?)]
        }
        Alg::EdDSA if key.id() == Id::ED25519 => {
            vec![("kty", "OKP".into()), ("crv", "Ed25519".into()), ("x", text(&key.raw_public_key().ok()?))]
        }
        Alg::EdDSA => return None,
    };
    Some(members.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{KeySet, verify_compact};

    fn set_of(key: &SigningKey) -> KeySet {
        KeySet::parse(serde_json::json!({ "keys": [key.public_jwk()] }).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_we_sign_verifies_under_the_published_key() {
        for alg in Alg::ALL {
            let key = SigningKey::generate(alg).unwrap();
            let keys = set_of(&key);
            // ECDSA integers are short once in 128 times: padding must hold then too.
            let rounds = if alg == Alg::ES256 { 600 } else { 2 };
            for round in 0..rounds {
                let payload = format!("{{\"n\":{round}}}");
                let token = sign_compact(&key, "secevent+jwt", payload.as_bytes()).unwrap();
                let (header, got) = verify_compact(token.as_bytes(), &keys, &[alg], 10_000).unwrap();
                assert_eq!(got, payload.as_bytes());
                assert_eq!((header.alg.as_str(), header.kid.as_deref()), (alg.name(), Some(key.kid())));
            }
            let token = sign_compact(&key, "t", b"{}").unwrap();
            let other = SigningKey::generate(alg).unwrap();
            let mut forged = other.public_jwk().clone();
            forged.insert("kid".into(), key.kid().into());
            let forged = serde_json::json!({ "keys": [forged] }).to_string();
            let forged = KeySet::parse(forged.as_bytes()).unwrap();
            let err = verify_compact(token.as_bytes(), &forged, &[alg], 10_000).unwrap_err();
            assert_eq!(err, crate::jose::compact::Error::Signature);
            assert!(!format!("{key:?}").contains("n\":"));
        }
    }

    #[test]
    fn foreign_and_weak_keys_are_refused() {
        let rsa = generate_pem(Alg::RS256).unwrap();
        assert!(SigningKey::from_pem(Alg::ES256, &rsa).is_err());
        assert!(SigningKey::from_pem(Alg::EdDSA, &rsa).is_err());
        assert!(SigningKey::from_pem(Alg::PS256, &rsa).is_ok());
        let weak = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap().private_key_to_pem_pkcs8().unwrap();
        assert!(SigningKey::from_pem(Alg::RS256, &weak).is_err());
        assert!(SigningKey::from_pem(Alg::RS256, b"no pem").is_err());
        let pem = generate_pem(Alg::ES256).unwrap();
        let twice = [(); 2].map(|()| SigningKey::from_pem(Alg::ES256, &pem).unwrap().kid().to_string());
        assert_eq!(twice[0], twice[1]);
    }
}
