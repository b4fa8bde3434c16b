//! How rows lie in the tree: small values whole, larger ones in pieces, long keys shortened.
//!
//! sled writes a page of more than 128 KiB to a file of its own, without ever syncing it. A leaf holds up to 17 items,
//! so none may be larger than 7 KiB; an inner page up to 257 keys, so none may be longer than 500 bytes.
//!
//! | key in the tree | value in the tree |
//! |---|---|
//! | `0x00` `format` | format version u16 |
//! | `0x00` `cursor` | the caller's cursor |
//! | `0x01` short key | `0x00` ‖ the row's value, or `0x01` ‖ number of pieces u32; before it, where the short key is not the row's key: key length u16 ‖ row key |
//! | `0x02` key length u16 ‖ short key ‖ piece number u32 | one piece |
//!
//! The short key is the row's key up to 256 bytes; of a longer one its first 225 bytes and its SHA-256.
//! Integers are big-endian. Pieces of one key are neighbours, and no other key's pieces can lie among them.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

/// Longest value that lies in one item, in bytes.
pub const VALUE_BYTES: usize = 4 << 10;
/// Longest row key, in bytes.
pub const KEY_BYTES: usize = 1 << 10;
/// Longest row key that is its own short key, in bytes.
const PLAIN_KEY_BYTES: usize = 256;
/// What a short key keeps of a longer one: with the hash it is longer than any plain key, so that none is another's.
const KEPT_BYTES: usize = PLAIN_KEY_BYTES + 1 - 32;
/// The version of this layout.
pub const FORMAT: u16 = 1;

/// Key of the format version.
pub const FORMAT_KEY: &[u8] = b"\0format";
/// Key of the cursor.
pub const CURSOR_KEY: &[u8] = b"\0cursor";
/// The space of rows.
pub const ROWS: u8 = 1;
/// The space of pieces.
pub const PIECES: u8 = 2;

const WHOLE: u8 = 0;
const IN_PIECES: u8 = 1;

/// A row's short key.
pub fn short(key: &[u8]) -> Cow<'_, [u8]> {
    if key.len() <= PLAIN_KEY_BYTES {
        return key.into();
    }
    [&key[..KEPT_BYTES], &Sha256::digest(key)[..]].concat().into()
}

/// The item of a row, under its short key.
pub fn row_item(short: &[u8], key: &[u8], stored: Stored<'_>) -> (Vec<u8>, Vec<u8>) {
    let mut item = Vec::new();
    if short.len() > PLAIN_KEY_BYTES {
        item.extend_from_slice(&(key.len() as u16).to_be_bytes());
        item.extend_from_slice(key);
    }
    item.extend_from_slice(&stored.encode());
    (row_key(short), item)
}

/// The row's key and what is stored, out of an item.
pub fn split_row_item<'a>(at: &'a [u8], item: &'a [u8]) -> Option<(&'a [u8], Stored<'a>)> {
    let short = at.strip_prefix(&[ROWS])?;
    if short.len() <= PLAIN_KEY_BYTES {
        return Some((short, Stored::decode(item)?));
    }
    let (len, rest) = item.split_first_chunk()?;
    let (key, stored) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
    Some((key, Stored::decode(stored)?))
}

/// Where a row lies.
pub fn row_key(short: &[u8]) -> Vec<u8> {
    [&[ROWS], short].concat()
}

/// Where a piece lies.
pub fn piece_key(short: &[u8], piece: u32) -> Vec<u8> {
    let len = (short.len() as u16).to_be_bytes();
    [&[PIECES], &len[..], short, &piece.to_be_bytes()].concat()
}

/// The short key and the number that a piece's key holds.
pub fn split_piece_key(at: &[u8]) -> Option<(&[u8], u32)> {
    let (len, rest) = at.strip_prefix(&[PIECES])?.split_first_chunk()?;
    let (key, number) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
    Some((key, u32::from_be_bytes(number.try_into().ok()?)))
}

/// What lies under a row's key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored<'a> {
    /// The value.
    Whole(&'a [u8]),
    /// So many pieces.
    Pieces(u32),
}

impl<'a> Stored<'a> {
    /// How a value is to lie.
    pub fn of(value: &'a [u8]) -> Self {
        if value.len() <= VALUE_BYTES {
            return Self::Whole(value);
        }
        // A row of 16 TiB does not fit memory.
        Self::Pieces(value.len().div_ceil(VALUE_BYTES) as u32)
    }

    /// The item's value.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Whole(value) => [&[WHOLE], *value].concat(),
            Self::Pieces(pieces) => [&[IN_PIECES], &pieces.to_be_bytes()[..]].concat(),
        }
    }

    /// Reads an item's value.
    pub fn decode(item: &'a [u8]) -> Option<Self> {
        match item.split_first()? {
            (&WHOLE, value) => Some(Self::Whole(value)),
            (&IN_PIECES, pieces) => Some(Self::Pieces(u32::from_be_bytes(pieces.try_into().ok()?))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        for len in [0, 1, VALUE_BYTES, VALUE_BYTES + 1, 3 * VALUE_BYTES] {
            let value = vec![7; len];
            let stored = Stored::of(&value);
            assert_eq!(Stored::decode(&stored.encode()), Some(stored), "{len}");
            assert!(stored.encode().len() <= VALUE_BYTES + 1);
        }
        assert_eq!(Stored::of(&[0; 3 * VALUE_BYTES]), Stored::Pieces(3));
        assert_eq!(Stored::of(&[0; 3 * VALUE_BYTES + 1]), Stored::Pieces(4));
        for len in [0, 1, PLAIN_KEY_BYTES, PLAIN_KEY_BYTES + 1, KEY_BYTES] {
            let key = vec![0xff; len];
            let short = short(&key);
            let (at, item) = row_item(&short, &key, Stored::Whole(b"v"));
            assert_eq!(split_row_item(&at, &item), Some((&key[..], Stored::Whole(b"v"))), "{len}");
            assert_eq!(split_piece_key(&piece_key(&short, 258)), Some((&*short, 258)));
            assert!(at.len() <= PLAIN_KEY_BYTES + 2);
        }
        // No key, however chosen, has the short key of another.
        let long = vec![7; KEY_BYTES];
        assert_ne!(short(&short(&long)), short(&long));
        for bad in [&b""[..], b"\x02", b"\x02\0\x05abc", b"\x01\0\0\0\0\0\x01"] {
            assert_eq!(split_piece_key(bad), None, "{bad:?}");
        }
        assert_eq!(Stored::decode(b"\x01\0"), None);
    }
}
