//! Chooses the set.

fn main() -> std::io::Result<()> {
    bench_common::embed::write(None, |set| format!("diesel_migrations::embed_migrations!({set})"))
}
