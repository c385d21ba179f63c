//! Has cargo build the server again when a migration is added; an edited one is noticed without this.

#[expect(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]
fn main() {
    println!("cargo::rerun-if-changed=../../migrations_v2");
}
