//! NGINX as an enforcement point, with the very recipe that operators get: `deploy/nginx/ssf-hub.conf`, only its
//! `CHANGE` lines filled in.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::{install, leash::Leash};

/// A running NGINX; ends when dropped.
pub struct Nginx {
    leash: Leash, // first: the server ends before its folder goes
    listen: SocketAddr,
    _folder: TempDir,
}

impl Nginx {
    /// Listens on `listen`, asks the hub at `hub` as the point with `point_secret`, and passes on to `upstream`.
    pub async fn start(
        hub: SocketAddr,
        listen: SocketAddr,
        upstream: SocketAddr,
        point_secret: &str,
    ) -> Self {
        let folder = tempfile::Builder::new()
            .permissions(PermissionsExt::from_mode(0o755)) // started as root, its worker is not
            .tempdir()
            .expect("a folder for NGINX");
        let read = |path: &str| std::fs::read_to_string(install::repository().join(path)).expect(path);
        let recipe = filled(
            &read("deploy/nginx/ssf-hub.conf"),
            &[
                ("127.0.0.1:8480;", format!("{hub};")),
                ("127.0.0.1:9000;", format!("{upstream};")),
                ("127.0.0.1:8000;", format!("{listen};")),
                ("Bearer CHANGE-ME", format!("Bearer {point_secret}")),
            ],
        );
        std::fs::write(folder.path().join("ssf-hub.conf"), recipe).expect("the recipe");
        std::fs::write(folder.path().join("nginx.conf"), read("tests/parts/nginx/nginx.conf.in"))
            .expect("the frame");
        let prefix = folder.path().to_str().expect("a folder for NGINX");
        let mut leash =
            Leash::start(&["nginx", "-p", prefix, "-c", "nginx.conf"], &folder.path().join("nginx.log"));
        leash.serves(listen, 60).await;
        Self { leash, listen, _folder: folder }
    }

    /// `http://ADDRESS:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }
}

/// The recipe with each change made; each place must be there exactly once, or recipe and harness have parted.
fn filled(recipe: &str, changes: &[(&str, String)]) -> String {
    changes.iter().fold(recipe.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "`{from}` in deploy/nginx/ssf-hub.conf");
        text.replace(from, to)
    })
}
