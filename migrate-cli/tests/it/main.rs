//! The program `migrate`, as people and scripts see it: exit code and both streams together.

mod schemas;
mod support;

mod agreement;
mod backup;
mod bad_input;
mod command_line;
mod compare;
mod configuration;
mod directory;
mod events;
mod exit_codes;
mod first_steps;
mod fix;
mod health;
mod instances;
mod json;
mod ledger;
mod library;
mod next_steps;
mod operator;
mod pipelines;
mod postgres;
mod rollback;
mod scratch;
#[cfg(target_os = "linux")]
mod screens;
mod sqlite;
mod squash;
mod suggestions;
mod templates;
#[cfg(target_os = "linux")]
mod terminal;
mod transcripts;
mod verbs;
mod way_back;
