//! When power, disk or clock fail: nothing that was acknowledged is lost, and what is denied stays denied.
//!
//! - [`process`]: the real binary, started with a file, killed by its id
//! - [`load`]: who sends, and who takes
//! - [`sigkill`]: fifty kills at random moments
//! - [`full`], [`leap`]: a disk without room, a clock that jumps
//! - [`mirror`], [`damage`]: what may lie in the mirror; a flipped byte in the journal
//! - [`end`]: SIGTERM, starts that are refused, the admin credential
//! - [`beside`]: bases and `journal verify` beside a running hub

mod beside;
mod damage;
mod end;
mod full;
mod leap;
mod load;
pub mod mirror;
pub mod process;
mod sigkill;
