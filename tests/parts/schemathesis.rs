//! schemathesis, which makes requests of an OpenAPI document: good ones, and bad ones of every sort. No answer may be a 5xx;
//! each must be one that the document tells of, with its media type, header fields and body; what the document forbids
//! must be refused, and no door may open without its credential.

use std::ffi::OsString;

use super::install;
use super::leash::Leash;

/// What one run does.
pub struct Run<'a> {
    /// The listener that it calls, and whose `openapi.json` it reads.
    pub url: &'a str,
    /// Its header fields, `Name:value`.
    pub headers: &'a [String],
    /// The paths that it calls, as a regular expression.
    pub paths: &'a str,
    /// Requests per operation and phase.
    pub examples: u32,
    /// Configuration: values of parameters.
    pub config: &'a str,
}

/// Runs it, at most `seconds`. Panics with what it printed where it found a failure, or called nothing.
pub async fn run(run: &Run<'_>, seconds: u64) -> String {
    install::install("schemathesis").await;
    let folder = tempfile::tempdir().expect("a folder of its own");
    let config = folder.path().join("schemathesis.toml");
    let hooks = install::folder().join("schemathesis/hooks.py");
    let text = format!("hooks = {hooks:?}\n[checks]\n{REFUSED}\n{}", run.config);
    std::fs::write(&config, text).expect("its configuration");
    let document = format!("{}/openapi.json", run.url);
    let examples = run.examples.to_string();
    let texts = [
        "run",
        &document,
        "--url",
        run.url,
        "--include-path-regex",
        run.paths,
        "--max-examples",
        &examples,
        "--phases",
        "examples,coverage,fuzzing",
        // All that it knows, but that what the schemas allow is taken: they cannot say that two members contradict.
        "--checks",
        "all",
        "--exclude-checks",
        "positive_data_acceptance",
        "--generation-deterministic",
        "--suppress-health-check",
        "all",
        "--request-timeout",
        "20",
        "--continue-on-failure",
        "--no-color",
    ];
    // It keeps what it found where it runs, and would begin with that the next time.
    let mut argv: Vec<OsString> = vec!["env".into(), "-C".into(), folder.path().into()];
    argv.push(install::unpacked().join("schemathesis/bin/schemathesis").into());
    argv.extend(["--config-file".into(), config.into_os_string()]);
    argv.extend(texts.iter().map(OsString::from));
    argv.extend(run.headers.iter().flat_map(|field| ["--header".into(), OsString::from(field)]));
    let out = folder.path().join("out");
    let mut leash = Leash::start(&argv, &out);
    let status = leash.ended(seconds).await;
    let said = std::fs::read_to_string(&out).expect("what it printed");
    assert!(status.success(), "{status}\n{said}");
    said
}

/// What counts as refused: 408 and 413 do too.
const REFUSED: &str =
    "negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 429]";
