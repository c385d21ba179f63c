//! Tests of the whole: real programs on real databases.

mod crates;
mod kills;
mod races;
mod rebuilds;
mod statements;
