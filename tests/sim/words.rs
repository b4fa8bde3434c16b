//! What the simulated world speaks of: three tenants that all know the same names, the SETs about them, the facts.
//!
//! Everything is made from small numbers, so that an operation prints short and can be typed again. What a SET says
//! carries the mark of its tenant: a mark found elsewhere is a leak.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use ssf_hub::hub::command::SetDraft;
use ssf_hub::hub::entry::{Named, Route};
use ssf_hub::hub::names;
use ssf_hub::lineage::alias::Alias;
use ssf_hub::lineage::subject::names_in;
use ssf_hub::revocation::key::{KeyHash, Kind, SubjectKey};
use ssf_hub::set::sub_id::SubId;
use ssf_hub::tenant::TenantId;

use crate::chance::T0_MS;
use crate::optout::OPTS;

/// The tenants. All of them know the same people, agents, runs and tokens.
pub const TENANTS: [&str; 3] = ["default", "t-1", "t-2"];
pub const IDP: &str = "https://idp.example";
pub const AS: &str = "https://as.example";
pub const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
pub const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
/// How long tokens live at most, at every issuer of the simulation (s).
pub const LIFETIME_S: u32 = 600;

pub fn tenant(n: u8) -> TenantId {
    TenantId::parse(TENANTS[usize::from(n)]).unwrap()
}

/// Which of the tenants; `None` for `_hub`.
pub fn number(tenant: &TenantId) -> Option<u8> {
    TENANTS.iter().position(|name| *name == tenant.as_str()).map(|n| n as u8)
}

/// What every word said in a tenant carries.
pub fn mark(tenant: u8) -> String {
    format!("said in {}!", TENANTS[usize::from(tenant)])
}

/// The tenant's subject key.
pub fn key(tenant: u8) -> &'static SubjectKey {
    static KEYS: OnceLock<Vec<SubjectKey>> = OnceLock::new();
    &KEYS.get_or_init(|| (1..=3).map(|n| SubjectKey::new(&[n; 32])).collect())[usize::from(tenant)]
}

pub fn named(tenant: u8, alias: Alias) -> Named {
    Named { hashes: key(tenant).hashes(&alias), alias }
}

/// Somebody or something that can be stopped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Who {
    Agent(u8),
    Run(u8),
    User(u8),
    Session(u8),
    Token(u8),
}

/// How many there are of each.
pub const MANY: u8 = 3;
pub const RUNS: u8 = 5;
pub const TOKENS: u8 = 6;

impl Who {
    pub fn all() -> impl Iterator<Item = Self> {
        let three = (0..MANY).flat_map(|n| [Self::Agent(n), Self::User(n), Self::Session(n)]);
        three.chain((0..RUNS).map(Self::Run)).chain((0..TOKENS).map(Self::Token))
    }

    pub fn alias(self) -> Alias {
        match self {
            Self::Agent(n) => Alias::new("agent", "", &format!("agent-{n}")),
            Self::Run(n) => Alias::new("run", "", &format!("run-{n}")),
            Self::User(n) => Alias::new("iss_sub", IDP, &format!("user-{n}")),
            Self::Session(n) => Alias::new("session", IDP, &format!("session-{n}")),
            Self::Token(n) => Alias::new("jti", AS, &format!("token-{n}")),
        }
    }

    /// The kind of key that always stands for it.
    pub fn kind(self) -> Kind {
        match self {
            Self::Agent(_) => Kind::Agent,
            Self::Run(_) => Kind::Run,
            Self::User(_) => Kind::User,
            Self::Session(_) => Kind::Session,
            Self::Token(_) => Kind::Jti,
        }
    }

    pub fn key(self, tenant: u8) -> KeyHash {
        key(tenant).hash(self.kind(), &self.alias())
    }
}

pub fn email(n: u8) -> Alias {
    Alias::new("email", "", &format!("user-{n}@example.com"))
}

/// Every key that a tenant may hold a record under.
pub fn keys_of(tenant: u8) -> &'static std::collections::BTreeSet<KeyHash> {
    static KEYS: OnceLock<Vec<std::collections::BTreeSet<KeyHash>>> = OnceLock::new();
    let all = |tenant| {
        let more = (0..MANY).flat_map(|n| {
            let id = format!("user-{n}");
            [email(n), Alias::new("device", IDP, &format!("device-{n}")), Alias::new("opaque", IDP, &id)]
        });
        let aliases = Who::all().map(Who::alias).chain(more);
        aliases.flat_map(|alias| key(tenant).hashes(&alias)).collect()
    };
    &KEYS.get_or_init(|| (0..3).map(all).collect())[usize::from(tenant)]
}

/// What a SET says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Logout(u8, u8),
    SessionRevoked(u8, u8),
    SessionsRevoked(u8),
    Disabled(u8),
    Enabled(u8),
    CredentialRevoked(u8),
    Device(u8, bool),
    Risk(u8),
    Unknown(u8),
    /// One of the four opt events of RISC 2.8, about the user by his `sub` or by his address.
    Opt {
        user: u8,
        word: u8,
        by_mail: bool,
    },
    Verification,
}

/// By whom it is pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// May stop.
    Idp,
    /// May only be recorded.
    Weak,
    /// Speaks beyond its authority.
    Beyond,
}

/// A SET.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetWord {
    /// Its `jti`.
    pub n: u16,
    pub what: What,
    pub by: By,
    /// Its `txn`, if it has one.
    pub txn: Option<u8>,
    /// How much evidence comes with it (bytes).
    pub pad: u16,
    /// Another version of the same `jti` says something else.
    pub version: u8,
}

impl What {
    fn uri(self) -> String {
        match self {
            Self::Logout(..) | Self::SessionRevoked(..) => format!("{CAEP}session-revoked"),
            Self::SessionsRevoked(_) => format!("{RISC}sessions-revoked"),
            Self::Disabled(_) => format!("{RISC}account-disabled"),
            Self::Enabled(_) => format!("{RISC}account-enabled"),
            Self::CredentialRevoked(_) => format!("{CAEP}credential-change"),
            Self::Device(..) => format!("{CAEP}device-compliance-change"),
            Self::Risk(_) => format!("{CAEP}risk-level-change"),
            Self::Unknown(_) => "urn:example:unknown".into(),
            Self::Opt { word, .. } => format!("{RISC}{}", OPTS[usize::from(word)]),
            Self::Verification => {
                "https://schemas.openid.net/secevent/ssf/event-type/verification".to_string()
            }
        }
    }

    fn sub_id(self) -> String {
        let user = |n| format!(r#"{{"format":"iss_sub","iss":"{IDP}","sub":"user-{n}"}}"#);
        match self {
            Self::Logout(n, s) | Self::SessionRevoked(n, s) => format!(
                r#"{{"format":"complex","user":{},"session":{{"format":"opaque","id":"session-{s}"}}}}"#,
                user(n)
            ),
            Self::SessionsRevoked(n) | Self::Unknown(n) | Self::Opt { user: n, by_mail: true, .. } => {
                format!(r#"{{"format":"email","email":"user-{n}@example.com"}}"#)
            }
            Self::Device(n, _) => format!(
                r#"{{"format":"complex","device":{{"format":"opaque","id":"device-{n}"}},"user":{}}}"#,
                user(n)
            ),
            Self::Disabled(n)
            | Self::Enabled(n)
            | Self::CredentialRevoked(n)
            | Self::Risk(n)
            | Self::Opt { user: n, .. } => user(n),
            Self::Verification => r#"{"format":"opaque","id":"the-stream"}"#.into(),
        }
    }

    fn members(self) -> String {
        match self {
            Self::Logout(..) => r#","initiating_entity":"user""#.into(),
            Self::SessionRevoked(..) => r#","initiating_entity":"admin""#.into(),
            Self::CredentialRevoked(_) => r#","credential_type":"password","change_type":"revoke""#.into(),
            Self::Device(_, compliant) => {
                let (from, to) =
                    if compliant { ("not-compliant", "compliant") } else { ("compliant", "not-compliant") };
                format!(r#","previous_status":"{from}","current_status":"{to}""#)
            }
            Self::Risk(_) => r#","principal":"USER","current_level":"HIGH""#.into(),
            _ => String::new(),
        }
    }
}

impl SetWord {
    pub fn upstream(&self) -> &'static str {
        match self.by {
            By::Idp => "idp",
            By::Weak => "weak",
            By::Beyond => "narrow",
        }
    }

    /// Where the door would send it.
    pub fn route(&self) -> Route {
        match (self.what, self.by) {
            (What::Verification, _) => Route::Control,
            (_, By::Beyond) => Route::Beyond,
            _ => Route::Forward,
        }
    }

    /// What the door hands to the sequencer.
    pub fn draft(&self, tenant: u8) -> SetDraft {
        let mark = mark(tenant);
        let event = format!(
            r#"{{"event_timestamp":{},"reason_admin":{{"en":"{mark} {}.{}"}}{}}}"#,
            T0_MS / 1000,
            self.n,
            self.version,
            self.what.members()
        );
        let content = Content { uri: self.what.uri(), sub_id: self.what.sub_id(), event };
        let txn = self.txn.map(|n| format!("txn-{n}"));
        let jti = format!("set-{}", self.n);
        content.draft(tenant, self.upstream(), &jti, txn, self.route(), usize::from(self.pad))
    }
}

/// An event with its subject.
pub struct Content {
    pub uri: String,
    pub sub_id: String,
    pub event: String,
}

impl Content {
    pub fn draft(
        self,
        tenant: u8,
        upstream: &str,
        jti: &str,
        txn: Option<String>,
        route: Route,
        pad: usize,
    ) -> SetDraft {
        // Every second one names the audience of who gets originals too.
        let more = jti.bytes().last().is_some_and(|b| b % 2 == 0).then_some(crate::facts::RELAYED);
        let aud: Vec<&str> = std::iter::once("https://hub.example").chain(more).collect();
        let payload =
            serde_json::json!({ "aud": aud, "jti": jti, "sub_id": self.sub_id, "event": self.event });
        let compact = format!("h.{}.{}", URL_SAFE_NO_PAD.encode(payload.to_string()), "x".repeat(pad));
        let subject = SubId::parse_str(&self.sub_id).unwrap();
        SetDraft {
            read: None,
            upstream: upstream.into(),
            iss: IDP.into(),
            jti: jti.into(),
            payload_hash: names::hash(&[compact.as_bytes(), txn.as_deref().unwrap_or("").as_bytes()]),
            compact,
            event_hash: names::event_hash(&self.uri, &self.sub_id, &self.event),
            uri: self.uri,
            sub_id: RawValue::from_string(self.sub_id).unwrap(),
            event: RawValue::from_string(self.event).unwrap(),
            txn,
            toe: None,
            all_sessions: false,
            route,
            names: names_in(&subject, IDP).into_iter().map(|alias| named(tenant, alias)).collect(),
        }
    }
}
