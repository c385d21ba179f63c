//! Chooses the set.

fn main() -> std::io::Result<()> {
    bench_common::embed::write(None, |set| format!("include_dir::include_dir!({set})"))
}
