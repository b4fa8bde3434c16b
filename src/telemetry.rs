//! What an operator sees of a running hub: log lines on standard error, and metrics for Prometheus.
//!
//! Ground floor. `app` installs the subscriber once and makes one [`Metrics`]; each part registers its own
//! families there and keeps the handles. Nothing is global but the subscriber. Labels are few and bounded:
//! tenant, upstream, stream, outcome; never a subject, a `jti` or a `txn` (those are fields of log lines).

pub mod lines;

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// How a log line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people; in colour on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How a line looks.
    pub format: Format,
    /// Which lines there are: directives of `tracing-subscriber`'s `EnvFilter`.
    pub filter: String,
}

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is none.
    #[error("is no log filter: {0}")]
    Filter(#[from] ParseError),
    /// There is a subscriber already.
    #[error("the log is set up already")]
    Already(#[from] TryInitError),
    /// The thread that writes lines cannot start.
    #[error("the log cannot be written: {0}")]
    Thread(#[from] std::io::Error),
}

/// Judges a filter.
pub fn check_filter(filter: &str) -> Result<(), Error> {
    EnvFilter::try_new(filter)?;
    Ok(())
}

/// Sets the log up, once in a process. Lines go to standard error: standard output belongs to the answers of
/// the command line.
///
/// What is returned writes what waits when it is dropped: keep it to the end.
pub fn init(config: &Config) -> Result<lines::Flush, Error> {
    let filter = EnvFilter::try_new(&config.filter)?;
    let (writer, flush) = lines::start(std::io::stderr)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(config.format == Format::Text && std::io::stderr().is_terminal());
    match config.format {
        Format::Text => lines.finish().try_init()?,
        Format::Json => lines.json().flatten_event(true).with_current_span(false).finish().try_init()?,
    }
    flush.at_panics();
    Ok(flush)
}

/// Upper bounds of a histogram of durations, in seconds: from 0.1 ms to 100 s, three to a decade.
pub const SECONDS: [f64; 19] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    25.0, 50.0, 100.0,
];

/// All metrics of one hub. Register at start, keep the handles, never look one up in a hot path.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// No metrics but `ssf_hub_build_info`.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("ssf_hub");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running build", version);
        Self { registry: Mutex::new(registry) }
    }

    /// Hands the registry out, for collectors and for parts that register by themselves.
    pub fn with<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        register(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Registers any metric; its name gets the prefix `ssf_hub_`.
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        self.with(|registry| registry.register(name, help, metric.clone()));
        metric
    }

    /// A counter; its name is to be without `_total`.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.register(name, help, Counter::default())
    }

    /// Counters told apart by labels.
    pub fn counters<L>(&self, name: &str, help: &str) -> Family<L, Counter>
    where
        L: EncodeLabelSet + Clone + Eq + std::hash::Hash + std::fmt::Debug + Send + Sync + 'static,
    {
        self.register(name, help, Family::default())
    }

    /// A gauge.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(name, help, Gauge::default())
    }

    /// Gauges told apart by labels.
    pub fn gauges<L>(&self, name: &str, help: &str) -> Family<L, Gauge>
    where
        L: EncodeLabelSet + Clone + Eq + std::hash::Hash + std::fmt::Debug + Send + Sync + 'static,
    {
        self.register(name, help, Family::default())
    }

    /// A histogram of durations in [`SECONDS`]; its name is to end in `_seconds`.
    pub fn seconds(&self, name: &str, help: &str) -> Histogram {
        self.register(name, help, Histogram::new(SECONDS))
    }

    /// Everything in the text format of OpenMetrics 1.0.
    pub fn encode(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        // Writing into a String fails only if a metric's own encoder does; half a page is then better than
        // none.
        if text::encode(&mut out, &registry).is_err() {
            tracing::error!("a metric could not be encoded");
        }
        out
    }
}

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
    struct Labels {
        tenant: String,
    }

    #[test]
    fn metrics_are_encoded_with_their_labels() {
        let (metrics, other) = (Metrics::new(), Metrics::new());
        let sets = metrics.counters::<Labels>("sets_accepted", "SETs accepted");
        sets.get_or_create(&Labels { tenant: "a\"b".into() }).inc();
        metrics.seconds("flush_seconds", "Flushes").observe(0.002);
        metrics.gauge("in_flight", "Waiting").set(7);
        let text = metrics.encode();
        for line in [
            "ssf_hub_sets_accepted_total{tenant=\"a\\\"b\"} 1",
            "ssf_hub_flush_seconds_bucket{le=\"0.0025\"} 1",
            "ssf_hub_in_flight 7",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.contains("ssf_hub_build_info{version="));
        assert!(!other.encode().contains("in_flight"));
    }

    #[test]
    fn filters() {
        assert!(check_filter("info").is_ok() && check_filter("warn,ssf_hub::hub=debug").is_ok());
        assert!(check_filter("ssf_hub=loud").is_err());
        let config = |filter: &str| Config { format: Format::Json, filter: filter.into() };
        assert!(matches!(init(&config("ssf_hub=loud")), Err(Error::Filter(_))));
    }
}
