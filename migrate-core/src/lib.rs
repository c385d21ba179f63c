//! The pure part of migrate: values in, values out.
//!
//! A directory becomes a [`Registry`](registry::Registry) of [`Migration`](migration::Migration)s; what a database holds
//! becomes a [`Snapshot`](ledger::Snapshot); the two together give an [`Assessment`](compat::Assessment) and a
//! [`Plan`](plan::Plan), or, for what an operator says of the ledger, an
//! [`Amendment`](amend::Amendment). Nothing here reads a clock, the environment, a network or a database, and only the modules
//! `source` (feature `source`) and [`stale`] read a disk.
//!
//! Programs use `migrate-runtime`, which re-exports what they need of this crate.

pub mod amend;
pub mod checksum;
pub mod compat;
pub mod digest;
pub mod duration;
#[doc(hidden)]
pub mod embedded;
pub mod fingerprint;
pub mod health;
pub mod instances;
mod interrupted;
pub mod ledger;
pub mod migration;
pub mod plan;
pub mod registry;
pub mod replaced;
pub mod rollback;
pub mod size;
pub mod sql;
pub mod stale;
pub mod version;

#[cfg(feature = "source")]
pub mod diagnostic;
#[cfg(feature = "source")]
pub mod lockfile;
#[cfg(feature = "source")]
pub mod metadata;
#[cfg(feature = "source")]
pub mod name;
#[cfg(feature = "source")]
pub mod source;

#[cfg(feature = "authoring")]
pub mod fix;
#[cfg(feature = "authoring")]
pub mod squash;
#[cfg(feature = "authoring")]
pub mod template;

#[cfg(test)]
mod testing;
