//! Where the parts lie, and how they come there.

use std::path::PathBuf;

use super::leash::Leash;

/// `tests/parts` of this repository.
pub fn folder() -> PathBuf {
    repository().join("tests/parts")
}

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `target/parts`: what was fetched and unpacked.
pub fn unpacked() -> PathBuf {
    repository().join("target/parts")
}

/// Sees to it that `part` is in `target/parts`; quick when it is. Panics, with what the script said, when it can't be had.
pub async fn install(part: &str) {
    run(&[folder().join("install").into_os_string(), part.into()], 900).await;
}

/// Runs a command to its end and gives what it printed. Panics when it fails or takes longer than `seconds`.
pub async fn run(argv: &[std::ffi::OsString], seconds: u64) -> String {
    let out = tempfile::NamedTempFile::new().expect("a file for its output");
    let mut leash = Leash::start(argv, out.path());
    let status = leash.ended(seconds).await;
    assert!(status.success(), "{argv:?}: {status}\n{}", leash.log_tail());
    std::fs::read_to_string(out.path()).expect("its output")
}
