//! Directories that only the hub may enter, and that a loss of power does not take back.
//!
//! A new directory is a name in the one above: that one is flushed too, or what was written into the new one and flushed
//! there could be gone with it. Used wherever the hub keeps files; never removes anything.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// Makes a directory, and those above it that are missing, each for us alone; what is there already stays as it is. The
/// names are durable once this returns.
pub fn make(dir: &Path) -> io::Result<()> {
    make_with(dir, &mut flush)
}

/// The same for one that only we may enter, whoever made it.
pub fn private(dir: &Path) -> io::Result<()> {
    make(dir)?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
}

/// Makes the names in a directory durable.
pub fn flush(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn make_with(dir: &Path, flush: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = match dir.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    make_with(above, flush)?;
    match DirBuilder::new().mode(0o700).create(dir) {
        // Another thread was faster: it may not have flushed yet.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        made => made?,
    }
    flush(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_new_name_is_flushed_where_it_stands() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let flushed = |dir: &Path| {
            let mut flushed = vec![];
            make_with(dir, &mut |above| {
                flushed.push(above.to_path_buf());
                Ok(())
            })
            .unwrap();
            flushed
        };
        assert_eq!(
            flushed(&at("data/keys/t/acme")),
            [root.path().into(), at("data"), at("data/keys"), at("data/keys/t")]
        );
        assert_eq!(flushed(&at("data/keys/t/other")), [at("data/keys/t")]);
        assert!(flushed(&at("data/keys/t/acme")).is_empty(), "nothing new");
        assert!(flushed(Path::new("src")).is_empty(), "a path that begins here");

        // What could not be flushed is an error; what is in the way as well.
        assert!(make_with(&at("x/y"), &mut |_| Err(io::ErrorKind::Other.into())).is_err());
        std::fs::write(at("file"), b"").unwrap();
        assert!(private(&at("file")).is_err() && private(&at("file/below")).is_err());
    }

    #[test]
    fn only_we_may_enter() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        private(&dir).unwrap();
        let mode = |dir: &Path| std::fs::metadata(dir).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(dir.parent().unwrap())), (0o700, 0o700));
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        private(&dir).unwrap();
        assert_eq!(mode(&dir), 0o700);
    }
}
