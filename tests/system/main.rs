//! Tests of the whole: real programs on real databases.

mod crates;
mod races;
mod rebuilds;
