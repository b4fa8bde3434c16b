//! Reading a request's body: as long as allowed, as slow as allowed, and no further.
//!
//! Every handler that takes a body reads it here. What cannot be read is an answer, never an operational event by
//! itself: who sends it may be nobody.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::problem::Problem;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Longer than the limit.
    TooLarge,
    /// Not whole within `limits.body_read_timeout_ms`.
    TooSlow,
    /// It broke off, or its framing is wrong.
    Broken,
}

/// Reads at most `limit` bytes, for at most `within`.
pub async fn read(body: Body, limit: usize, within: Duration) -> Result<Bytes, Unread> {
    match tokio::time::timeout(within, Limited::new(body, limit).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Ok(Err(_)) => Err(Unread::Broken),
        Err(_) => Err(Unread::TooSlow),
    }
}

impl Unread {
    /// What is answered.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<Unread> for Problem {
    fn from(unread: Unread) -> Self {
        let detail = match unread {
            Unread::TooLarge => "the request is too large",
            Unread::TooSlow => "the request's body did not come in time",
            Unread::Broken => "the request's body broke off",
        };
        Self::new(unread.status(), detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    type Chunk = Result<&'static str, std::io::Error>;

    #[tokio::test]
    async fn by_length_and_time() {
        let soon = Duration::from_millis(50);
        let whole = || Body::from_stream(stream::iter(["ab", "cd"].map(Chunk::Ok)));
        assert_eq!(read(whole(), 4, soon).await.unwrap(), "abcd");
        assert_eq!(read(whole(), 3, soon).await, Err(Unread::TooLarge));
        let broken = stream::iter([Ok("ab"), Chunk::Err(std::io::ErrorKind::ConnectionReset.into())]);
        assert_eq!(read(Body::from_stream(broken), 9, soon).await, Err(Unread::Broken));
        assert_eq!(read(Body::from_stream(stream::pending::<Chunk>()), 9, soon).await, Err(Unread::TooSlow));
        assert_eq!(Unread::TooSlow.status(), 408);
    }
}
