//! Private PostgreSQL servers and databases.
//!
//! A server is started from the machine's binaries into a temporary directory and goes away with the process that started
//! it, however that process ends. [`Server::shared`] is the one to use unless a test changes or breaks the server itself.

mod address;
mod binaries;
mod database;
mod server;
mod supervisor;

pub use self::database::Database;
pub use self::server::{BASE_VARIABLE, Server};

#[cfg(test)]
mod tests;
