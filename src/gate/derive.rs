//! The keys under which a token may be dead (GATES 2.2).
//!
//! In the flow: between a validated token and [`super::decide`]. Pure: no I/O, no clock. Which keys apply can
//! depend on whether the token is known to be a run's, which may change between two calls; so a [`Derived`]
//! keeps both answers, and [`Derived::select`] chooses under the view of the very call. The keys of its
//! ancestors are not copied: they are looked up beside these ([`Lineage::keys`]).
//!
//! A token of a known run names its human as `on_behalf_of`, any other as `user`: an ordinary logout must not
//! kill the night shift. For the same reason the session of a run's token is the one of its lineage, whatever
//! its `sid` says. A token that an edge only mentioned belongs to no run: it keeps its own `sid` and `user`.

use super::claims::Token;
use super::keys::{KEYS_MAX, Keys, TooMany};
use crate::lineage::alias::Alias;
use crate::revocation::key::{KeyHash, Kind, SubjectKey};
use crate::revocation::set::Lineage;

/// When a key applies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    Always,
    OfRun,
    OfNoRun,
}

impl When {
    fn holds(self, of_run: bool) -> bool {
        match self {
            Self::Always => true,
            Self::OfRun => of_run,
            Self::OfNoRun => !of_run,
        }
    }
}

/// Whether it is known for which run a token was minted, itself or the one it was exchanged for. Knowing the
/// token is not enough: `presented_to` names a token without saying whose it is.
fn is_of_run(lineage: Option<&Lineage>) -> bool {
    lineage.is_some_and(|l| l.keys.iter().any(|(kind, _)| *kind == Kind::Run))
}

/// Every key that a token can have by itself, hashed once.
#[derive(Clone, Debug)]
pub struct Derived {
    jti: Option<KeyHash>,
    keys: Box<[(When, KeyHash)]>,
}

impl Derived {
    /// Hashes what `token` carries.
    pub fn new(token: &Token, subject_key: &SubjectKey) -> Result<Self, TooMany> {
        let mut keys = vec![];
        each(token, |when, kind, alias_kind, iss, value| {
            // Each of the two answers is bounded by `select`; this bounds what is kept for both.
            if keys.len() == 2 * KEYS_MAX {
                return Err(TooMany);
            }
            keys.push((when, subject_key.hash_parts(kind, alias_kind, iss, value)));
            Ok(())
        })?;
        Ok(Self { jti: jti_key(token, subject_key), keys: keys.into() })
    }

    /// The key under which its lineage is found, if the token has a `jti`.
    pub fn jti(&self) -> Option<KeyHash> {
        self.jti
    }

    /// Adds to `out` the keys of its own to be looked up. `lineage` is what the set knows of the token now.
    pub fn select(&self, lineage: Option<&Lineage>, out: &mut Keys) -> Result<(), TooMany> {
        let of_run = is_of_run(lineage);
        for (when, key) in &self.keys {
            if when.holds(of_run) {
                out.push(*key)?;
            }
        }
        Ok(())
    }
}

/// The key under which the lineage of `token` is found.
pub fn jti_key(token: &Token, subject_key: &SubjectKey) -> Option<KeyHash> {
    token.jti.as_deref().map(|jti| subject_key.hash_parts(Kind::Jti, "jti", &token.iss, jti))
}

/// [`Derived::new`] and [`Derived::select`] in one go, hashing only what applies.
pub fn keys(
    token: &Token,
    lineage: Option<&Lineage>,
    subject_key: &SubjectKey,
    out: &mut Keys,
) -> Result<(), TooMany> {
    let of_run = is_of_run(lineage);
    each(token, |when, kind, alias_kind, iss, value| {
        if !when.holds(of_run) {
            return Ok(());
        }
        out.push(subject_key.hash_parts(kind, alias_kind, iss, value))
    })
}

/// Visits every key: when it applies, its kind, and the alias by its parts.
fn each<F>(token: &Token, mut visit: F) -> Result<(), TooMany>
where
    F: FnMut(When, Kind, &str, &str, &str) -> Result<(), TooMany>,
{
    use When::{Always, OfNoRun, OfRun};
    let iss = token.iss.as_str();
    // A stamp says itself that the run is known.
    let run_known = token.stamp.run.is_some();
    let person = |visit: &mut F, alias_kind: &str, iss: &str, value: &str| {
        if run_known {
            return visit(Always, Kind::OnBehalfOf, alias_kind, iss, value);
        }
        visit(OfNoRun, Kind::User, alias_kind, iss, value)?;
        visit(OfRun, Kind::OnBehalfOf, alias_kind, iss, value)
    };
    let subject = |visit: &mut F, iss: &str, sub: &str| {
        person(visit, "iss_sub", iss, sub)?;
        visit(Always, Kind::Agent, "iss_sub", iss, sub)?;
        if sub.starts_with("spiffe://") { visit(Always, Kind::Workload, "spiffe", "", sub) } else { Ok(()) }
    };

    if let Some(jti) = &token.jti {
        visit(Always, Kind::Jti, "jti", iss, jti)?;
    }
    if let Some(sub) = &token.sub {
        subject(&mut visit, iss, sub)?;
    }
    for actor in &token.act {
        subject(&mut visit, &actor.iss, &actor.sub)?;
    }
    for (claim, value) in &token.aliases {
        // As `lineage` writes them: only telephone numbers and e-mail addresses are unique by themselves.
        let alias = Alias::new(claim, if claim == "phone_number" { "" } else { iss }, value);
        person(&mut visit, &alias.kind, &alias.iss, &alias.value)?;
    }
    for client in &token.clients {
        visit(Always, Kind::Client, "client", iss, client)?;
        visit(Always, Kind::Agent, "client", iss, client)?;
    }
    if let Some(sid) = &token.sid {
        visit(OfNoRun, Kind::Session, "session", iss, sid)?;
    }
    for thumbprint in &token.cnf {
        visit(Always, Kind::Cnf, "cnf", "", thumbprint)?;
    }
    for aud in &token.aud {
        visit(Always, Kind::Tool, "tool", "", aud)?;
    }
    stamp(token, visit)
}

fn stamp<F>(token: &Token, mut visit: F) -> Result<(), TooMany>
where
    F: FnMut(When, Kind, &str, &str, &str) -> Result<(), TooMany>,
{
    if let Some(run) = &token.stamp.run {
        visit(When::Always, Kind::Run, "run", "", run)?;
    }
    // A run without a root above it is its own root.
    if let Some(root) = token.stamp.root_run.as_ref().or(token.stamp.run.as_ref()) {
        visit(When::Always, Kind::RootRun, "run", "", root)?;
    }
    if let Some(agent) = &token.stamp.agent {
        visit(When::Always, Kind::Agent, "agent", "", agent)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{ISS, def, payload, subject_key};
    use super::super::issuer::IssuerDef;
    use super::*;

    fn token(changes: Value, lineage_stamp: bool) -> Token {
        let issuer = IssuerDef { lineage_stamp, ..def() };
        Token::read(payload(changes).to_string().as_bytes(), &issuer).unwrap()
    }

    fn derive(token: &Token, lineage: Option<&Lineage>) -> Vec<KeyHash> {
        let (mut once, mut twice) = (Keys::default(), Keys::default());
        keys(token, lineage, &subject_key(), &mut once).unwrap();
        Derived::new(token, &subject_key()).unwrap().select(lineage, &mut twice).unwrap();
        assert_eq!(once.as_slice(), twice.as_slice(), "both ways derive the same");
        once.as_slice().to_vec()
    }

    fn hash(kind: Kind, alias: [&str; 3]) -> KeyHash {
        subject_key().hash(kind, &Alias::new(alias[0], alias[1], alias[2]))
    }

    fn sorted(mut keys: Vec<KeyHash>) -> Vec<KeyHash> {
        keys.sort();
        keys
    }

    #[test]
    fn an_unregistered_token_has_exactly_these() {
        let got = derive(
            &token(json!({"act": {"sub": "bot", "iss": "https://two"}, "cnf": {"jkt": "J"}}), false),
            None,
        );
        let want = vec![
            hash(Kind::Jti, ["jti", ISS, "j1"]),
            hash(Kind::User, ["iss_sub", ISS, "alice"]),
            hash(Kind::Agent, ["iss_sub", ISS, "alice"]),
            hash(Kind::User, ["iss_sub", "https://two", "bot"]),
            hash(Kind::Agent, ["iss_sub", "https://two", "bot"]),
            hash(Kind::User, ["email", "", "alice@example.com"]),
            hash(Kind::Client, ["client", ISS, "app"]),
            hash(Kind::Agent, ["client", ISS, "app"]),
            hash(Kind::Session, ["session", ISS, "s1"]),
            hash(Kind::Cnf, ["cnf", "", "J"]),
            hash(Kind::Tool, ["tool", "", "tool-a"]),
        ];
        assert_eq!(sorted(got), sorted(want));
    }

    #[test]
    fn only_a_token_of_a_known_run_is_on_behalf_of_and_leaves_its_sid() {
        let run = (Kind::Run, hash(Kind::Run, ["run", "", "r1"]));
        let jti = (Kind::Jti, hash(Kind::Jti, ["jti", ISS, "j1"]));
        let session = (Kind::Session, hash(Kind::Session, ["session", ISS, "evening"]));
        let (sid, user) =
            (hash(Kind::Session, ["session", ISS, "s1"]), hash(Kind::User, ["iss_sub", ISS, "alice"]));
        let mail = hash(Kind::User, ["email", "", "alice@example.com"]);
        let night = Lineage { keys: Box::new([run]) };
        let day = Lineage { keys: Box::new([jti, run, session]) };
        // An edge `presented_to` named the token: it is known, and no run's.
        let mentioned = Lineage { keys: Box::new([jti]) };
        let token = token(json!({}), false);
        for (lineage, of_run) in
            [(None, false), (Some(&mentioned), false), (Some(&night), true), (Some(&day), true)]
        {
            let got = derive(&token, lineage);
            for key in [sid, user, mail] {
                assert_eq!(got.contains(&key), !of_run, "{lineage:?}");
            }
            for (kind, alias) in [("iss_sub", "alice"), ("email", "alice@example.com")] {
                let obo = hash(Kind::OnBehalfOf, [kind, ISS, alias]);
                assert_eq!(got.contains(&obo), of_run, "{lineage:?}");
            }
        }
    }

    #[test]
    fn a_stamp_counts_only_where_the_issuer_is_trusted_with_it() {
        let claims = json!({"run": "r1", "root_run": "r0", "agent": "bot"});
        let stamps = [
            hash(Kind::Run, ["run", "", "r1"]),
            hash(Kind::RootRun, ["run", "", "r0"]),
            hash(Kind::Agent, ["agent", "", "bot"]),
            hash(Kind::OnBehalfOf, ["iss_sub", ISS, "alice"]),
        ];
        let [plain, stamped] = [false, true].map(|stamp| derive(&token(claims.clone(), stamp), None));
        assert!(!stamps.iter().any(|k| plain.contains(k)));
        assert!(stamps.iter().all(|k| stamped.contains(k)));
        assert!(stamped.contains(&hash(Kind::Session, ["session", ISS, "s1"])), "a stamp names no session");
        let alone = derive(&token(json!({"run": "r1"}), true), None);
        assert!(alone.contains(&hash(Kind::RootRun, ["run", "", "r1"])));
    }

    #[test]
    fn workloads_and_scoped_aliases() {
        let issuer = IssuerDef { alias_claims: vec!["upn".into(), "phone_number".into()], ..def() };
        let json = payload(json!({"sub": "spiffe://x/y", "upn": "Al", "phone_number": "+1"})).to_string();
        let got = derive(&Token::read(json.as_bytes(), &issuer).unwrap(), None);
        assert!(got.contains(&hash(Kind::Workload, ["spiffe", "", "spiffe://x/y"])));
        assert!(got.contains(&hash(Kind::User, ["upn", ISS, "Al"])));
        assert!(got.contains(&hash(Kind::User, ["phone_number", "", "+1"])));
    }

    #[test]
    fn thirty_two_pass_and_thirty_three_do_not() {
        // jti, user, agent, e-mail, client twice, session: 7 keys beside the audiences.
        let with = |auds: usize| {
            token(json!({"aud": (0..auds).map(|n| format!("t{n}")).collect::<Vec<_>>()}), false)
        };
        assert_eq!(derive(&with(KEYS_MAX - 7), None).len(), KEYS_MAX);
        for auds in [KEYS_MAX - 6, 500] {
            let token = with(auds);
            assert_eq!(keys(&token, None, &subject_key(), &mut Keys::default()), Err(TooMany));
            let kept = Derived::new(&token, &subject_key());
            assert!(kept.is_err() || kept.unwrap().select(None, &mut Keys::default()).is_err(), "{auds}");
        }
        // What it brings along is bounded where it comes from, and takes no room of what it carries itself.
        let lineage = Lineage { keys: (0..200).map(|b| (Kind::Run, KeyHash([b; 16]))).collect() };
        let (token, mut out) = (with(KEYS_MAX - 7), Keys::default());
        assert_eq!(keys(&token, Some(&lineage), &subject_key(), &mut out), Ok(()));
        assert_eq!(keys(&token, Some(&lineage), &subject_key(), &mut out), Ok(()), "again adds none");
        assert!(out.as_slice().len() <= KEYS_MAX);
    }
}
