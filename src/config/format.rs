//! The formats of the schema: what a text must be beyond being a text.
//!
//! Each says what would be right. Called by [`super::schema`] for every `format`; an unknown name of a format
//! is a mistake in the schema, and a test finds it.

use std::net::SocketAddr;
use std::str::FromStr;

use crate::stream::is_id;
use crate::tenant::TenantId;

/// Judges `text` as a `format`.
pub fn check(format: &str, text: &str) -> Result<(), String> {
    let when = |good: bool, what: &str| if good { Ok(()) } else { Err(what.into()) };
    match format {
        "socket-address" => when(
            text.parse::<SocketAddr>().is_ok(),
            "must be an IP address and a port, such as 127.0.0.1:8480 or [::1]:8480",
        ),
        "cidr" => when(text.parse::<ipnet::IpNet>().is_ok(), "must be a CIDR block, such as 10.0.0.0/8"),
        "cron" => cron(text),
        "cron-or-never" if text.is_empty() => Ok(()),
        "cron-or-never" => cron(text),
        "log-filter" => crate::telemetry::check_filter(text).map_err(|e| e.to_string()),
        "tenant-id" => TenantId::parse(text).map_err(|e| e.to_string()).and_then(|id| {
            when(!id.is_hub(), "is reserved: tenants of upstreams, clients and streams have other names")
        }),
        "object-id" => when(is_id(text), "must be 1 to 64 characters of A-Z, a-z, 0-9, `.`, `_`, `-`"),
        "http-url" => {
            let host = url::Url::parse(text).ok().filter(|u| matches!(u.scheme(), "http" | "https"));
            when(host.is_some_and(|u| u.has_host()), "must be an https URL")
        }
        "readable-file" => std::fs::read(text).map(drop).map_err(|e| format!("cannot be read: {e}")),
        other => Err(format!("the schema names an unknown format `{other}`")),
    }
}

fn cron(text: &str) -> Result<(), String> {
    let form = "second minute hour day-of-month month day-of-week";
    if text.split_whitespace().count() != 6 {
        return Err(format!("must have six fields: {form}"));
    }
    cron::Schedule::from_str(text).map(drop).map_err(|_| format!("is no schedule of the form: {form}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let table = [
            (
                "socket-address",
                vec!["127.0.0.1:80", "[::1]:1", "0.0.0.0:0"],
                vec!["localhost:80", "127.0.0.1", ":80"],
            ),
            ("cidr", vec!["10.0.0.0/8", "::1/128"], vec!["10.0.0.0", "10.0.0.0/33", "x"]),
            (
                "cron",
                vec!["0 0 3 * * *", "*/5 * * * * Mon"],
                vec!["0 3 * * *", "0 0 25 * * *", "", "0 0 3 * * * 2027"],
            ),
            ("log-filter", vec!["info", "warn,ssf_hub::outbox=debug"], vec!["ssf_hub=loud"]),
            ("tenant-id", vec!["a", "t-1"], vec!["A", "", "_hub"]),
            ("object-id", vec!["a.b_c-D"], vec!["", ".a", "a/b"]),
            (
                "http-url",
                vec!["https://x/y", "http://127.0.0.1:1/"],
                vec!["ftp://x", "x", "https://", "mailto:a@b"],
            ),
            ("readable-file", vec!["Cargo.toml"], vec!["no/such/file", "src"]),
            ("no-such-format", vec![], vec!["x"]),
        ];
        for (format, good, bad) in table {
            for text in good {
                assert_eq!(check(format, text), Ok(()), "{format} {text}");
            }
            for text in bad {
                assert!(check(format, text).is_err(), "{format} {text}");
            }
        }
    }
}
