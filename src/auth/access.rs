//! What a request may do: whose access token it carries, for which scopes; or why it may do nothing (RFC 6750).
//!
//! Made by [`super::judge`], asked by handlers before they look at the body or at a stream. Pure: no look-up, no clock.

use std::sync::Arc;

use crate::hub::object::Client;
use crate::hub::receivers::Holder;
use crate::stream::receiver::{Receiver, Scope};

/// Scopes of the SSF management API.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScopeSet {
    read: bool,
    manage: bool,
}

impl ScopeSet {
    /// These scopes.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut set = Self::default();
        for scope in scopes {
            match scope {
                Scope::Read => set.read = true,
                Scope::Manage => set.manage = true,
            }
        }
        set
    }

    /// The scopes that a `scope` value names (RFC 6749, 3.3). Others are other people's, and passed over.
    pub fn parse(text: &str) -> Self {
        Self::of(text.split(' ').filter_map(Scope::from_name))
    }

    /// What is in both.
    pub fn and(self, other: Self) -> Self {
        Self {
            read: self.allows(Scope::Read) && other.allows(Scope::Read),
            manage: self.manage && other.manage,
        }
    }

    /// Whether it is enough for what needs `needed`. `ssf.manage` includes `ssf.read` (INTEROP, 2.7.2).
    pub fn allows(self, needed: Scope) -> bool {
        self.manage || (needed == Scope::Read && self.read)
    }

    /// Whether it allows nothing.
    pub fn is_empty(self) -> bool {
        !self.read && !self.manage
    }
}

impl std::fmt::Display for ScopeSet {
    /// As a `scope` value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = [(self.read, Scope::Read), (self.manage, Scope::Manage)];
        let names: Vec<&str> = named.iter().filter(|(is, _)| *is).map(|(_, s)| s.as_str()).collect();
        f.write_str(&names.join(" "))
    }
}

/// A request that may do something as a receiver.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whose token it is.
    pub client: Arc<Client>,
    /// Its rights as a receiver.
    pub receiver: Arc<Receiver>,
    /// Its number: see [`Holder`].
    pub no: u32,
    /// What the token is good for; never more than the receiver is.
    pub scopes: ScopeSet,
}

impl Access {
    /// The same under the rights that its holder has now. Where any token of his was revoked since, this one is taken to be
    /// meant: the next request is judged by what it carries.
    pub fn anew(&self, holder: Option<&Holder>, needed: Scope) -> Result<Self, Refusal> {
        let revoked = |r: &Receiver| (r.tokens_not_before, r.revoked.clone(), r.revoked_tokens.clone());
        let same = |now: &&Holder| now.no == self.no && revoked(&now.receiver) == revoked(&self.receiver);
        let holder = holder.filter(same).ok_or(Refusal::InvalidToken)?;
        let granted = ScopeSet::of(holder.receiver.scopes.iter().copied());
        Self::of(holder, self.scopes.and(granted), needed)
    }

    fn of(holder: &Holder, scopes: ScopeSet, needed: Scope) -> Result<Self, Refusal> {
        if !scopes.allows(needed) {
            return Err(Refusal::InsufficientScope);
        }
        let (client, receiver) = (holder.client.clone(), holder.receiver.clone());
        Ok(Self { client, receiver, no: holder.no, scopes })
    }
}

/// Who a bearer belongs to, whatever he may do.
#[derive(Clone, Debug)]
pub struct Known {
    /// The client.
    pub client: Arc<Client>,
    /// The same with its rights, if it is a receiver.
    pub holder: Option<Arc<Holder>>,
    /// What the bearer is good for.
    pub scopes: ScopeSet,
}

impl Known {
    /// Access to what needs `needed`.
    pub fn access(self, needed: Scope) -> Result<Access, Refusal> {
        let holder = self.holder.ok_or(Refusal::InsufficientScope)?;
        Access::of(&holder, self.scopes, needed)
    }
}

/// Why a request may do nothing (RFC 6750, 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It carries no bearer: 401, without an error code.
    Missing,
    /// What it carries cannot be read as one bearer: 400 `invalid_request`.
    InvalidRequest(&'static str),
    /// Unknown, expired, revoked, forged, or for somebody else: 401 `invalid_token`, whichever it is.
    InvalidToken,
    /// A good token that is not for this: 403 `insufficient_scope`.
    InsufficientScope,
    /// Nobody can tell now, for keys or an authorization server cannot be reached: 503.
    Unavailable {
        /// `Retry-After` (s).
        retry_after_s: u64,
    },
}

impl Refusal {
    /// Its HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Missing | Self::InvalidToken => 401,
            Self::InvalidRequest(_) => 400,
            Self::InsufficientScope => 403,
            Self::Unavailable { .. } => 503,
        }
    }

    /// Its error code (RFC 6750, 3.1); for the two that have none, a word.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// What is said to people.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Missing => "an access token is needed, in the header field Authorization",
            Self::InvalidRequest(what) => what,
            Self::InvalidToken => "the access token is not valid here",
            Self::InsufficientScope => "the access token is not for this",
            Self::Unavailable { .. } => "the access token cannot be checked now",
        }
    }

    /// The `WWW-Authenticate` value for what needs `needed`; `resource_metadata` is where RFC 9728 metadata is.
    pub fn challenge(self, needed: Scope, resource_metadata: &str) -> Option<String> {
        let error = match self {
            Self::Unavailable { .. } => return None,
            Self::Missing => String::new(),
            _ => format!(", error=\"{}\", error_description=\"{}\"", self.code(), self.detail()),
        };
        let scope = needed.as_str();
        Some(format!(
            "Bearer realm=\"ssf-hub\"{error}, scope=\"{scope}\", resource_metadata=\"{resource_metadata}\""
        ))
    }
}

impl From<super::bearer::Error> for Refusal {
    fn from(error: super::bearer::Error) -> Self {
        use super::bearer::Error as E;
        match error {
            E::Missing | E::Scheme => Self::Missing,
            E::Several => Self::InvalidRequest("the header field Authorization is there more than once"),
            // Whatever follows `Bearer`, it is no token that anybody gave out (SSF-TX-AUTH-03).
            E::TooLong | E::Token => Self::InvalidToken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manage_includes_read() {
        let (none, read, manage) =
            (ScopeSet::default(), ScopeSet::parse("ssf.read"), ScopeSet::parse("openid ssf.manage x"));
        let allowed = |set: ScopeSet| [Scope::Read, Scope::Manage].map(|s| set.allows(s));
        assert_eq!(allowed(none), [false, false]);
        assert_eq!(allowed(read), [true, false]);
        assert_eq!(allowed(manage), [true, true]);
        assert_eq!(manage.and(read), read);
        assert_eq!(read.and(manage), read);
        assert_eq!(manage.and(manage).to_string(), "ssf.read ssf.manage");
        assert_eq!((read.to_string().as_str(), manage.to_string().as_str()), ("ssf.read", "ssf.manage"));
        assert!(none.is_empty() && ScopeSet::parse("ssf.readx SSF.READ ssf.read\tssf.manage").is_empty());
    }

    #[test]
    fn rights_that_changed_count_and_another_of_the_name_is_nobody() {
        let holder = |no, scopes: &[Scope]| {
            let receiver = Arc::new(Receiver { scopes: scopes.to_vec(), ..Receiver::default() });
            let client = serde_json::from_value(serde_json::json!({ "id": "c", "receiver": {} }));
            Arc::new(Holder { client: Arc::new(client.unwrap()), receiver, no })
        };
        let before = holder(7, &[Scope::Manage]);
        let known = Known {
            client: before.client.clone(),
            holder: Some(before),
            scopes: ScopeSet::parse("ssf.manage"),
        };
        let access = known.access(Scope::Manage).unwrap();
        let anew = |holder: &Holder| access.anew(Some(holder), Scope::Manage).map(|a| a.scopes.to_string());
        assert_eq!(anew(&holder(7, &[Scope::Read, Scope::Manage])), Ok("ssf.read ssf.manage".into()));
        assert_eq!(anew(&holder(7, &[Scope::Read])), Err(Refusal::InsufficientScope));
        assert_eq!(anew(&holder(8, &[Scope::Manage])), Err(Refusal::InvalidToken));
        assert_eq!(access.anew(None, Scope::Manage).err(), Some(Refusal::InvalidToken));
        let mut revoked = Receiver::default();
        revoked.revoke_issued(100);
        let after = Holder { client: access.client.clone(), receiver: Arc::new(revoked), no: 7 };
        assert_eq!(anew(&after), Err(Refusal::InvalidToken));
    }

    #[test]
    fn challenges_name_the_scope_and_where_more_is_said() {
        let at = "https://h/.well-known/oauth-protected-resource/t/a";
        let of = |refusal: Refusal| refusal.challenge(Scope::Manage, at);
        assert_eq!(
            of(Refusal::Missing).unwrap(),
            format!("Bearer realm=\"ssf-hub\", scope=\"ssf.manage\", resource_metadata=\"{at}\"")
        );
        for (refusal, status, error) in [
            (Refusal::InvalidRequest("x"), 400, "invalid_request"),
            (Refusal::InvalidToken, 401, "invalid_token"),
            (Refusal::InsufficientScope, 403, "insufficient_scope"),
        ] {
            let text = of(refusal).unwrap();
            assert!(text.contains(&format!(", error=\"{error}\", error_description=\"")), "{text}");
            assert_eq!(refusal.status(), status);
        }
        assert_eq!(of(Refusal::Unavailable { retry_after_s: 1 }), None);
    }
}
