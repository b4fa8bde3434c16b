//! Which keys of a principal a decision is written under: those of its role, and no wider.
//!
//! In the flow: used by `conclude`, `lift` and `late`. The hashes come with the names, computed before the entry was
//! written; nothing is hashed here.

use crate::lineage::affected::Affected;
use crate::lineage::alias::Alias;
use crate::lineage::keyed::{KeyHash, Named};
use crate::lineage::subject::{Facet, Resolved};
use crate::revocation::key::{Kind, kinds_of};

/// Whom a decision is about: what was said, and what the graph made of it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The names in the subject, with their roles (`lineage::subject::facets`).
    pub facets: &'a [(Facet, Alias)],
    /// Their keyed hashes; more names do no harm.
    pub names: &'a [Named],
    /// Whom they name.
    pub resolved: &'a Resolved,
}

impl Subject<'_> {
    /// The role under whose keys the records stand. A subject that narrows an agent, a workload or a tool to
    /// one person must not stop it for everybody: the record stands on the person.
    pub fn role(&self) -> Facet {
        let role = self.resolved.role();
        let user = self.facets.iter().any(|(facet, _)| *facet == Facet::User);
        match role {
            Facet::Agent | Facet::Workload | Facet::Tool if user => Facet::User,
            role => role,
        }
    }

    /// The keys of whom the decision is about. `wide`: also where a run acts on the person's behalf.
    /// `own`: only under the names in the subject, not under others of the same principal.
    pub fn keys(&self, affected: &Affected, wide: bool, own: bool) -> Vec<(Kind, KeyHash)> {
        let role = self.role();
        let narrowed = role != self.resolved.role();
        let aim = if narrowed { Facet::User } else { self.resolved.aim };
        let said = self.facets.iter().filter(|(facet, _)| *facet == aim).map(|(_, alias)| alias);
        let mut out = vec![];
        for alias in said {
            if let Some(named) = self.names.iter().find(|named| named.alias == *alias) {
                push(&mut out, role, named, wide && !narrowed);
            }
        }
        if !own && !narrowed {
            for named in affected.starts.iter().flat_map(|start| &start.names) {
                push(&mut out, role, named, wide);
            }
        }
        out
    }

    /// Every key under which any decision may have been written about him, whatever he was taken for at the time: what
    /// a lift looks under. The basis of what it finds protects the rest.
    pub fn every_key(&self, affected: &Affected) -> Vec<(Kind, KeyHash)> {
        let narrowed = self.role() != self.resolved.role();
        let aim = if narrowed { Facet::User } else { self.resolved.aim };
        // While the device was not known, the session on it was stopped in its place.
        let meant = |facet: Facet| facet == aim || (aim == Facet::Device && facet == Facet::Session);
        let said = self.facets.iter().filter(|(facet, _)| meant(*facet)).map(|(_, alias)| alias);
        let mut out = vec![];
        let said = said.filter_map(|alias| self.names.iter().find(|named| named.alias == *alias));
        let starts = affected.starts.iter().filter(|_| !narrowed).flat_map(|start| &start.names);
        for named in said.chain(starts) {
            for (kind, key) in kinds_of(&named.alias).iter().zip(&named.hashes) {
                if !out.contains(&(*kind, *key)) {
                    out.push((*kind, *key));
                }
            }
        }
        out
    }
}

fn push(out: &mut Vec<(Kind, KeyHash)>, role: Facet, named: &Named, wide: bool) {
    for (kind, key) in kinds_of(&named.alias).iter().zip(&named.hashes) {
        if is_of(role, *kind, &named.alias.kind, wide) && !out.contains(&(*kind, *key)) {
            out.push((*kind, *key));
        }
    }
}

/// Whether a principal in `role` is held under keys of `kind`.
pub(super) fn is_of(role: Facet, kind: Kind, alias_kind: &str, wide: bool) -> bool {
    match role {
        Facet::Token => kind == Kind::Jti,
        Facet::Run => matches!(kind, Kind::Run | Kind::RootRun),
        Facet::Session => kind == Kind::Session,
        Facet::Device => false,
        Facet::Agent | Facet::Workload => {
            matches!(kind, Kind::Agent | Kind::Client | Kind::Workload | Kind::Cnf)
        }
        Facet::Tool => kind == Kind::Tool,
        Facet::User => kind == Kind::User || (wide && matches!(kind, Kind::OnBehalfOf | Kind::Cnf)),
        // Nobody knows what it is: under every key that such a name can be held under, but an opaque id is
        // read as a session or a user, never as an agent.
        Facet::Plain => match kind {
            Kind::OnBehalfOf => wide,
            Kind::Agent => alias_kind != "iss_sub" || wide,
            _ => true,
        },
    }
}

/// A run's keys: `root_run` too where no run spawned it.
pub fn of_run(name: &Named, root: bool) -> impl Iterator<Item = (Kind, KeyHash)> + '_ {
    let pairs = kinds_of(&name.alias).iter().copied().zip(name.hashes.iter().copied());
    pairs.filter(move |(kind, _)| *kind == Kind::Run || (root && *kind == Kind::RootRun))
}

/// Keys of `kind` among names.
pub fn of_kind(names: &[Named], want: Kind) -> impl Iterator<Item = (Kind, KeyHash)> + '_ {
    let pairs = |named: &Named| -> Vec<(Kind, KeyHash)> {
        kinds_of(&named.alias).iter().copied().zip(named.hashes.iter().copied()).collect()
    };
    names.iter().flat_map(pairs).filter(move |(kind, _)| *kind == want)
}
