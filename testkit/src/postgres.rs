//! Private PostgreSQL servers and databases.
//!
//! A server is started from the machine's binaries into a temporary directory and goes away with the process that started
//! it, however that process ends. [`Server::shared`] is the one to use unless a test changes or breaks the server itself.

mod address;
mod binaries;
mod database;
mod server;
mod session;
mod supervisor;

pub use self::database::Database;
pub(crate) use self::server::free_port;
pub use self::server::{BASE_VARIABLE, Server};
pub use self::session::Session;
pub(crate) use self::supervisor::other_user;

#[cfg(test)]
mod tests;
