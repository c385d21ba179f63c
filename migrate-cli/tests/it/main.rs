//! The program `migrate`, as people and scripts see it: exit code and both streams together.

mod support;

mod agreement;
mod bad_input;
mod command_line;
mod configuration;
mod directory;
mod health;
mod instances;
mod json;
mod ledger;
mod library;
mod operator;
mod postgres;
mod rollback;
mod scratch;
mod sqlite;
#[cfg(target_os = "linux")]
mod terminal;
mod verbs;
