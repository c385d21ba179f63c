//! What the tests of this workspace share: PostgreSQL servers of their own, poolers, a proxy that counts round trips, small
//! disks, migrations directories written as one string, and a way to run programs.
//!
//! ```
//! let database = testkit::postgres::Server::shared().database();
//! database.psql("CREATE TABLE users (id integer)");
//! assert_eq!(database.psql("SELECT count(*) FROM users"), "0");
//! ```
//!
//! Everything here blocks and panics with a sentence when the machine does not do what a test needs. Nothing is skipped:
//! a machine without PostgreSQL fails the tests and is told what to install.

pub mod certificates;
pub mod diagnostics;
pub mod disk;
pub mod migrations;
pub mod pgbouncer;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod random;
