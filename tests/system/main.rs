//! Tests of the whole: real programs on real databases.

mod crates;
mod kills;
mod pauses;
mod pooled;
mod queues;
mod races;
mod rebuilds;
