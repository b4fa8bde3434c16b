//! The hash chain of each tenant, and the table of heads that every segment begins with.
//!
//! `head' = SHA-256(head ‖ entry header ‖ commitment)`, `head0 = SHA-256("ssf-hub chain v1" ‖ journal id ‖ tenant)`,
//! `commitment = SHA-256(salt ‖ payload)`. An unsigned chain proves nothing to who can write the disk: signing the heads
//! is the hub's business.

use sha2::{Digest as _, Sha256};

use super::entry::{JournalId, Link};
use super::frame::{Frame, Raw};
use super::header::{Fields, crc, put_tenant};
use crate::tenant::{Seq, TenantId};

/// The first bytes under every chain.
const ORIGIN: &[u8] = b"ssf-hub chain v1";

/// Bytes of a table's fixed part.
pub const TABLE_BYTES: usize = 16;
const TABLE_MAGIC: [u8; 4] = *b"SHtb";

/// How far one tenant has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// Whose chain.
    pub tenant: TenantId,
    /// Its last entry, 0 if none.
    pub seq: Seq,
    /// The chain with that entry.
    pub link: Link,
}

impl Head {
    fn origin(journal: &JournalId, tenant: TenantId) -> Self {
        let link = Sha256::new()
            .chain_update(ORIGIN)
            .chain_update(journal.0)
            .chain_update(tenant.as_str().as_bytes())
            .finalize()
            .into();
        Self { tenant, seq: Seq(0), link }
    }

    /// Goes on by one entry: `linked` is its header and commitment as they lie in the frame.
    pub fn advance(&mut self, linked: &[u8]) {
        self.seq = self.seq.next();
        self.link = Sha256::new().chain_update(self.link).chain_update(linked).finalize().into();
    }
}

/// The commitment that the chain keeps of a payload.
pub fn commitment(salt: &[u8], payload: &[u8]) -> Link {
    Sha256::new().chain_update(salt).chain_update(payload).finalize().into()
}

/// The heads of all tenants that have entries, in the order of their names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heads {
    journal: JournalId,
    rows: Vec<Head>,
}

impl Heads {
    /// No tenant has an entry yet.
    pub fn new(journal: JournalId) -> Self {
        Self { journal, rows: Vec::new() }
    }

    /// Where the tenants of another journal stood, in any order.
    pub fn of(journal: JournalId, mut rows: Vec<Head>) -> Self {
        rows.sort_by(|a, b| a.tenant.as_str().cmp(b.tenant.as_str()));
        Self { journal, rows }
    }

    /// All heads.
    pub fn rows(&self) -> &[Head] {
        &self.rows
    }

    fn find(&self, tenant: &str) -> Result<usize, usize> {
        self.rows.binary_search_by(|row| row.tenant.as_str().cmp(tenant))
    }

    /// A tenant's last entry, 0 if none.
    pub fn seq(&self, tenant: &TenantId) -> Seq {
        self.find(tenant.as_str()).map_or(Seq(0), |at| self.rows[at].seq)
    }

    /// A tenant's head, at its origin if it is new.
    pub fn row_mut(&mut self, tenant: &TenantId) -> &mut Head {
        let at = self.find(tenant.as_str()).unwrap_or_else(|at| {
            self.rows.insert(at, Head::origin(&self.journal, tenant.clone()));
            at
        });
        &mut self.rows[at]
    }

    fn named_mut(&mut self, tenant: &str) -> Result<&mut Head, &'static str> {
        match self.find(tenant) {
            Ok(at) => Ok(&mut self.rows[at]),
            Err(_) => Ok(self.row_mut(&TenantId::parse(tenant).map_err(|_| "not a tenant's name")?)),
        }
    }

    /// Goes on by a whole batch; `each` sees every entry with the head that it led to.
    pub fn fold(
        &mut self,
        frame: &Frame<'_>,
        mut each: impl FnMut(&Raw<'_>, &Head),
    ) -> Result<(), &'static str> {
        for raw in &frame.entries {
            let head = self.named_mut(raw.tenant)?;
            if raw.seq != head.seq.next() {
                return Err("a sequence number out of order");
            }
            head.advance(raw.linked);
            each(raw, head);
        }
        Ok(())
    }

    /// Bytes that the table takes.
    pub fn table_bytes(&self) -> usize {
        let rows: usize = self.rows.iter().map(|row| 1 + row.tenant.as_str().len() + 8 + 32).sum();
        TABLE_BYTES + rows
    }

    /// Writes the table as `frame` documents it.
    pub fn write_table(&self, out: &mut Vec<u8>) {
        let mut rows = Vec::new();
        for row in &self.rows {
            put_tenant(&mut rows, &row.tenant);
            rows.extend_from_slice(&row.seq.0.to_be_bytes());
            rows.extend_from_slice(&row.link);
        }
        put_table(out, &self.journal, self.rows.len(), &rows);
    }

    /// Reads a table back: the heads, and the bytes it took.
    pub fn read_table(journal: &JournalId, bytes: &[u8]) -> Result<(Self, usize), &'static str> {
        let (count, rows) = table(journal, bytes)?;
        let mut fields = Fields(rows);
        let mut heads = Self::new(*journal);
        for _ in 0..count {
            let row = Self::read_row(&mut fields).ok_or("a head that cannot be read")?;
            if heads.rows.last().is_some_and(|last| last.tenant >= row.tenant) {
                return Err("heads out of order");
            }
            heads.rows.push(row);
        }
        if fields.0.is_empty() {
            Ok((heads, TABLE_BYTES + rows.len()))
        } else {
            Err("bytes behind the heads")
        }
    }

    fn read_row(fields: &mut Fields<'_>) -> Option<Head> {
        let tenant = TenantId::parse(fields.name()?).ok()?;
        Some(Head { tenant, seq: Seq(fields.u64()?), link: *fields.array()? })
    }
}

/// Writes a table of heads.
fn put_table(out: &mut Vec<u8>, journal: &JournalId, count: usize, rows: &[u8]) {
    let mut fixed = [0u8; 12];
    fixed[..4].copy_from_slice(&TABLE_MAGIC);
    // The table lies in a `.log`, which is far smaller than 4 GiB.
    fixed[4..8].copy_from_slice(&(count as u32).to_be_bytes());
    fixed[8..].copy_from_slice(&(rows.len() as u32).to_be_bytes());
    out.extend_from_slice(&fixed);
    out.extend_from_slice(&crc([&journal.0, &fixed, rows]).to_be_bytes());
    out.extend_from_slice(rows);
}

/// Reads a table: the number of rows, and their bytes.
fn table<'a>(journal: &JournalId, bytes: &'a [u8]) -> Result<(u32, &'a [u8]), &'static str> {
    let mut fields = Fields(bytes);
    let mut read = || {
        let magic = fields.array::<4>()?;
        let (count, len, sum) = (fields.u32()?, fields.length()?, fields.u32()?);
        let rows = fields.bytes(len)?;
        (*magic == TABLE_MAGIC && crc([&journal.0, &bytes[..12], rows]) == sum).then_some((count, rows))
    };
    read().ok_or("the table of heads is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_back_and_no_other() {
        let journal = JournalId([9; 16]);
        let mut heads = Heads::new(journal);
        for (tenant, entries) in [("b", 2), ("a", 1), ("_hub", 3)] {
            let tenant = TenantId::parse(tenant).unwrap();
            (0..entries).for_each(|_| heads.row_mut(&tenant).advance(b"entry"));
        }
        let mut bytes = Vec::new();
        heads.write_table(&mut bytes);
        assert_eq!(bytes.len(), heads.table_bytes());
        bytes.extend_from_slice(&[0; 9]);
        let (back, used) = Heads::read_table(&journal, &bytes).unwrap();
        assert_eq!((&back, used), (&heads, bytes.len() - 9));
        assert!(Heads::read_table(&JournalId([8; 16]), &bytes).is_err(), "bound to its journal");
        for at in 0..used {
            bytes[at] ^= 0x40;
            assert!(Heads::read_table(&journal, &bytes).is_err(), "byte {at}");
            bytes[at] ^= 0x40;
        }
    }

    #[test]
    fn the_chain_is_what_its_documentation_says() {
        let (journal, tenant) = (JournalId([1; 16]), TenantId::parse("t").unwrap());
        let sha = |parts: &[&[u8]]| -> Link { Sha256::digest(parts.concat()).into() };
        let mut head = Head::origin(&journal, tenant);
        assert_eq!(head.link, sha(&[b"ssf-hub chain v1", &[1; 16], b"t"]));
        let origin = head.link;
        head.advance(b"header+commitment");
        assert_eq!((head.seq, head.link), (Seq(1), sha(&[&origin, b"header+commitment"])));
        assert_eq!(commitment(b"salt", b"payload"), sha(&[b"saltpayload"]));
    }
}
