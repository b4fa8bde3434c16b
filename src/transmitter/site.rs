//! Where a push stream is: its visit to the destination of its `endpoint_url`.
//!
//! Between the stream's task and `outbox::destination`. Follows the stream when its URL changes; holds no place.

use std::sync::Arc;

use tokio::sync::Notify;
use url::Url;

use crate::outbox::destination::{Admission, Pass, Visitor};
use crate::outbox::destinations::Destinations;
use crate::stream::Stream;

/// A place, and when retries may go.
pub(super) type Admitted = (Option<Pass>, Option<i64>);

/// A stream's visit.
#[derive(Default)]
pub(super) struct Site {
    url: String,
    visitor: Option<Visitor>,
}

impl Site {
    /// May the stream send one now? `Err`: not before that (ms since boot), or before the bell rings. A URL without an
    /// origin gets no place and no answer: the guard refuses it.
    pub(super) fn ask(
        &mut self,
        all: &Destinations,
        stream: &Stream,
        now_ms: i64,
    ) -> Result<Admitted, Option<i64>> {
        let url = stream.endpoint_url.as_deref().unwrap_or_default();
        if self.visitor.is_none() || self.url != url {
            self.url = url.into();
            self.visitor = origin(url).map(|origin| all.visit(&origin, now_ms));
        }
        match self.visitor.as_ref().map(|visitor| visitor.ask(now_ms)) {
            Some(Admission::Go { pass, retries_at_ms }) => Ok((Some(pass), retries_at_ms)),
            Some(Admission::Wait(until)) => Err(until),
            None => Ok((None, None)),
        }
    }

    /// Nothing is to be sent.
    pub(super) fn leave(&self) {
        if let Some(visitor) = &self.visitor {
            visitor.leave();
        }
    }

    /// Waits for the bell; for ever where there is none.
    pub(super) async fn rung(&self) {
        let bell: Option<Arc<Notify>> = self.visitor.as_ref().map(|visitor| Arc::clone(&visitor.bell));
        match bell {
            Some(bell) => bell.notified().await,
            None => std::future::pending().await,
        }
    }
}

/// Scheme, host and port of a URL, as RFC 6454 writes an origin; never path, query or credentials.
pub fn origin(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    url.has_host().then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let table = [
            ("https://R.example/a?b=c", Some("https://r.example")),
            ("https://r.example:443/", Some("https://r.example")),
            ("https://r.example:8443/x", Some("https://r.example:8443")),
            ("http://127.0.0.1:80/", Some("http://127.0.0.1")),
            ("https://[::1]:9/", Some("https://[::1]:9")),
            ("nonsense", None),
            ("", None),
        ];
        for (url, want) in table {
            assert_eq!(origin(url).as_deref(), want, "{url}");
        }
    }
}
