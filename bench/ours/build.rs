//! Chooses the set.

fn main() -> std::io::Result<()> {
    // A set without a migration is refused.
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations_v2");
    bench_common::embed::write(Some(example), |set| format!("migrate_runtime::embed_migrations!({set})"))
}
