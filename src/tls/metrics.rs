//! What TLS counts at each listener.
//!
//! Registered once by `app` for all listeners. Labels are the listener's name and closed words.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// How a handshake ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handshake {
    /// Well.
    Ok,
    /// No agreement, or the other side went away.
    Failed,
    /// Not in time.
    Timeout,
    /// Cut for a newer one.
    Crowded,
}

/// One listener and a closed word.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Ended {
    listener: &'static str,
    result: &'static str,
}

/// One listener.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfListener {
    listener: &'static str,
}

/// The counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    handshakes: Family<Ended, Counter>,
    reloads: Family<Ended, Counter>,
    expires: Family<OfListener, Gauge>,
}

impl Metrics {
    /// Registers them.
    pub fn new(page: &crate::telemetry::Metrics) -> Self {
        Self {
            handshakes: page.counters("tls_handshakes", "TLS handshakes that ended"),
            reloads: page.counters("tls_reloads", "Changed certificate files, taken or refused"),
            expires: page.gauges(
                "tls_certificate_not_after_seconds",
                "When the certificate in use ends (s since 1970)",
            ),
        }
    }

    pub(super) fn shaken(&self, listener: &'static str, ended: Handshake) {
        let result = match ended {
            Handshake::Ok => "ok",
            Handshake::Failed => "failed",
            Handshake::Timeout => "timeout",
            Handshake::Crowded => "crowded",
        };
        self.handshakes.get_or_create(&Ended { listener, result }).inc();
    }

    pub(super) fn reloaded(&self, listener: &'static str, taken: bool) {
        let result = if taken { "ok" } else { "refused" };
        self.reloads.get_or_create(&Ended { listener, result }).inc();
    }

    /// A certificate came into use. From then on its files may change: both ends stand on the page before the first, for what
    /// appears with 1 is no increase to who watches.
    pub(super) fn expires(&self, listener: &'static str, at_s: i64) {
        for result in ["ok", "refused"] {
            drop(self.reloads.get_or_create(&Ended { listener, result }));
        }
        self.expires.get_or_create(&OfListener { listener }).set(at_s);
    }
}
