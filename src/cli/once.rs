//! A secret that the hub made and that is seen once: on a terminal, or in a new 0600 file. Never in a pipe by accident.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::failure::Failure;

/// Where the secret goes. Made before the hub makes the secret: one that could not be kept would be lost.
pub struct Once(Option<(PathBuf, File)>);

impl Once {
    /// A new file, or the terminal. `option` is how the file is named on the command line.
    pub fn to(file: Option<&Path>, option: &str) -> Result<Self, Failure> {
        match file {
            Some(path) => Ok(Self(Some((path.into(), new_file(path)?)))),
            None if std::io::stdout().is_terminal() => Ok(Self(None)),
            None => {
                let what =
                    format!("standard output is no terminal: name a file for what is new with {option}");
                Err(Failure::Usage(what))
            }
        }
    }

    /// There is no secret: the file, ours and still empty, goes.
    pub fn forget(self) {
        if let Some((path, _)) = self.0 {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Moves the secret from the answer into the file; for the terminal it stays where it is.
    pub fn tell(self, answer: &mut Value, member: &str) -> Result<(), Failure> {
        let Some((_, mut file)) = self.0 else { return Ok(()) };
        let secret = answer.as_object_mut().and_then(|members| members.remove(member));
        let secret = secret.as_ref().and_then(Value::as_str).unwrap_or_default();
        let kept = writeln!(file, "{secret}").and_then(|()| file.sync_all());
        kept.map_err(|e| Failure::Failed(e.into()))
    }
}

fn new_file(path: &Path) -> Result<File, Failure> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|e| Failure::failed(format!("{} cannot be made: {e}", path.display())))
}

/// A length of time: a number and `s`, `m`, `h` or `d`; in seconds.
pub fn duration_s(text: &str) -> Result<i64, String> {
    let bad = || "a number and s, m, h or d, such as 90d".to_string();
    let unit_at = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or_else(bad)?;
    let (number, unit) = text.split_at(unit_at);
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(bad()),
    };
    let number: u32 = number.parse().map_err(|_| bad())?;
    Ok(i64::from(number).saturating_mul(unit_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_new_and_private_and_goes_where_nothing_came() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b");
        let once = Once::to(Some(&path), "--x").unwrap();
        assert!(Once::to(Some(&path), "--x").is_err());
        let mut answer = serde_json::json!({ "id": "1", "bearer": "b-1" });
        once.tell(&mut answer, "bearer").unwrap();
        assert_eq!(answer, serde_json::json!({ "id": "1" }));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "b-1\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let other = dir.path().join("c");
        Once::to(Some(&other), "--x").unwrap().forget();
        assert!(!other.exists());
    }

    #[test]
    fn lengths_of_time() {
        let got = ["90d", "12h", "5m", "30s", "0s"].map(|t| duration_s(t).unwrap());
        assert_eq!(got, [7_776_000, 43_200, 300, 30, 0]);
        for bad in ["", "d", "90", "-1d", "1.5h", "1w", "9ä", "99999999999d"] {
            assert!(duration_s(bad).is_err(), "{bad}");
        }
    }
}
