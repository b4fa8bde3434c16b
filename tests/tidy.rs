//! Holds the code to docs/ARCHITECTURE.md: who imports whom, where libraries live, how a module introduces itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const GROUND: [&str; 8] = ["clock", "tenant", "egress", "folders", "telemetry", "operations", "rows", "tls"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The table: module → what it may import (`None`: anything).
fn table() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let text = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let (_, table) = text.split_once("## Who may import whom").expect("the heading");
    let mut rows = BTreeMap::new();
    for line in table.lines().filter(|l| l.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let may = match cells[1] {
            "anything" => None,
            list => Some(list.split_whitespace().map(String::from).collect()),
        };
        rows.insert(cells[0].trim_matches('`').to_string(), may);
    }
    assert!(rows.len() > 15, "the table was not found: {rows:?}");
    rows
}

/// The top-level module of a source file.
fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(root().join("src")).unwrap();
    relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_string()
}

/// Top-level modules named behind `crate::`, outside comments; those in `use crate::{a::…, b::…}` too.
fn imports(text: &str) -> BTreeSet<String> {
    // Tests may use what they like.
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let code: String =
        text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => {
                found.insert(word(rest));
            }
            Some(group) => {
                let (mut depth, mut item) = (0, String::new());
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            found.insert(word(item.trim()));
                            item.clear();
                        }
                        _ => item.push(c),
                    }
                }
                found.insert(word(item.trim()));
            }
        }
    }
    found.remove("");
    found
}

#[test]
fn imports_follow_the_table() {
    let table = table();
    let mut files = vec![];
    sources(&root().join("src"), &mut files);
    let mut wrong = vec![];
    for path in files {
        let module = module_of(&path);
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let Some(may) = table.get(&module) else {
            wrong.push(format!("module `{module}` is not in the table"));
            continue;
        };
        let Some(may) = may else { continue };
        for import in imports(&std::fs::read_to_string(&path).unwrap()) {
            let known = table.contains_key(&import);
            let fine = import == module || may.contains(&import) || GROUND.contains(&import.as_str());
            if known && !fine {
                wrong.push(format!("{} imports `{import}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn libraries_have_one_home() {
    let homes: [(&str, &[&str]); 6] = [
        ("josekit::", &["jose"]),
        ("sled::", &["store"]),
        ("rdkafka::", &["kafka", "demo"]),
        ("reqwest::", &["egress"]),
        ("axum::", &["api", "demo"]),
        ("clap::", &["cli"]),
    ];
    let mut files = vec![];
    sources(&root().join("src"), &mut files);
    let mut wrong = vec![];
    for path in files {
        let module = module_of(&path);
        let text = std::fs::read_to_string(&path).unwrap();
        // Tests may use a library to be the other side.
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_test = name.contains("test") || ["peer.rs", "fixture.rs", "sample.rs"].contains(&name);
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        for (library, home) in homes {
            let named = code.lines().any(|l| !l.trim_start().starts_with("//") && l.contains(library));
            if named && !home.contains(&module.as_str()) && !is_test {
                wrong.push(format!("{} names {library}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_introduces_itself() {
    let mut files = vec![];
    sources(&root().join("src"), &mut files);
    let silent: Vec<_> = files
        .iter()
        .filter(|path| !std::fs::read_to_string(path).unwrap().trim_start().starts_with("//!"))
        .map(|p| p.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no `//!` at the top of: {silent:?}");
}

#[test]
fn one_openssl_and_no_second_tls_stack() {
    let binary = root().join("target/release/ssf-hub");
    let binary = option_env!("CARGO_BIN_EXE_ssf-hub").map_or(binary, PathBuf::from);
    let out = std::process::Command::new("ldd").arg(&binary).output().expect("ldd");
    let text = String::from_utf8_lossy(&out.stdout);
    for library in ["libssl.so", "libcrypto.so"] {
        assert_eq!(text.matches(&format!("{library}.")).count().min(1), 1, "{library}: {text}");
        let distinct: BTreeSet<_> = text.lines().filter(|l| l.trim().starts_with(library)).collect();
        assert_eq!(distinct.len(), 1, "{library}: {text}");
    }
}

#[test]
fn no_path_of_a_machine_and_no_registry_is_named() {
    let out = std::process::Command::new("git").args(["ls-files"]).current_dir(root()).output().expect("git");
    let banned = [
        concat!("/wo", "rk/"),
        concat!("/fa", "rm/"),
        concat!("crates", ".io/"),
        concat!("pypi", ".org"),
        concat!("maven", ".org"),
    ];
    let mut wrong = vec![];
    for file in String::from_utf8_lossy(&out.stdout).lines() {
        // The lock file names its registry by itself.
        if file == "Cargo.lock" {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(root().join(file)) else { continue };
        wrong.extend(banned.iter().filter(|b| text.contains(**b)).map(|b| format!("{file}: {b}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
