//! Payloads as bytes: JSON, by kind and format version.

use serde::{Deserialize, Serialize};

use super::{Body, VERSION};
use crate::hub::object::{Object, ObjectKind};

/// A payload cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A kind or version that this build does not know.
    #[error("entry kind {kind} in format version {version} is not known to this build")]
    Unknown {
        /// The kind.
        kind: u8,
        /// The version.
        version: u16,
    },
    /// The JSON does not fit.
    #[error("an entry of kind {kind} cannot be read: {source}")]
    Payload {
        /// The kind.
        kind: u8,
        /// Why.
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Put {
    object: Object,
    by: String,
}

#[derive(Serialize, Deserialize)]
struct Remove {
    kind: ObjectKind,
    id: String,
    by: String,
}

#[derive(Serialize, Deserialize)]
struct By {
    by: String,
}

/// As JSON, into memory that is asked for once: `about` so many bytes.
fn json(value: &impl Serialize, about: usize) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(about);
    serde_json::to_writer(&mut out, value)?;
    Ok(out)
}

impl Body {
    /// The payload's bytes.
    pub fn to_vec(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Put { object, by } => serde_json::to_vec(&Put { object: object.clone(), by: by.clone() }),
            Self::Remove { kind, id, by } => {
                serde_json::to_vec(&Remove { kind: *kind, id: id.clone(), by: by.clone() })
            }
            Self::Keys(b) => serde_json::to_vec(b),
            Self::Set(b) => {
                let names: usize = b.names.iter().map(|n| 120 + 25 * n.hashes.len()).sum();
                json(b, 600 + b.compact.len() + b.sub_id.get().len() + b.event.get().len() + names)
            }
            Self::Fact(b) => serde_json::to_vec(b),
            Self::Kill(b) | Self::Lift(b) => serde_json::to_vec(b),
            Self::Decision(b) => json(b, 600 + 200 * b.records.len() + 600 * b.derived.len()),
            Self::Outcomes(b) => serde_json::to_vec(b),
            Self::Tick => Ok(Vec::new()),
            Self::ClockAccepted { by } => serde_json::to_vec(&By { by: by.clone() }),
            Self::Subjects(b) => serde_json::to_vec(b),
            Self::Status(b) => serde_json::to_vec(b),
            Self::Control(b) => serde_json::to_vec(b),
            Self::Emit(b) => serde_json::to_vec(b),
            Self::Restored(b) => serde_json::to_vec(b),
            Self::Redrive(b) => serde_json::to_vec(b),
        }
    }

    /// Reads a payload back.
    pub fn parse(kind: u8, version: u16, bytes: &[u8]) -> Result<Self, Error> {
        if version != VERSION {
            return Err(Error::Unknown { kind, version });
        }
        let bad = |source| Error::Payload { kind, source };
        Ok(match kind {
            1 => {
                let Put { object, by } = serde_json::from_slice(bytes).map_err(bad)?;
                Self::Put { object, by }
            }
            2 => {
                let Remove { kind: of, id, by } = serde_json::from_slice(bytes).map_err(bad)?;
                Self::Remove { kind: of, id, by }
            }
            3 => Self::Keys(serde_json::from_slice(bytes).map_err(bad)?),
            4 => Self::Set(serde_json::from_slice(bytes).map_err(bad)?),
            5 => Self::Fact(serde_json::from_slice(bytes).map_err(bad)?),
            6 => Self::Kill(serde_json::from_slice(bytes).map_err(bad)?),
            7 => Self::Lift(serde_json::from_slice(bytes).map_err(bad)?),
            8 => Self::Decision(serde_json::from_slice(bytes).map_err(bad)?),
            9 => Self::Outcomes(serde_json::from_slice(bytes).map_err(bad)?),
            10 => Self::Tick,
            11 => Self::ClockAccepted { by: serde_json::from_slice::<By>(bytes).map_err(bad)?.by },
            12 => Self::Subjects(serde_json::from_slice(bytes).map_err(bad)?),
            13 => Self::Status(serde_json::from_slice(bytes).map_err(bad)?),
            14 => Self::Control(serde_json::from_slice(bytes).map_err(bad)?),
            15 => Self::Emit(serde_json::from_slice(bytes).map_err(bad)?),
            17 => Self::Restored(serde_json::from_slice(bytes).map_err(bad)?),
            16 => Self::Redrive(serde_json::from_slice(bytes).map_err(bad)?),
            _ => return Err(Error::Unknown { kind, version }),
        })
    }
}
