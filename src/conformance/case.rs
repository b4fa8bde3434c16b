//! Cases as data: what `conformance/transmitter.json` may say.
//!
//! A case proves rows by steps; adding a case is adding data. `conformance/README.md` says in words what each step does.
//! Read once at the start of a run; unknown members and steps are refused. Never runs anything.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Map, Value};

use super::action::Action;
use super::requirement::BadData;
use super::shape::Shape;

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// What the file is.
    #[expect(dead_code, reason = "for who reads the file")]
    about: String,
    /// Names that all cases know; one may use those before it.
    pub names: Map<String, Value>,
    /// An event of each type, as `emit` says it when the case does not: URI → event.
    pub events: BTreeMap<String, Value>,
    /// Whom an event of a type is about, where that is no user: URI → subject.
    pub subjects: BTreeMap<String, Value>,
    /// The cases, in the order in which they run.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name; never used again for another case.
    pub id: String,
    /// What it is about, in a few words.
    pub title: String,
    /// The rows that it proves.
    pub rows: Vec<String>,
    /// What it cannot do without; see [`super::needs`].
    #[serde(default)]
    pub needs: Vec<String>,
    /// What is done, one after the other.
    pub steps: Vec<Step>,
}

/// A step and the rows that it alone proves; without any, it belongs to the rows of its case that no step names.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its rows.
    pub rows: Vec<String>,
    /// What it does.
    pub action: Action,
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let mut members = Map::deserialize(d)?;
        let rows = members.remove("rows").unwrap_or(Value::Array(vec![]));
        let said = Value::Object(members.clone());
        let action = Action::deserialize(Value::Object(members));
        Ok(Self {
            rows: serde_json::from_value(rows).map_err(D::Error::custom)?,
            action: action.map_err(|e| D::Error::custom(format!("{e} in {said}")))?,
        })
    }
}

/// The cases that are compiled in.
pub fn cases() -> Result<Cases, BadData> {
    let text = include_str!("../../conformance/transmitter.json");
    serde_json::from_str(text).map_err(|e| BadData("transmitter.json", e.to_string()))
}

impl Step {
    /// This step and those inside it.
    pub fn all(&self) -> Vec<&Self> {
        let inner = match &self.action {
            Action::Call(call) => call.meanwhile.as_slice(),
            Action::Each(each) => each.steps.as_slice(),
            _ => &[],
        };
        std::iter::once(self).chain(inner.iter().flat_map(Self::all)).collect()
    }
}

impl Action {
    /// The shapes that it judges by.
    pub fn shapes(&self) -> Vec<&Shape> {
        match self {
            Self::Call(x) => vec![&x.until, &x.expect],
            Self::Receive(x) => vec![&x.filter, &x.expect],
            Self::Silence(x) => vec![&x.filter],
            Self::Collect(x) => vec![&x.filter],
            Self::Verify(x) => vec![&x.expect],
            Self::Pushes(x) => vec![&x.expect],
            Self::Check(x) => vec![&x.when, &x.expect],
            Self::Every(x) => vec![&x.filter, &x.expect],
            Self::Each(_)
            | Self::Interest(_)
            | Self::Emit(_)
            | Self::Status(_)
            | Self::Sink(_)
            | Self::Wait(_)
            | Self::Tls(_)
            | Self::BadTls {} => vec![],
        }
    }
}
