//! How far Kafka is, in a side file.
//!
//! In the flow: `kafka::run` saves it behind what the broker has. Losing the file repeats everything, under the same
//! names. Never ahead of what was acknowledged.

use std::path::PathBuf;

use crate::kafka::source::CursorStore;

/// The cursor in a side file.
pub struct CursorFile {
    path: PathBuf,
    journal: String,
}

impl CursorFile {
    /// The cursor of a journal (by its id in hex) in `path`.
    pub fn new(path: PathBuf, journal: String) -> Self {
        Self { path, journal }
    }
}

impl CursorStore for CursorFile {
    fn load(&mut self) -> Result<Vec<u8>, String> {
        let Some(file) = crate::keys::file::read(&self.path).map_err(|e| e.to_string())? else {
            return Ok(vec![]);
        };
        let text = String::from_utf8(file).map_err(|e| e.to_string())?;
        // A cursor of another journal points nowhere in this one.
        Ok(match text.split_once(' ') {
            Some((journal, cursor)) if journal == self.journal => cursor.as_bytes().to_vec(),
            _ => vec![],
        })
    }

    fn save(&mut self, cursor: &[u8]) -> Result<(), String> {
        let text = format!("{} {}", self.journal, String::from_utf8_lossy(cursor));
        crate::keys::write_private(&self.path, text.as_bytes()).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_for_one_journal() {
        let dir = tempfile::tempdir().unwrap();
        let at = |journal: &str| CursorFile::new(dir.path().join("kafka.cursor"), journal.into());
        assert_eq!(at("a").load().unwrap(), b"");
        at("a").save(b"{\"x\":1}").unwrap();
        assert_eq!(at("a").load().unwrap(), b"{\"x\":1}");
        assert_eq!(at("b").load().unwrap(), b"");
    }
}
