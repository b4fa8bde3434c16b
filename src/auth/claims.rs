//! What an access token says, as far as the SSF API reads it (RFC 9068, 2.2; RFC 7662, 2.2).
//!
//! In the flow: behind the signature, or behind the word of an authorization server. Judges times, issuer and audience;
//! whose the token is, is the caller's to find. Never makes a token out of a SET: `events` makes it none (SSF-TX-AUTH-09).

use serde::de::DeserializeOwned;
use serde_json::Number;

use super::access::ScopeSet;
use crate::jose::strict::Object;

/// Claims that name the client: RFC 9068 and OpenID Connect, then as Okta and Entra v1 spell it. The first one counts.
const CLIENT_CLAIMS: [&str; 4] = ["client_id", "azp", "cid", "appid"];
/// Last second that is taken for a time: the end of the year 9999.
const TIME_MAX_S: i64 = 253_402_300_799;
/// Longest name that is read, in bytes.
const NAME_BYTES_MAX: usize = 1024;

/// What an access token says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Claims {
    /// `iss`.
    pub iss: Option<String>,
    /// `sub`.
    pub sub: Option<String>,
    /// `aud`, as a list.
    pub aud: Vec<String>,
    /// `iat` (s).
    pub iat_s: Option<i64>,
    /// `nbf` (s).
    pub nbf_s: Option<i64>,
    /// `exp` (s).
    pub exp_s: Option<i64>,
    /// `jti`.
    pub jti: Option<String>,
    /// Its client.
    pub client_id: Option<String>,
    /// The number of its client, in tokens of our own: see [`super::own`].
    pub client_no: Option<u32>,
    /// The scopes of ours in `scope`, or `scp` as Okta and Entra spell it.
    pub scopes: ScopeSet,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// A member of the given type; `null` counts as absent, another type as a mistake.
fn member<T: DeserializeOwned>(object: &Object<'_>, name: &str) -> Option<Option<T>> {
    object.member(name).map_or(Some(None), |json| serde_json::from_str(json).ok())
}

fn name(object: &Object<'_>, claim: &str) -> Option<Option<String>> {
    let good = |text: &String| !text.is_empty() && text.len() <= NAME_BYTES_MAX;
    match member::<String>(object, claim)? {
        Some(text) if !good(&text) => None,
        text => Some(text),
    }
}

/// A NumericDate: any JSON number (RFC 7519, 2), by the second that it lies in.
fn time(object: &Object<'_>, claim: &str) -> Option<Option<i64>> {
    let Some(number) = member::<Number>(object, claim)? else { return Some(None) };
    let whole = number.as_i64().or_else(|| number.as_f64().and_then(floor));
    whole.filter(|t| (0..=TIME_MAX_S).contains(t)).map(Some)
}

/// The whole seconds of a number that is a time: within a range where both types are exact.
fn floor(seconds: f64) -> Option<i64> {
    let whole = seconds.floor();
    (0.0..=TIME_MAX_S as f64).contains(&whole).then_some(whole as i64)
}

fn scopes(object: &Object<'_>) -> Option<ScopeSet> {
    let words = match member::<OneOrMany>(object, "scope")? {
        Some(words) => words,
        None => member::<OneOrMany>(object, "scp")?.unwrap_or(OneOrMany::Many(vec![])),
    };
    Some(ScopeSet::parse(&words.list().join(" ")))
}

impl Claims {
    /// Reads a payload. `None`: not one object that means one thing, a claim of the wrong type, a SET or logout token
    /// (`events`), or a token that is bound to a key (`cnf`), which is no bearer (RFC 9449, 7; RFC 8705, 3).
    pub fn read(payload: &[u8]) -> Option<Self> {
        let object = Object::parse(payload).ok()?;
        if object.member("events").is_some() || object.member("cnf").is_some_and(|cnf| cnf != "null") {
            return None;
        }
        let mut client_id = None;
        for claim in CLIENT_CLAIMS {
            let named = name(&object, claim)?;
            client_id = client_id.or(named);
        }
        Some(Self {
            iss: name(&object, "iss")?,
            sub: name(&object, "sub")?,
            aud: member::<OneOrMany>(&object, "aud")?.map(OneOrMany::list).unwrap_or_default(),
            iat_s: time(&object, "iat")?,
            nbf_s: time(&object, "nbf")?,
            exp_s: time(&object, "exp")?,
            jti: name(&object, "jti")?,
            client_id,
            client_no: member(&object, "client_no")?,
            scopes: scopes(&object)?,
        })
    }

    /// Whether it is for one of `audiences`.
    pub fn is_for(&self, audiences: &[String]) -> bool {
        self.aud.iter().any(|aud| audiences.contains(aud))
    }

    /// Whether it is good at `now_ms`, give or take `tolerance_s`. One that never expires is not.
    pub fn is_in_time(&self, now_ms: i64, tolerance_s: u32) -> bool {
        let ends = self.exp_s.map(|exp| exp * 1000 + i64::from(tolerance_s) * 1000);
        self.has_begun(now_ms, tolerance_s) && ends.is_some_and(|ends| now_ms < ends)
    }

    /// Whether it is not from the future, give or take `tolerance_s`.
    pub fn has_begun(&self, now_ms: i64, tolerance_s: u32) -> bool {
        let begins = self.iat_s.max(self.nbf_s).unwrap_or(0) * 1000;
        begins <= now_ms.saturating_add(i64::from(tolerance_s) * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &serde_json::Value) -> Option<Claims> {
        Claims::read(value.to_string().as_bytes())
    }

    #[test]
    fn what_is_an_access_token_and_what_is_not() {
        let good = json!({ "iss": "i", "sub": "s", "aud": "a", "exp": 9, "iat": 1, "jti": "j", "client_id": "c",
                           "scope": "openid ssf.read", "other": { "x": 1 } });
        let claims = read(&good).unwrap();
        assert_eq!(
            (claims.aud.as_slice(), claims.client_id.as_deref(), claims.scopes.to_string().as_str()),
            (&["a".to_string()][..], Some("c"), "ssf.read")
        );
        for (name, value) in [
            ("events", json!({})),
            ("events", json!(null)),
            ("cnf", json!({ "jkt": "x" })),
            ("iss", json!(7)),
            ("iss", json!("")),
            ("aud", json!({ "a": 1 })),
            ("exp", json!("9")),
            ("exp", json!(-1)),
            ("exp", json!(1e30)),
            ("client_id", json!(["c"])),
            ("azp", json!(7)),
            ("scope", json!(7)),
            ("client_no", json!(-1)),
        ] {
            let mut bad = good.clone();
            bad[name] = value.clone();
            assert_eq!(read(&bad), None, "{name}: {value}");
        }
        for bad in ["", "[]", "{\"iss\":\"a\",\"iss\":\"b\"}", "7"] {
            assert_eq!(Claims::read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_time_is_any_number_by_its_second() {
        let exp = |text: &str| Claims::read(format!("{{\"exp\":{text}}}").as_bytes()).map(|c| c.exp_s);
        for (text, want) in [
            ("1700000000", Some(Some(1_700_000_000))),
            ("1700000000.0", Some(Some(1_700_000_000))),
            ("1700000000.999999", Some(Some(1_700_000_000))),
            ("1.7e9", Some(Some(1_700_000_000))),
            ("0.5", Some(Some(0))),
            ("-0.0", Some(Some(0))),
            ("253402300799.9", Some(Some(253_402_300_799))),
            ("null", Some(None)),
            ("-0.5", None),
            ("253402300800", None),
            ("1e300", None),
            ("1e400", None),
            ("18446744073709551615", None),
            ("\"1700000000\"", None),
            ("true", None),
        ] {
            assert_eq!(exp(text), want, "{text}");
        }
    }

    #[test]
    fn clients_and_scopes_as_others_spell_them() {
        let client = |value| read(&value).unwrap().client_id;
        assert_eq!(client(json!({ "azp": "a", "cid": "o" })).as_deref(), Some("a"));
        assert_eq!(client(json!({ "cid": "o", "sub": "s" })).as_deref(), Some("o"));
        assert_eq!(client(json!({ "sub": "s" })), None);
        let scopes = |value| read(&value).unwrap().scopes.to_string();
        assert_eq!(scopes(json!({ "scp": ["ssf.manage", "x"] })), "ssf.manage");
        assert_eq!(scopes(json!({ "scp": "x ssf.read" })), "ssf.read");
        assert_eq!(scopes(json!({ "scope": "x", "scp": ["ssf.manage"] })), "");
        assert_eq!(scopes(json!({})), "");
    }

    #[test]
    fn times() {
        let claims = |iat, nbf, exp| Claims { iat_s: iat, nbf_s: nbf, exp_s: exp, ..Claims::default() };
        let table = [
            (claims(Some(100), None, Some(200)), 100_000, true),
            (claims(Some(100), None, Some(200)), 97_999, false),
            (claims(Some(100), None, Some(200)), 98_000, true),
            (claims(Some(100), None, Some(200)), 201_999, true),
            (claims(Some(100), None, Some(200)), 202_000, false),
            (claims(None, Some(150), Some(200)), 147_999, false),
            (claims(Some(100), Some(150), Some(200)), 148_000, true),
            (claims(None, None, Some(200)), 0, true),
            (claims(Some(100), None, None), 100_000, false),
        ];
        for (claims, now_ms, want) in table {
            assert_eq!(claims.is_in_time(now_ms, 2), want, "{claims:?} at {now_ms}");
        }
    }
}
