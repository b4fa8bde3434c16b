//! Who made an object, as `by` says it: who made it may change it.
//!
//! An operator's id, `hub`, `file:NAME` for the configuration file (`file` alone before its name was kept),
//! `apply:SET:OPERATOR`, or `client:ID` for a stream that its receiver made. What a file holds is changed there: the admin
//! API answers 409. What an apply made anybody may change, and owns it then; only the same set prunes it.

use super::command::Refused;

/// The names that no operator has: they would read as an owner of another sort.
pub const RESERVED: [&str; 2] = ["file", "hub"];

/// Whose an object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner<'a> {
    /// The hub itself.
    Hub,
    /// The configuration file of this name, where it is known.
    File(Option<&'a str>),
    /// The set of an apply.
    Apply(&'a str),
    /// The receiver that made its own stream.
    Client(&'a str),
    /// An operator.
    Operator(&'a str),
}

impl<'a> Owner<'a> {
    /// Reads a `by`.
    pub fn of(by: &'a str) -> Self {
        match by.split_once(':') {
            Some(("file", name)) => Self::File(Some(name)),
            Some(("apply", rest)) => Self::Apply(rest.split_once(':').map_or(rest, |(set, _)| set)),
            Some(("client", id)) => Self::Client(id),
            _ if by == "file" => Self::File(None),
            _ if by == "hub" => Self::Hub,
            _ => Self::Operator(by),
        }
    }
}

/// The `by` of what a configuration file holds.
pub fn file(name: &str) -> String {
    format!("file:{name}")
}

/// The `by` of what an operator applied as a set.
pub fn apply(set: &str, operator: &str) -> String {
    format!("apply:{set}:{operator}")
}

/// The `by` of what a receiver made.
pub fn client(id: &str) -> String {
    format!("client:{id}")
}

/// Whether `by` may change or take away an object, given whose it is. What a file holds, only the file may; a client is
/// not told its name.
pub fn may_change(owner: Option<&str>, by: &str) -> Result<(), Refused> {
    match (owner.map(Owner::of), Owner::of(by)) {
        (Some(Owner::File(_)), Owner::File(_) | Owner::Hub) => Ok(()),
        (Some(Owner::File(_)), Owner::Client(_)) => Err(Refused::NotTheClients),
        (Some(Owner::File(name)), _) => Err(Refused::Owned(name.unwrap_or("the configuration file").into())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners() {
        let table = [
            ("admin", Owner::Operator("admin")),
            ("hub", Owner::Hub),
            ("file", Owner::File(None)),
            ("file:a:b.toml", Owner::File(Some("a:b.toml"))),
            ("apply:x:admin", Owner::Apply("x")),
            ("client:crm", Owner::Client("crm")),
        ];
        for (by, want) in table {
            assert_eq!(Owner::of(by), want);
        }
        assert_eq!(Owner::of(&file("/etc/hub.toml")), Owner::File(Some("/etc/hub.toml")));
        assert_eq!(Owner::of(&apply("team-a", "admin")), Owner::Apply("team-a"));
        assert_eq!(Owner::of(&client("crm")), Owner::Client("crm"));
    }

    #[test]
    fn what_a_file_holds_is_changed_there_and_a_client_learns_no_name() {
        let file = Some("file:/etc/hub.toml");
        for by in ["file:/etc/other.toml", "hub"] {
            may_change(file, by).unwrap();
        }
        let refused = may_change(file, "admin").unwrap_err();
        assert!(refused.to_string().contains("/etc/hub.toml"));
        let refused = may_change(file, "client:crm").unwrap_err();
        assert!(matches!(refused, Refused::NotTheClients) && !refused.to_string().contains("hub.toml"));
        for owner in [None, Some("admin"), Some("apply:x:admin"), Some("client:crm")] {
            may_change(owner, "client:crm").unwrap();
        }
    }
}
