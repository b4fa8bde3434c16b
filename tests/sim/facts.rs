//! Facts and objects of the simulated world, made from small numbers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ssf_hub::hub::object::{Client, Object, Tenant, Upstream};
use ssf_hub::lineage::alias::Alias;
use ssf_hub::lineage::fact::{AgentFact, EdgeFact, EdgeType, Fact, RunFact, TokenFact, ToolFact};
use ssf_hub::lineage::node::Class;
use ssf_hub::stream::Stream;

use crate::chance::T0_MS;
use crate::words::{AS, CAEP, IDP, LIFETIME_S, RISC, Who, email};

/// A fact. Times are seconds behind the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FactWord {
    Human(u8),
    Agent(u8),
    Run { run: u8, agent: u8, parent: Option<u8>, session: Option<u8>, user: Option<u8>, until: u16 },
    Token { token: u8, run: u8, until: u16 },
    Tool(u8),
    SessionOf { session: u8, user: u8 },
    OnDevice { session: u8, device: u8 },
    Exchanged { from: u8, into: u8 },
    SameUser(u8),
    CompleteRun(u8),
    CompleteAgent(u8),
}

fn at(s: u16) -> i64 {
    T0_MS / 1000 + i64::from(s)
}

fn edge(kind: EdgeType, from: Alias, to: Alias) -> Fact {
    Fact::Edge(EdgeFact { kind, from, to, valid_from: None, valid_to: None })
}

impl FactWord {
    pub fn fact(self) -> Fact {
        let fact = match self {
            Self::Human(n) => Fact::Agent(AgentFact {
                id: format!("user-{n}"),
                class: Class::Human,
                aliases: vec![Who::User(n).alias(), email(n)],
                owner: None,
                system: None,
            }),
            Self::Agent(n) => Fact::Agent(AgentFact {
                id: format!("agent-{n}"),
                class: Class::Agent,
                aliases: vec![],
                owner: Some("somebody".into()),
                system: None,
            }),
            Self::Run { run, agent, parent, session, user, until } => Fact::Run(RunFact {
                id: format!("run-{run}"),
                agent: Who::Agent(agent).alias(),
                parent: parent.map(|n| format!("run-{n}")),
                session: session.map(|n| Who::Session(n).alias()),
                on_behalf_of: user.map(|n| Who::User(n).alias()),
                interactive: None,
                deadline: at(until),
                valid_from: None,
            }),
            Self::Token { token, run, until } => Fact::Token(TokenFact {
                iss: AS.into(),
                jti: format!("token-{token}"),
                run: format!("run-{run}"),
                aud: vec!["https://tool.example".into()],
                iat: at(0),
                exp: at(until.max(1)),
            }),
            Self::Tool(n) => Fact::Tool(ToolFact {
                id: format!("https://tool-{n}.example"),
                owner: None,
                high_risk: n == 0,
            }),
            Self::SessionOf { session, user } => {
                edge(EdgeType::SessionOf, Who::Session(session).alias(), Who::User(user).alias())
            }
            Self::OnDevice { session, device } => {
                let device = Alias::new("device", IDP, &format!("device-{device}"));
                edge(EdgeType::OnDevice, Who::Session(session).alias(), device)
            }
            Self::Exchanged { from, into } => {
                edge(EdgeType::ExchangedInto, Who::Token(from).alias(), Who::Token(into).alias())
            }
            Self::SameUser(n) => edge(EdgeType::AliasOf, Who::User(n).alias(), email(n)),
            Self::CompleteRun(n) => Fact::Complete { target: Who::Run(n).alias() },
            Self::CompleteAgent(n) => Fact::Complete { target: Who::Agent(n).alias() },
        };
        fact.checked().unwrap()
    }
}

/// What a stream wants: events, whether derived ones too, audience. Two have one audience in common.
pub const SHAPES: [(&[&str], bool, &[&str]); 6] = [
    (&["*"], true, &["https://all.example"]),
    (&["*"], false, &["https://plain.example", "https://also.example"]),
    (&["session-revoked"], true, &["https://all.example"]),
    (&["account-disabled", "account-enabled", "sessions-revoked"], false, &["https://risc.example"]),
    (
        &["urn:example:unknown", "credential-change"],
        false,
        &["https://plain.example", "https://also.example"],
    ),
    (&["*"], false, &[RELAYED]),
];

/// The audience of who gets originals.
pub const RELAYED: &str = "https://relay.example";

pub fn is_relay(shape: u8) -> bool {
    SHAPES[usize::from(shape)].2 == [RELAYED]
}

/// Streams that a tenant may have.
pub const STREAMS: u8 = 4;

pub fn stream_id(n: u8) -> String {
    format!("stream-{n}")
}

pub fn stream(n: u8, shape: u8) -> Stream {
    let (events, derived, aud) = SHAPES[usize::from(shape)];
    let uri = |name: &&str| match *name {
        "session-revoked" | "credential-change" => format!("{CAEP}{name}"),
        "account-disabled" | "account-enabled" | "sessions-revoked" => format!("{RISC}{name}"),
        other => other.to_string(),
    };
    let mut json = serde_json::json!({
        "stream_id": stream_id(n), "client": "c-1", "method": "poll", "derived": derived,
        "aud": aud, "events_requested": events.iter().map(uri).collect::<Vec<_>>(),
    });
    if is_relay(shape) {
        json["method"] = "push".into();
        json["endpoint_url"] = "https://relay.example/events".into();
        json["relay"] = true.into();
    }
    serde_json::from_value(json).unwrap()
}

/// What stands in `_hub` before anything happens.
pub fn tenants() -> Vec<Object> {
    crate::words::TENANTS.iter().map(|id| Object::Tenant(Tenant { id: (*id).into() })).collect()
}

/// What stands in every tenant before anything happens.
pub fn objects() -> Vec<Object> {
    let upstream = |id: &str, effect: &str| -> Upstream {
        let json = serde_json::json!({
            "id": id, "iss": IDP, "aud": ["https://hub.example"], "jwks": {"url": "https://idp.example/jwks"},
            "max_token_lifetime_s": LIFETIME_S, "authority": {"effect": effect},
        });
        serde_json::from_value(json).unwrap()
    };
    let client = |id: &str| -> Client {
        let hash =
            URL_SAFE_NO_PAD.encode([id.len() as u8 ^ id.as_bytes()[0] ^ id.as_bytes()[id.len() - 1]; 32]);
        let json = serde_json::json!({"id": id, "bearer_sha256": hash, "facts": true});
        serde_json::from_value(json).unwrap()
    };
    vec![
        Object::Upstream(upstream("idp", "contain")),
        Object::Upstream(upstream("weak", "record")),
        Object::Upstream(upstream("narrow", "contain")),
        Object::Upstream(upstream("peer", "contain")),
        Object::Client(client("c-1")),
        Object::Client(client("c-2")),
        Object::Stream(stream(0, 0)),
        Object::Stream(stream(1, 1)),
        Object::Stream(stream(2, SHAPES.len() as u8 - 1)),
    ]
}
