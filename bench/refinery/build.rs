//! Chooses the set.

fn main() -> std::io::Result<()> {
    bench_common::embed::write(None, |set| format!("refinery::embed_migrations!({set});"))
}
