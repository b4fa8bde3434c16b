//! The command line: `ssf-hub [--config FILE] [--json] COMMAND`.
//!
//! Stands beside the flow: `serve` and `demo` start a hub; `check-config`, `journal verify` and `store
//! rebuild` work on files; everything else asks the running hub's admin API on this machine, with the
//! credential in the data directory. Answers go to standard output, everything else to standard error. Exit
//! status: 0 done, 1 refused or failed, 2 wrong usage or configuration, 3 a dry run found a difference. One file per command, each thin.
//!
//! - [`admin_client`]: one call to the admin API
//! - [`once`]: what is seen once
//! - [`print`]: answers as tables for people, or JSON
//! - [`failure`]: what ends a command early

pub mod account;
pub mod admin_client;
pub mod apply;
pub mod attempts;
pub mod backup;
pub mod base;
pub mod bearer;
pub mod check_config;
pub mod clock;
pub mod conformance;
pub mod dead_letters;
pub mod demo;
pub mod emit;
pub mod failure;
pub mod journal;
pub mod keys;
pub mod kill;
pub mod list;
pub mod once;
pub mod print;
pub mod put;
pub mod remove;
pub mod restore;
pub mod secret;
pub mod serve;
pub mod status;
pub mod store;
pub mod stream;
pub mod token;
pub mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{Config, environment};
use crate::hub::object::ObjectKind;
use crate::tenant::TenantId;
use failure::Failure;
use print::Printer;

/// A Shared Signals hub: signals in, lineage, revocations and signals out.
#[derive(Debug, Parser)]
#[command(name = "ssf-hub", version, about)]
pub struct Cli {
    /// Configuration file (TOML); what it does not name has its default.
    #[arg(long, global = true, value_name = "FILE", env = "SSF_HUB_CONFIG")]
    pub config: Option<PathBuf>,
    /// Answer in JSON, for machines.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the hub.
    Serve,
    /// Tell the whole story on loopback: one logout, and who was told after how many milliseconds.
    Demo(demo::Args),
    /// Say what is wrong with the configuration, all at once, without starting.
    CheckConfig,
    /// Look at the journal's files.
    #[command(subcommand)]
    Journal(journal::Command),
    /// Write a base now.
    Base,
    /// Copy the running hub into a new directory: journal, base and keys, signed.
    Backup(backup::Args),
    /// Make a data directory of a backup, under a new journal id; the hub must not be running.
    Restore(restore::Args),
    /// Look after the mirror of the state.
    #[command(subcommand)]
    Store(store::Command),
    /// Say what led to a decision or an entry.
    Why(why::Args),
    /// Stop a principal, a run, a token until it is lifted.
    Kill(kill::Args),
    /// Take a kill back: tokens from before stay dead, new ones pass.
    Lift(kill::Args),
    /// Say something to the streams that want it; it stops nobody.
    Emit(emit::Args),
    /// Show whether an account has opted out of RISC events.
    Account(account::Args),
    /// Make or change an object from a file (JSON or TOML; `-` is standard input).
    Put(put::Args),
    /// Apply objects from files, and print what differs.
    Apply(apply::Args),
    /// List the objects of a kind.
    List(list::Args),
    /// Take an object away.
    Remove(remove::Args),
    /// Look after the bearers of operators, upstreams, clients and points.
    #[command(subcommand)]
    Bearer(bearer::Command),
    /// Look after client secrets.
    #[command(subcommand)]
    Secret(secret::Command),
    /// Look after long-lived tokens of receivers.
    #[command(subcommand)]
    Token(token::Command),
    /// Look after signing keys and the seal on key files.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Show the last attempts to push to a stream, or answers to its polls.
    Attempts(attempts::Args),
    /// Look at what could not be delivered, send it again, throw it away.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// Test whether an SSF transmitter keeps to the specifications.
    #[command(subcommand)]
    Conformance(conformance::Command),
    /// Look after one stream.
    #[command(subcommand)]
    Stream(stream::Command),
    /// Look after the wall clock.
    #[command(subcommand)]
    Clock(clock::Command),
    /// How the hub is.
    Status(status::Options),
}

/// Whose objects a command is about.
#[derive(Debug, clap::Args)]
pub struct TenantArg {
    /// The tenant.
    #[arg(long, default_value = crate::tenant::DEFAULT, value_parser = tenant)]
    pub tenant: TenantId,
}

fn tenant(text: &str) -> Result<TenantId, String> {
    TenantId::parse(text).map_err(|e| e.to_string())
}

/// A collection by its name in the admin API, or by its singular: `upstreams`, `upstream`.
pub fn kind(text: &str) -> Result<ObjectKind, String> {
    let found = ObjectKind::of_collection(text).or_else(|| ObjectKind::of_collection(&format!("{text}s")));
    found.ok_or_else(|| {
        "one of: tenants, operators, upstreams, token-issuers, streams, clients, points, authorization-servers".into()
    })
}

/// The path of a collection. Tenants and operators belong to the hub itself.
pub fn collection_path(kind: ObjectKind, tenant: &TenantId) -> String {
    let tenant = if kind.in_hub() { TenantId::hub() } else { tenant.clone() };
    format!("/admin/v1/t/{tenant}/{}", kind.collection())
}

/// Reads the process's arguments and does what they say.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer { json: cli.json };
    match run(cli, &printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli, printer: &Printer) -> Result<(), Failure> {
    let Some(command) = cli.command else {
        return Err(Failure::Usage(Cli::command().render_help().to_string()));
    };
    if let Command::Conformance(command) = &command {
        // Another's transmitter is tested: what this hub is configured to be has no say in it.
        return conformance::run(command, printer);
    }
    let config = Config::load(cli.config.as_deref(), environment());
    if let Command::CheckConfig = command {
        return check_config::run(config, printer);
    }
    let config = config?;
    match command {
        Command::Serve => serve::run(config),
        Command::Demo(args) => demo::run(config, &args, printer),
        Command::CheckConfig | Command::Conformance(_) => Ok(()),
        Command::Journal(command) => journal::run(config, command, printer),
        Command::Base => base::run(&config, printer),
        Command::Backup(args) => backup::run(&config, &args, printer),
        Command::Restore(args) => restore::run(config, args, printer),
        Command::Store(command) => store::run(config, command, printer),
        Command::Why(args) => why::run(&config, &args, printer),
        Command::Kill(args) => kill::run(&config, "kill", &args, printer),
        Command::Lift(args) => kill::run(&config, "lift", &args, printer),
        Command::Emit(args) => emit::run(&config, &args, printer),
        Command::Account(args) => account::run(&config, &args, printer),
        Command::Put(args) => put::run(&config, &args, printer),
        Command::Apply(args) => apply::run(&config, &args, printer),
        Command::List(args) => list::run(&config, &args, printer),
        Command::Remove(args) => remove::run(&config, &args, printer),
        Command::Bearer(command) => bearer::run(&config, &command, printer),
        Command::Secret(command) => secret::run(&config, &command, printer),
        Command::Token(command) => token::run(&config, &command, printer),
        Command::Keys(command) => keys::run(&config, &command, printer),
        Command::Attempts(args) => attempts::run(&config, &args, printer),
        Command::DeadLetters(command) => dead_letters::run(&config, &command, printer),
        Command::Stream(command) => stream::run(&config, &command, printer),
        Command::Clock(command) => clock::run(&config, &command, printer),
        Command::Status(options) => status::run(&config, printer, &options),
    }
}

/// Runs a future to its end on a runtime of its own. Hub and demo need threads, a call to the admin API does
/// not.
fn block_on<T>(threads: bool, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut builder = if threads {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = builder.enable_all().build().map_err(|e| Failure::Failed(e.into()))?;
    let came = runtime.block_on(future);
    // What still runs is of no use to anybody: a start that was given up.
    runtime.shutdown_background();
    came
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lines_that_are_taken_and_lines_that_are_not() {
        let good = [
            "serve",
            "--config x.toml serve",
            "serve --config x.toml",
            "demo --once --json",
            "check-config --json",
            "journal verify --data-dir d",
            "base",
            "backup d",
            "restore d --data-dir e --audit-kid k",
            "store rebuild",
            "why default:42",
            "kill run r-1 --iss https://i.example --reason test",
            "lift agent a-1 --reason done --tenant acme",
            "emit session-revoked --subject format=email email=a@b.example --reason-admin test --tenant acme",
            "account --subject format=email email=a@b.example --tenant acme",
            "put upstreams - --tenant acme",
            "put client c.json --new-bearer --bearer-file c.bearer",
            "apply -f d --dry-run",
            "apply -f a.toml -f b.json --prune --set team-a",
            "list token-issuer",
            "remove points nginx",
            "dead-letters list --tenant acme",
            "token new saas --expires 90d --id t-1 --scope ssf.read --scope ssf.manage --token-file t",
            "token revoke saas t-1 --tenant acme",
            "token revoke-all saas",
            "secret new saas --overlap 1d --secret-file s",
            "bearer new upstream keycloak --overlap 1d --bearer-file b --tenant acme",
            "bearer new operators admin",
            "list authorization-servers",
            "keys list",
            "keys rotate acme --alg EdDSA",
            "keys revoke acme -kid_with-hyphens",
            "keys reseal",
            "dead-letters list --stream s --reason http_400 --before 1.2.3 --limit 5",
            "dead-letters redrive --all --tenant acme",
            "dead-letters redrive --jti j --stream s",
            "dead-letters discard --reason timeout",
            "attempts crm --tenant acme",
            "clock accept",
            "conformance table",
            "conformance transmitter --issuer https://tx.example/t/a --token t --only SSF-TX-* --silence-s 0.5",
            "conformance transmitter --issuer https://tx.example --client-id c --client-secret s --profile caep-interop",
            "status",
            "",
        ];
        for line in good {
            let args = std::iter::once("ssf-hub").chain(line.split_whitespace());
            assert!(Cli::try_parse_from(args).is_ok(), "{line}");
        }
        let bad = [
            "nonsense",
            "kill run r-1",
            "kill run --reason x",
            "kill run r-1 --reason x --tenant A",
            "emit session-revoked",
            "account",
            "put robots x.json",
            "put upstreams",
            "put clients c.json --bearer-file x",
            "apply",
            "apply -f d --set a:b",
            "remove points ../x",
            "why ../../x",
            "token new saas",
            "token new saas --expires soon",
            "token new saas --expires 1d --scope admin",
            "token revoke saas",
            "bearer new streams crm",
            "bearer new clients",
            "bearer new clients c --overlap 1w",
            "journal",
            "keys rotate",
            "keys rotate acme --alg HS256",
            "keys revoke acme ../x",
            "backup",
            "restore",
            "dead-letters redrive",
            "dead-letters redrive --all --jti j",
            "attempts ../x",
            "conformance transmitter --issuer https://tx.example",
            "conformance transmitter --issuer https://tx.example --client-id c",
            "conformance transmitter --issuer https://tx.example --token t --push-url https://rx.example",
            "conformance transmitter --issuer https://tx.example --token t --silence-s -1",
        ];
        for line in bad {
            let args = std::iter::once("ssf-hub").chain(line.split_whitespace());
            assert_eq!(Cli::try_parse_from(args).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn objects_of_the_hub_have_its_path() {
        let acme = TenantId::parse("acme").unwrap();
        assert_eq!(collection_path(ObjectKind::Upstream, &acme), "/admin/v1/t/acme/upstreams");
        assert_eq!(collection_path(ObjectKind::Tenant, &acme), "/admin/v1/t/_hub/tenants");
        assert_eq!(kind("token-issuer"), Ok(ObjectKind::TokenIssuer));
    }

    #[test]
    fn check_config_says_whose_fault_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.toml");
        let status = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let line = ["ssf-hub", "--json", "check-config", "--config", path.to_str().unwrap()];
            let cli = Cli::try_parse_from(line).unwrap();
            run(cli, &Printer { json: true }).map_or_else(|f| f.status(), |()| 0)
        };
        assert_eq!((status("data_dir = 'x'"), status("data_dirs = 'x'"), status("nonsense")), (0, 2, 2));
        // No admin credential there: refused, not a usage error.
        std::fs::write(&path, format!("data_dir = '{}'", dir.path().display())).unwrap();
        let cli = Cli::try_parse_from(["ssf-hub", "status", "--config", path.to_str().unwrap()]).unwrap();
        let failure = run(cli, &Printer { json: false }).unwrap_err();
        assert!(failure.status() == 1 && failure.to_string().contains("admin.credential"), "{failure}");
        let none = Cli::try_parse_from(["ssf-hub"]).unwrap();
        assert_eq!(run(none, &Printer { json: false }).unwrap_err().status(), 2);
    }
}
