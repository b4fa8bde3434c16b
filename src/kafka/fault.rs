//! What keeps Kafka from delivering, and whose it is to mend: the broker is away, or it refuses us.
//!
//! In the flow: `producer` and `topics` name what they met, `link` says it once and shows it. A pure table over
//! librdkafka's codes. Never holds a setting's value: a reason is librdkafka's own words.

use rdkafka::error::RDKafkaErrorCode as Code;

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nobody answers: it passes, and is tried again.
    Away,
    /// The certificates do not fit.
    Tls,
    /// User, password or mechanism are refused.
    Authentication,
    /// This user may not do it.
    Authorization,
    /// A topic is missing, and may not or cannot be made.
    Topic,
    /// A message is larger than the broker takes.
    TooLarge,
}

impl Kind {
    /// The kind behind a code of librdkafka or of the broker.
    pub fn of(code: Option<Code>) -> Self {
        match code {
            Some(Code::SSL) => Self::Tls,
            Some(
                Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::UnsupportedSASLMechanism
                | Code::IllegalSASLState,
            ) => Self::Authentication,
            Some(
                Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed,
            ) => Self::Authorization,
            Some(
                Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopicId
                | Code::UnknownPartition
                | Code::InvalidTopic
                | Code::PolicyViolation
                | Code::InvalidReplicationFactor,
            ) => Self::Topic,
            Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge) => Self::TooLarge,
            _ => Self::Away,
        }
    }

    /// Its word in logs and in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Tls => "tls",
            Self::Authentication => "authentication",
            Self::Authorization => "authorization",
            Self::Topic => "topic",
            Self::TooLarge => "too_large",
        }
    }

    /// Who mends it: a broker that is away comes back; all else an operator must set right, here or there.
    pub fn by(self) -> &'static str {
        if self == Self::Away { "broker" } else { "operator" }
    }
}

/// One trouble, with the reason in librdkafka's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: Kind,
    /// Why.
    pub why: String,
}

impl Fault {
    /// Trouble behind a code.
    pub fn new(code: Option<Code>, why: impl Into<String>) -> Self {
        Self { kind: Kind::of(code), why: why.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_at_fault() {
        for (code, kind, by) in [
            (None, Kind::Away, "broker"),
            (Some(Code::BrokerTransportFailure), Kind::Away, "broker"),
            (Some(Code::AllBrokersDown), Kind::Away, "broker"),
            (Some(Code::MessageTimedOut), Kind::Away, "broker"),
            (Some(Code::SSL), Kind::Tls, "operator"),
            (Some(Code::Authentication), Kind::Authentication, "operator"),
            (Some(Code::SaslAuthenticationFailed), Kind::Authentication, "operator"),
            (Some(Code::TopicAuthorizationFailed), Kind::Authorization, "operator"),
            (Some(Code::ClusterAuthorizationFailed), Kind::Authorization, "operator"),
            (Some(Code::UnknownTopicOrPartition), Kind::Topic, "operator"),
            (Some(Code::MessageSizeTooLarge), Kind::TooLarge, "operator"),
        ] {
            assert_eq!((Kind::of(code), Kind::of(code).by()), (kind, by), "{code:?}");
        }
    }
}
