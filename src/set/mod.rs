//! Security Event Tokens (RFC 8417) under SSF 1.0: what a SET says, and whether it may be believed.
//!
//! Second station of the flow: bytes from `receiver` become a `VerifiedSet` here or are rejected, and
//! `transmitter` builds its payloads with `claims_out`. Never does I/O, never asks what time it is, never
//! decides what an event leads to.

pub mod claims;
pub mod claims_out;
pub mod dialect;
pub mod emission;
pub mod event;
pub mod event_type;
mod members;
pub mod payload;
pub mod reject;
pub mod sub_id;
pub mod syntax;
pub mod verify;
pub mod words;

pub use claims::Claims;
pub use claims_out::Outgoing;
pub use dialect::Dialect;
pub use event::Event;
pub use event_type::EventType;
pub use payload::Payload;
pub use reject::{ErrCode, Reject, RejectReason};
pub use sub_id::SubId;
pub use verify::{Policy, VerifiedSet, verify};
