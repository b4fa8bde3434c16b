//! The claims of an access token, as far as the gate reads them (RFC 7519, RFC 8693 §4.1, RFC 9068).
//!
//! In the flow: [`super::token`] hands in a payload whose signature holds; [`super::derive`] names the keys.
//! A claim of the wrong type makes the token malformed, for a name that cannot be read cannot be looked up.
//! Never looks at scopes or roles: what a token may do is the tool's to say.

use serde::de::DeserializeOwned;

use super::issuer::IssuerDef;
use super::refusal::Refusal;
use super::times::{TIME_MAX_S, Times};
use crate::jose::strict::Object;
use crate::lineage::alias::PART_BYTES_MAX;

/// Deepest chain of actors that is read (LINEAGE 1.1); a deeper one is refused.
pub const ACT_DEPTH_MAX: usize = 8;

/// Claims that name the client: RFC 9068 and OpenID Connect, then as Okta and Entra v1 spell it.
const CLIENT_CLAIMS: [&str; 4] = ["client_id", "azp", "cid", "appid"];

/// One actor of the `act` chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    /// Its issuer: `act.iss`, else the token's.
    pub iss: String,
    /// Its subject.
    pub sub: String,
}

/// The lineage that a token of a stamping issuer carries.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    /// `run`.
    pub run: Option<String>,
    /// `root_run`.
    pub root_run: Option<String>,
    /// `agent`.
    pub agent: Option<String>,
}

/// An access token's claims. Made from a payload only; whether its signature holds is
/// [`super::token::validate`]'s word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// `iss`.
    pub iss: String,
    /// `iat`, `nbf`, `exp`.
    pub times: Times,
    /// `aud`, as a list.
    pub aud: Vec<String>,
    /// `sub`.
    pub sub: Option<String>,
    /// `jti`.
    pub jti: Option<String>,
    /// `sid`.
    pub sid: Option<String>,
    /// Its client, by any of the claims that name it.
    pub clients: Vec<String>,
    /// The `act` chain, current actor first.
    pub act: Vec<Actor>,
    /// Thumbprints of the key it is bound to: `cnf.jkt`, `cnf.x5t#S256`.
    pub cnf: Vec<String>,
    /// The issuer's alias claims: (claim, value).
    pub aliases: Vec<(String, String)>,
    /// Its lineage, where the issuer stamps it.
    pub stamp: Stamp,
}

impl Token {
    /// Reads a payload under the settings of its issuer.
    pub fn read(payload: &[u8], issuer: &IssuerDef) -> Result<Self, Refusal> {
        let object = Object::parse(payload).map_err(|_| Refusal::Malformed)?;
        // SETs and logout tokens are signed by the same keys; `events` is what makes them such.
        if object.member("events").is_some() {
            return Err(Refusal::IsSet);
        }
        let iss = name(&object, "iss")?.filter(|iss| *iss == issuer.iss).ok_or(Refusal::Malformed)?;
        let mut clients = vec![];
        for claim in CLIENT_CLAIMS {
            clients.extend(name(&object, claim)?.filter(|c| !clients.contains(c)));
        }
        Ok(Self {
            times: times(&object)?,
            aud: names(&object, "aud")?,
            sub: name(&object, "sub")?,
            jti: name(&object, "jti")?,
            sid: name(&object, "sid")?,
            clients,
            act: actors(&object, &iss)?,
            cnf: thumbprints(&object)?,
            aliases: aliases(&object, issuer)?,
            stamp: if issuer.lineage_stamp { stamp(&object)? } else { Stamp::default() },
            iss,
        })
    }

    /// Whether it is for one of `audiences`. A token without `aud` is for nobody.
    pub fn is_for(&self, audiences: &[String]) -> bool {
        self.aud.iter().any(|aud| audiences.contains(aud))
    }
}

/// A member of the given type; `null` counts as absent.
fn member<T: DeserializeOwned>(object: &Object<'_>, claim: &str) -> Result<Option<T>, Refusal> {
    match object.member(claim) {
        None => Ok(None),
        Some(json) => serde_json::from_str(json).map_err(|_| Refusal::Malformed),
    }
}

/// A name that the hub could hold too: not empty, bounded, nothing that makes two names look alike.
fn checked(name: String) -> Result<String, Refusal> {
    let good = !name.is_empty() && name.len() <= PART_BYTES_MAX && !name.chars().any(char::is_control);
    if good { Ok(name) } else { Err(Refusal::Malformed) }
}

fn name(object: &Object<'_>, claim: &str) -> Result<Option<String>, Refusal> {
    member::<String>(object, claim)?.map(checked).transpose()
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn names(object: &Object<'_>, claim: &str) -> Result<Vec<String>, Refusal> {
    let all = match member(object, claim)? {
        None => vec![],
        Some(OneOrMany::One(one)) => vec![one],
        Some(OneOrMany::Many(many)) => many,
    };
    all.into_iter().map(checked).collect()
}

fn times(object: &Object<'_>) -> Result<Times, Refusal> {
    let time = |claim: &str| match member::<i64>(object, claim) {
        Ok(None) => Ok(None),
        Ok(Some(t)) if (0..=TIME_MAX_S).contains(&t) => Ok(Some(t)),
        _ => Err(Refusal::Timeless),
    };
    let (iat_s, exp_s) = (time("iat")?.ok_or(Refusal::Timeless)?, time("exp")?.ok_or(Refusal::Timeless)?);
    Ok(Times { iat_s, nbf_s: time("nbf")?, exp_s })
}

/// The whole chain or nothing: who is cut off could not be revoked.
fn actors(object: &Object<'_>, iss: &str) -> Result<Vec<Actor>, Refusal> {
    let mut chain = vec![];
    let mut next = object.member("act");
    while let Some(json) = next {
        if chain.len() == ACT_DEPTH_MAX {
            return Err(Refusal::ActTooDeep);
        }
        let act = Object::within(json).map_err(|_| Refusal::Malformed)?;
        let sub = name(&act, "sub")?.ok_or(Refusal::Malformed)?;
        chain.push(Actor { iss: name(&act, "iss")?.unwrap_or_else(|| iss.into()), sub });
        next = act.member("act");
    }
    Ok(chain)
}

fn thumbprints(object: &Object<'_>) -> Result<Vec<String>, Refusal> {
    let Some(json) = object.member("cnf") else { return Ok(vec![]) };
    let cnf = Object::within(json).map_err(|_| Refusal::Malformed)?;
    let both = [name(&cnf, "jkt")?, name(&cnf, "x5t#S256")?];
    Ok(both.into_iter().flatten().collect())
}

/// Directories send an empty string where they know no address: that is no name.
fn aliases(object: &Object<'_>, issuer: &IssuerDef) -> Result<Vec<(String, String)>, Refusal> {
    let mut out = vec![];
    for claim in &issuer.alias_claims {
        let values = match member(object, claim)? {
            None => vec![],
            Some(OneOrMany::One(one)) => vec![one],
            Some(OneOrMany::Many(many)) => many,
        };
        for value in values.into_iter().filter(|v| !v.is_empty()) {
            out.push((claim.clone(), checked(value)?));
        }
    }
    Ok(out)
}

fn stamp(object: &Object<'_>) -> Result<Stamp, Refusal> {
    Ok(Stamp {
        run: name(object, "run")?,
        root_run: name(object, "root_run")?,
        agent: name(object, "agent")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{def, payload};
    use super::*;

    fn read(changes: Value) -> Result<Token, Refusal> {
        Token::read(payload(changes).to_string().as_bytes(), &def())
    }

    fn act(depth: usize) -> Value {
        (0..depth).fold(Value::Null, |inner, n| match inner {
            Value::Null => json!({"sub": format!("a{n}")}),
            inner => json!({"sub": format!("a{n}"), "act": inner}),
        })
    }

    #[test]
    fn what_is_not_read_whole_is_refused() {
        let table = [
            (json!({"iat": null}), Refusal::Timeless),
            (json!({"exp": null}), Refusal::Timeless),
            (json!({"iat": "1700000000"}), Refusal::Timeless),
            (json!({"iat": 1_700_000_000.5}), Refusal::Timeless),
            (json!({"exp": 1e300}), Refusal::Timeless),
            (json!({"exp": -1}), Refusal::Timeless),
            (json!({"exp": u64::MAX}), Refusal::Timeless),
            (json!({"nbf": "soon"}), Refusal::Timeless),
            (json!({"iss": "https://other.example"}), Refusal::Malformed),
            (json!({"iss": null}), Refusal::Malformed),
            (json!({"events": {}}), Refusal::IsSet),
            (json!({"aud": 7}), Refusal::Malformed),
            (json!({"aud": ["a", 7]}), Refusal::Malformed),
            (json!({"sub": 7}), Refusal::Malformed),
            (json!({"sub": ""}), Refusal::Malformed),
            (json!({"sub": "a\u{0}b"}), Refusal::Malformed),
            (json!({"sub": "x".repeat(PART_BYTES_MAX + 1)}), Refusal::Malformed),
            (json!({"jti": {}}), Refusal::Malformed),
            (json!({"sid": []}), Refusal::Malformed),
            (json!({"azp": 1}), Refusal::Malformed),
            (json!({"email": 1}), Refusal::Malformed),
            (json!({"cnf": "x"}), Refusal::Malformed),
            (json!({"cnf": {"jkt": 1}}), Refusal::Malformed),
            (json!({"act": "x"}), Refusal::Malformed),
            (json!({"act": {}}), Refusal::Malformed),
            (json!({"act": {"sub": "a", "iss": 1}}), Refusal::Malformed),
            (json!({"act": act(ACT_DEPTH_MAX + 1)}), Refusal::ActTooDeep),
        ];
        for (changes, want) in table {
            assert_eq!(read(changes.clone()).unwrap_err(), want, "{changes}");
        }
        for bad in ["", "[]", r#"{"iat":1,"iat":2}"#, &"{\"a\":".repeat(5000)] {
            assert_eq!(Token::read(bad.as_bytes(), &def()).unwrap_err(), Refusal::Malformed);
        }
    }

    #[test]
    fn what_is_read() {
        let token = read(json!({
            "act": {"sub": "tool", "iss": "https://two.example", "act": {"sub": "agent"}}, "client_id": null, "cid": "c1", "azp": "c2",
            "appid": "c1", "cnf": {"jkt": "J", "x5t#S256": "X", "other": {}}, "email": ["A@x", ""], "run": "r"
        }))
        .unwrap();
        let actor = |iss: &str, sub: &str| Actor { iss: iss.into(), sub: sub.into() };
        assert_eq!(token.act, [actor("https://two.example", "tool"), actor("https://as.example", "agent")]);
        assert_eq!(
            (token.clients, token.cnf),
            (vec!["c2".into(), "c1".into()], vec!["J".into(), "X".into()])
        );
        assert_eq!(token.aliases, [("email".to_string(), "A@x".to_string())]);
        assert_eq!(token.stamp, Stamp::default(), "this issuer does not stamp");
        let stamping = IssuerDef { lineage_stamp: true, ..def() };
        let json = payload(json!({"run": "r", "agent": "a"})).to_string();
        assert_eq!(Token::read(json.as_bytes(), &stamping).unwrap().stamp.run.as_deref(), Some("r"));
        let bad = payload(json!({"run": 1})).to_string();
        assert_eq!(Token::read(bad.as_bytes(), &stamping).unwrap_err(), Refusal::Malformed);
        assert_eq!(read(json!({"act": act(ACT_DEPTH_MAX)})).unwrap().act.len(), ACT_DEPTH_MAX);
        assert!(read(json!({"aud": null})).unwrap().aud.is_empty());
    }
}
