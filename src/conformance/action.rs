//! What the steps of a case can do, as data.
//!
//! Each is an object with `do` and the members below; `conformance/README.md` has them for who writes a case. Never runs
//! anything: that is [`super::steps`] and [`super::events`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::case::Step;
use super::shape::Shape;

/// What a step does.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// An HTTP request.
    Call(Box<Call>),
    /// The same steps for each value of a list.
    Each(Each),
    /// Adds a subject, where a fresh stream has none.
    Interest(Interest),
    /// Lets an event happen at the transmitter.
    Emit(Emit),
    /// Waits for a SET.
    Receive(Receive),
    /// Watches that no SET comes.
    Silence(Watch),
    /// Takes all SETs that come until none comes any more.
    Collect(Collect),
    /// Asks for verification and waits for the event.
    Verify(Verify),
    /// Asks the operator's hook for another status of a stream.
    Status(Status),
    /// Makes an endpoint of the push sink.
    Sink(MakeSink),
    /// Waits for requests at an endpoint of the push sink.
    Pushes(Pushes),
    /// Judges something known.
    Check(Check),
    /// Judges all that was seen in the whole run.
    Every(Every),
    /// Waits.
    Wait(Wait),
    /// TLS handshakes with the transmitter.
    Tls(Tls),
    /// Nothing may have come to the endpoint whose certificate nobody vouches for.
    BadTls {},
}

/// An HTTP request: `what` names an operation of the management API, or `get`/`post` with a `url`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// `create`, `read`, `patch`, `put`, `delete`, `status`, `set_status`, `add`, `remove`, `verify`, `poll`, `get`, `post`.
    pub what: String,
    /// Where `get` and `post` go; where `poll` goes.
    #[serde(default)]
    pub url: Option<String>,
    /// Another method.
    #[serde(default)]
    pub method: Option<String>,
    /// Whose credentials: `a` (without it), `b`, `reader`, `none`, `garbage`.
    #[serde(default, rename = "as")]
    pub who: Option<String>,
    /// The field `Authorization` itself.
    #[serde(default)]
    pub authorization: Option<String>,
    /// Query parameters.
    #[serde(default)]
    pub query: Value,
    /// The body as JSON.
    #[serde(default)]
    pub json: Option<Value>,
    /// The body as it is.
    #[serde(default)]
    pub text: Option<String>,
    /// Further header fields.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The name of the stream that is made by this `create`.
    #[serde(default)]
    pub stream: Option<String>,
    /// Types that the made stream must deliver for the case to apply.
    #[serde(default)]
    pub must_deliver: Vec<String>,
    /// What the answer is waited for to look like: until it does the same is asked again, no longer than any answer is waited
    /// for. The last answer is the one that counts. Not together with `meanwhile`.
    #[serde(default)]
    pub until: Shape,
    /// What the answer must look like.
    #[serde(default)]
    pub expect: Shape,
    /// Name → path into the answer.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    /// Steps that are done while the answer is waited for.
    #[serde(default)]
    pub meanwhile: Vec<Step>,
}

/// The same steps for each value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Each {
    /// The name under which the steps know the value.
    pub name: String,
    /// The values.
    pub of: Value,
    /// The steps.
    pub steps: Vec<Step>,
}

/// Interest in a subject.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interest {
    /// The stream's name.
    pub stream: String,
    /// The subject; without it `{"format":"email","email":"{user}"}`.
    #[serde(default)]
    pub subject: Option<Value>,
}

/// Something happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emit {
    /// Event type URI.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Whom it is about; without it the one of its type in `subjects`, else `{"format":"email","email":"{user}"}`.
    #[serde(default)]
    pub subject: Option<Value>,
    /// The event; without it the one of its type in `events`.
    #[serde(default)]
    pub event: Option<Value>,
    /// Whether it is no matter when it cannot be made to happen.
    #[serde(default)]
    pub perhaps: bool,
}

/// A SET on a stream.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receive {
    /// The stream's name.
    pub stream: String,
    /// Which SET is meant.
    #[serde(default, rename = "where")]
    pub filter: Shape,
    /// What it must look like.
    #[serde(default)]
    pub expect: Shape,
    /// The name under which it is known afterwards.
    #[serde(default)]
    pub save: Option<String>,
}

/// A SET that must not come.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// The stream's name.
    pub stream: String,
    /// Which SET is meant.
    #[serde(default, rename = "where")]
    pub filter: Shape,
}

/// All SETs on a stream.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collect {
    /// The stream's name.
    pub stream: String,
    /// Which SETs are meant.
    #[serde(default, rename = "where")]
    pub filter: Shape,
    /// How many at least: a number, or a list that has as many.
    pub at_least: Value,
    /// How many there are if none is kept back, likewise: so many are waited for as long as for any SET.
    #[serde(default)]
    pub hoped: Value,
    /// The path into each of them that is kept.
    pub path: String,
    /// The name under which the list is known.
    pub save: String,
}

/// Verification of a stream.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The stream's name.
    pub stream: String,
    /// The state; without it none is sent.
    #[serde(default)]
    pub state: Option<String>,
    /// What the SET must look like.
    #[serde(default)]
    pub expect: Shape,
    /// The name under which it is known afterwards.
    #[serde(default)]
    pub save: Option<String>,
}

/// Another status of a stream, by the transmitter's operator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The stream's name.
    pub stream: String,
    /// `enabled`, `paused`, `disabled`.
    pub status: String,
}

/// An endpoint of the push sink: `{name.url}`, `{name.authorization}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeSink {
    /// Its name.
    pub name: String,
    /// What it answers, one by one; afterwards 202.
    #[serde(default)]
    pub answers: Vec<Answer>,
}

/// An answer of the push sink.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header fields.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: String,
}

/// Requests at an endpoint of the push sink.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pushes {
    /// Its name.
    pub sink: String,
    /// How many are waited for.
    pub at_least: usize,
    /// Whether to watch on, as long as for silence, for more of them.
    #[serde(default)]
    pub watch: bool,
    /// What `{"requests": […], "gaps_ms": […]}` must look like.
    #[serde(default)]
    pub expect: Shape,
}

/// Something known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What is judged.
    pub value: Value,
    /// What it must look like for the rows to apply.
    #[serde(default)]
    pub when: Shape,
    /// What it must look like.
    pub expect: Shape,
}

/// All that was seen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Every {
    /// `sets`, `pushes` or `answers`.
    pub of: String,
    /// Which of them.
    #[serde(default, rename = "where")]
    pub filter: Shape,
    /// What each must look like.
    #[serde(default)]
    pub expect: Shape,
    /// Paths whose values, taken together, no two of them share.
    #[serde(default)]
    pub distinct: Vec<String>,
    /// Whether it is enough that one of them looks like that.
    #[serde(default)]
    pub some: bool,
}

/// Waits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// How long, in seconds.
    pub seconds: Value,
    /// How many times that.
    #[serde(default = "once")]
    pub times: f64,
}

/// A handshake.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// `modern` (1.2 or 1.3 is agreed), `old` (1.1 and below are refused), `weak` (weak ciphers are refused), `newest` (1.3 is preferred).
    pub probe: String,
}

fn once() -> f64 {
    1.0
}
