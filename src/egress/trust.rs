//! The operator's certification authorities: files that are read, and looked at again.
//!
//! What is kept is what the files held when the clients were made from them, so that a change is seen by content
//! and not by a clock.

use std::path::PathBuf;

use super::ConfigError;

/// Longest CA file, in bytes: the bundle of a whole system is a quarter of this.
const FILE_MAX: u64 = 1 << 20;

/// What the CA files hold.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Trust(Vec<(PathBuf, Vec<u8>)>);

impl Trust {
    /// Reads the files.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, ConfigError> {
        let one = |file: &PathBuf| {
            let bad = |_| ConfigError::CaFile(file.clone());
            match std::fs::metadata(file).map_err(bad)?.len() {
                0..=FILE_MAX => Ok((file.clone(), std::fs::read(file).map_err(bad)?)),
                _ => Err(ConfigError::CaFile(file.clone())),
            }
        };
        Ok(Self(files.iter().map(one).collect::<Result<_, _>>()?))
    }

    /// Each file with its PEM text.
    pub(super) fn pems(&self) -> impl Iterator<Item = &(PathBuf, Vec<u8>)> {
        self.0.iter()
    }
}
