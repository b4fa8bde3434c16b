//! Reading a compact JWS (RFC 7515 §7.1): split, header, and the payload once the signature holds.
//!
//! Flow: `Compact::parse` → the caller judges `typ` → `Compact::verify` → payload bytes. There is no way to
//! the payload around `verify`. Keys that a token brings along (`jwk`, `jku`, `x5u`) make it refused;
//! `x5c`, `x5t` are never used and therefore ignored. Looks at no claim but, unverified, `iss`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::alg::Alg;
use super::keyset::{Absent, KeySet};
use super::strict::Object;

/// Longest `kid` and `typ` that are read, in bytes.
const PART_BYTES_MAX: usize = 1024;

/// Why a compact JWS is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Longer than the caller allows.
    #[error("the token is too long")]
    TooLong,
    /// Not three parts of strict base64url, or the header is no unambiguous JSON object of the right types.
    #[error("not a compact JWS")]
    Malformed,
    /// `crit` present: no extension is understood (RFC 7515 §4.1.11).
    #[error("a critical header extension is not understood")]
    Critical,
    /// `jwk`, `jku` or `x5u` present: a token may not bring its own key.
    #[error("the token brings its own key")]
    OwnKey,
    /// `alg` is not among the allowed ones.
    #[error("the signature algorithm is not allowed")]
    AlgNotAllowed,
    /// No key has this `kid`. Worth one fresh look at the issuer's keys.
    #[error("no key has this kid")]
    UnknownKid,
    /// There is no single key that fits.
    #[error("no single key fits the token")]
    NoKey,
    /// The signature does not hold.
    #[error("the signature is wrong")]
    Signature,
}

/// The protected header, as far as it is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// `alg` as spelled in the header; whether it is allowed is judged by `Compact::verify`.
    pub alg: String,
    /// `typ` as spelled in the header.
    pub typ: Option<String>,
    /// `kid`.
    pub kid: Option<String>,
}

impl Header {
    fn parse(json: &[u8]) -> Result<Self, Error> {
        let object = Object::parse(json).map_err(|_| Error::Malformed)?;
        if object.member("crit").is_some() {
            return Err(Error::Critical);
        }
        if ["jwk", "jku", "x5u"].iter().any(|name| object.member(name).is_some()) {
            return Err(Error::OwnKey);
        }
        // `b64` only means something together with `crit`; alone it would invite two readings.
        if object.member("b64").is_some() {
            return Err(Error::Critical);
        }
        let text = |name: &str| match object.member(name) {
            None => Ok(None),
            Some(json) => match serde_json::from_str::<String>(json) {
                Ok(s) if s.len() <= PART_BYTES_MAX => Ok(Some(s)),
                _ => Err(Error::Malformed),
            },
        };
        Ok(Self { alg: text("alg")?.ok_or(Error::Malformed)?, typ: text("typ")?, kid: text("kid")? })
    }

    /// Whether `typ` is `short` or `application/short`, compared without case (RFC 7515 §4.1.9).
    pub fn typ_is(&self, short: &str) -> bool {
        let Some(typ) = self.typ.as_deref() else { return false };
        let rest = match typ.split_once('/') {
            Some((top, rest)) if top.eq_ignore_ascii_case("application") => rest,
            Some(_) => return false,
            None => typ,
        };
        rest.eq_ignore_ascii_case(short)
    }
}

/// A compact JWS whose signature nobody has checked yet.
#[derive(Debug)]
pub struct Compact<'a> {
    text: &'a str,
    signed: &'a [u8],
    header: Header,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Splits and decodes a compact JWS of at most `max_bytes` bytes, and reads its header.
    pub fn parse(compact: &'a [u8], max_bytes: usize) -> Result<Self, Error> {
        if compact.len() > max_bytes {
            return Err(Error::TooLong);
        }
        let text = std::str::from_utf8(compact).map_err(|_| Error::Malformed)?;
        let (signed, signature) = text.rsplit_once('.').ok_or(Error::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Error::Malformed)?;
        // The engine refuses padding, foreign characters (dots too) and dangling bits.
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Error::Malformed);
        let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
        Ok(Self { text, signed: signed.as_bytes(), header: Header::parse(&header)?, payload, signature })
    }

    /// The token as it came.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The header, not yet vouched for by a signature.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The `iss` that the payload names, which nobody vouches for yet: good to choose whose keys are asked, for nothing
    /// else. `None`: the payload is no object, or names none.
    pub fn unverified_iss(&self) -> Option<String> {
        let object = Object::parse(&self.payload).ok()?;
        serde_json::from_str(object.member("iss")?).ok()
    }

    /// Checks the signature with the one key of `keys` that `kid` and `alg` name, and hands out the
    /// header, the algorithm and the payload.
    pub fn verify(self, keys: &KeySet, algs: &[Alg]) -> Result<(Header, Alg, Vec<u8>), Error> {
        let alg =
            Alg::from_name(&self.header.alg).filter(|a| algs.contains(a)).ok_or(Error::AlgNotAllowed)?;
        let key = keys.find(self.header.kid.as_deref(), alg).map_err(|absent| match absent {
            Absent::UnknownKid => Error::UnknownKid,
            Absent::NoneFits | Absent::SeveralFit => Error::NoKey,
        })?;
        if key.verify(alg, self.signed, &self.signature) {
            Ok((self.header, alg, self.payload))
        } else {
            Err(Error::Signature)
        }
    }
}

/// Parses and verifies a compact JWS of at most `max_bytes` bytes in one go. `typ` and the claims are the
/// caller's to judge: SETs go through `set::verify`, access tokens through the gate.
pub fn verify_compact(
    compact: &[u8],
    keys: &KeySet,
    algs: &[Alg],
    max_bytes: usize,
) -> Result<(Header, Vec<u8>), Error> {
    let (header, _, payload) = Compact::parse(compact, max_bytes)?.verify(keys, algs)?;
    Ok((header, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(json: &str) -> Result<Header, Error> {
        let token = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(json));
        Compact::parse(token.as_bytes(), 10_000).map(|c| c.header().clone())
    }

    #[test]
    fn headers() {
        let good =
            header(r#"{"alg":"RS256","typ" : "secevent+jwt","kid" : "k","x5t":"?","x5c":[]}"#).unwrap();
        assert_eq!((good.alg.as_str(), good.kid.as_deref()), ("RS256", Some("k")));
        let table = [
            (r#"{"alg":"RS256","crit":[]}"#, Error::Critical),
            (r#"{"alg":"RS256","crit":null}"#, Error::Critical),
            (r#"{"alg":"RS256","b64":false}"#, Error::Critical),
            (r#"{"alg":"RS256","jwk":{}}"#, Error::OwnKey),
            (r#"{"alg":"RS256","jku":"https://x"}"#, Error::OwnKey),
            (r#"{"alg":"RS256","x5u":"https://x"}"#, Error::OwnKey),
            (r#"{"alg":"RS256","alg":"ES256"}"#, Error::Malformed),
            (r#"{"alg":"RS256","x":1,"x":1}"#, Error::Malformed),
            (r#"{"alg":7}"#, Error::Malformed),
            (r#"{"typ":"secevent+jwt"}"#, Error::Malformed),
            (r#"{"alg":"RS256","kid":null}"#, Error::Malformed),
            (r#"["alg"]"#, Error::Malformed),
        ];
        for (json, want) in table {
            assert_eq!(header(json).unwrap_err(), want, "{json}");
        }
    }

    #[test]
    fn typ_in_both_forms_and_any_case() {
        let is =
            |typ: &str| Header { alg: "x".into(), typ: Some(typ.into()), kid: None }.typ_is("secevent+jwt");
        for good in ["secevent+jwt", "SECEVENT+JWT", "application/secevent+jwt", "Application/SecEvent+jwt"] {
            assert!(is(good), "{good}");
        }
        for bad in ["JWT", "at+jwt", "text/secevent+jwt", "secevent+jwt ", "", "application/"] {
            assert!(!is(bad), "{bad}");
        }
        assert!(!Header { alg: "x".into(), typ: None, kid: None }.typ_is("secevent+jwt"));
    }

    #[test]
    fn not_three_strict_parts() {
        let h = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
        for bad in ["", ".", "..", "x", "a.b", &format!("{h}.e30"), &format!("{h}.e30=.AAAA")] {
            assert_eq!(Compact::parse(bad.as_bytes(), 1000).unwrap_err(), Error::Malformed, "{bad}");
        }
        for bad in
            [format!("{h}.e30.AA.AA"), format!("{h}.e31.AB"), format!("{h} .e30.AAAA"), format!("{h}.e3+.AA")]
        {
            assert_eq!(Compact::parse(bad.as_bytes(), 1000).unwrap_err(), Error::Malformed, "{bad}");
        }
        assert_eq!(Compact::parse(&[b'a'; 11], 10).unwrap_err(), Error::TooLong);
        assert_eq!(Compact::parse(b"\xff.\xff.\xff", 10).unwrap_err(), Error::Malformed);
    }
}
