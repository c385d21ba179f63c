//! Tests of the whole: real programs on real databases.

mod backups;
mod clocks;
mod crates;
mod defects;
mod deploys;
mod disks;
mod hazards;
mod indexes;
mod instances;
mod kills;
mod pauses;
mod pooled;
mod queues;
mod races;
mod read_only;
mod rebuilds;
mod servers;
mod signals;
mod statements;
mod sweeps;
