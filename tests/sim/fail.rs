//! What the simulation says when something is wrong.

/// Something is not as it was promised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Which promise, in one word: shrinking keeps to it.
    pub code: &'static str,
    /// What was seen.
    pub what: String,
}

pub fn failure<T>(code: &'static str, what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure { code, what: what.into() })
}

/// Fails with a code and a formatted text unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $code:literal, $($what:tt)+) => {
        if !$holds {
            return Err($crate::fail::Failure { code: $code, what: format!($($what)+) });
        }
    };
}
pub(crate) use ensure;
