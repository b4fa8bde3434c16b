//! From compact text to a token whose signature holds (RFC 7515, RFC 8725).
//!
//! In the flow: [`super::judge`] comes here when a token is not in the cache. The claims are read behind the
//! signature; the one thing read before it is `iss`, and only to choose whose keys are asked. Times and
//! audience are the caller's to check on every call, cached or not: [`Token::is_for`],
//! [`super::times::Times::check`].

use std::sync::Arc;

pub use super::claims::Token;
use super::issuer::{Issuer, Issuers};
use super::refusal::Refusal;
use crate::jose::alg::Alg;
use crate::jose::compact::{self, Compact};
use crate::jose::keyset::KeySet;

/// Longest token that is read by default, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// A token whose signature holds, and what that rests on.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Its claims.
    pub token: Token,
    /// Who signed it.
    pub issuer: Arc<Issuer>,
    /// The key set under which the signature held.
    pub keys: Arc<KeySet>,
}

/// Verifies `compact`, at most `bytes_max` bytes long, under the keys of the issuer that it names. An
/// unknown `kid` causes at most one fresh look at these keys.
pub async fn verify(compact: &[u8], bytes_max: usize, issuers: &Issuers) -> Result<Signed, Refusal> {
    let parsed = Compact::parse(compact, bytes_max)?;
    // The keys of an upstream's issuer sign both: a SET must never pass as an access token.
    if parsed.header().typ_is("secevent+jwt") || parsed.header().typ_is("logout+jwt") {
        return Err(Refusal::IsSet);
    }
    let issuer =
        issuers.get(&parsed.unverified_iss().ok_or(Refusal::Malformed)?).ok_or(Refusal::IssuerUnknown)?;
    let algs = &issuer.def().algs;
    // Judged here as well as under the keys: what can never pass shall not cause a fetch.
    Alg::from_name(&parsed.header().alg).filter(|alg| algs.contains(alg)).ok_or(Refusal::AlgNotAllowed)?;
    let mut keys = issuer.keys().await?;
    let payload = match parsed.verify(&keys, algs) {
        Err(compact::Error::UnknownKid) => {
            keys = issuer.keys_again(&keys).await?;
            Compact::parse(compact, bytes_max)?.verify(&keys, algs)
        }
        first => first,
    };
    let (_, _, payload) = payload?;
    let token = Token::read(&payload, issuer.def())?;
    Ok(Signed { token, issuer: issuer.clone(), keys })
}

impl From<compact::Error> for Refusal {
    fn from(error: compact::Error) -> Self {
        use compact::Error as E;
        match error {
            E::TooLong => Self::TooLong,
            E::Malformed => Self::Malformed,
            E::Critical | E::OwnKey => Self::Header,
            E::AlgNotAllowed => Self::AlgNotAllowed,
            E::UnknownKid | E::NoKey => Self::KeyUnknown,
            E::Signature => Self::Signature,
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::super::fixture::{self, ISS, NOW_S, issuers, payload, sign, sign_with_header};
    use super::*;
    use crate::jose::SigningKey;
    use crate::jose::remote::JwksSource;

    async fn refusal(compact: &str) -> Refusal {
        verify(compact.as_bytes(), TOKEN_BYTES_MAX, &issuers()).await.unwrap_err()
    }

    fn signed(changes: Value) -> String {
        sign("at+jwt", &payload(changes))
    }

    #[tokio::test]
    async fn the_good_one_passes_under_every_typ_of_an_access_token() {
        for typ in ["at+jwt", "JWT", "application/at+jwt", "txntoken+jwt"] {
            let compact = sign(typ, &payload(json!({})));
            let good = verify(compact.as_bytes(), TOKEN_BYTES_MAX, &issuers()).await.unwrap();
            assert_eq!((good.token.iss.as_str(), good.token.times.iat_s), (ISS, NOW_S), "{typ}");
        }
    }

    #[tokio::test]
    async fn forged_foreign_and_malformed_ones_are_refused() {
        let good = signed(json!({}));
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = head.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(payload(json!({"sub": "mallory"})).to_string());
        let with = |header: Value| sign_with_header(&header, &payload(json!({})));
        let kid = fixture::key().kid();
        let table = [
            ("", Refusal::Malformed),
            ("a.b", Refusal::Malformed),
            ("a.b.c", Refusal::Malformed),
            (&format!("{head}.{signature}="), Refusal::Malformed),
            (&format!("{head}.{}", "A".repeat(signature.len())), Refusal::Signature),
            (&format!("{header}.{other}.{signature}"), Refusal::Signature),
            (&"A".repeat(TOKEN_BYTES_MAX + 1), Refusal::TooLong),
            (&sign("secevent+jwt", &payload(json!({}))), Refusal::IsSet),
            (&sign("application/SecEvent+jwt", &payload(json!({}))), Refusal::IsSet),
            (&sign("logout+jwt", &payload(json!({}))), Refusal::IsSet),
            (&signed(json!({"events": {"https://x": {}}})), Refusal::IsSet),
            (&signed(json!({"iss": "https://other.example"})), Refusal::IssuerUnknown),
            (&signed(json!({"iss": "https://as.example/"})), Refusal::IssuerUnknown),
            (&signed(json!({"iss": null})), Refusal::Malformed),
            (&signed(json!({"iss": 7})), Refusal::Malformed),
            (&signed(json!({"iat": null})), Refusal::Timeless),
            (&with(json!({"alg": "none"})), Refusal::AlgNotAllowed),
            (&with(json!({"alg": "HS256", "kid": kid})), Refusal::AlgNotAllowed),
            (&with(json!({"alg": "RS256", "kid": kid})), Refusal::AlgNotAllowed),
            (&with(json!({"alg": "EdDSA", "kid": kid})), Refusal::KeyUnknown),
            (&with(json!({"alg": "ES256", "kid": "other"})), Refusal::KeyUnknown),
            (&with(json!({"alg": "ES256", "kid": kid, "crit": ["exp"]})), Refusal::Header),
            (&with(json!({"alg": "ES256", "kid": kid, "jwk": {}})), Refusal::Header),
            (&with(json!({"alg": "ES256", "kid": kid})), Refusal::Signature),
        ];
        for (compact, want) in table {
            assert_eq!(refusal(compact).await, want, "{:.80}", compact);
        }
    }

    #[tokio::test]
    async fn an_unknown_kid_costs_at_most_one_fresh_look() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let issuers = fixture::issuers_with(JwksSource::Url(url));
        let [old, new, never] = [(); 3].map(|()| SigningKey::generate(Alg::ES256).unwrap());
        let signed_by = |key: &SigningKey| {
            crate::jose::sign_compact(key, "at+jwt", payload(json!({})).to_string().as_bytes()).unwrap()
        };
        let set =
            |keys: &[&SigningKey]| json!({"keys": keys.iter().map(|k| k.public_jwk()).collect::<Vec<_>>()});
        let ask = async |key: &SigningKey| {
            verify(signed_by(key).as_bytes(), TOKEN_BYTES_MAX, &issuers).await.map(|_| ())
        };
        let calls = async {
            [ask(&old).await, ask(&new).await, ask(&never).await, ask(&never).await, ask(&old).await]
        };
        let bodies = [set(&[&old]), set(&[&old, &new])];
        let got = fixture::served(&listener, &bodies, calls).await;
        assert_eq!(got, [Ok(()), Ok(()), Err(Refusal::KeyUnknown), Err(Refusal::KeyUnknown), Ok(())]);
        use futures_util::FutureExt as _;
        assert!(listener.accept().now_or_never().is_none(), "nobody asked a third time");
        drop(listener);
        let gone = fixture::issuers_with(JwksSource::Url("http://127.0.0.1:9/jwks".into()));
        let got = verify(signed_by(&old).as_bytes(), TOKEN_BYTES_MAX, &gone).await.unwrap_err();
        assert_eq!(got, Refusal::KeysUnavailable);
        let none = sign_with_header(&json!({"alg": "none"}), &payload(json!({})));
        let got = verify(none.as_bytes(), TOKEN_BYTES_MAX, &gone).await.unwrap_err();
        assert_eq!(got, Refusal::AlgNotAllowed, "what can never pass goes out for nothing");
    }

    #[tokio::test]
    async fn a_member_twice_is_refused_even_when_signed() {
        for (json, want) in [
            (format!(r#"{{"iss":"{ISS}","iss":"{ISS}"}}"#), Refusal::Malformed),
            (
                format!(r#"{{"iss":"{ISS}","iat":1,"exp":2,"cnf":{{"jkt":"a","jkt":"b"}}}}"#),
                Refusal::Malformed,
            ),
            (format!(r#"{{"iss":"{ISS}","x":{}{}}}"#, "[".repeat(40), "]".repeat(40)), Refusal::Malformed),
        ] {
            let compact = crate::jose::sign_compact(fixture::key(), "at+jwt", json.as_bytes()).unwrap();
            assert_eq!(refusal(&compact).await, want, "{json}");
        }
    }
}
