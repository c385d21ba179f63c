//! Has cargo build the server again when a migration is added; an edited one is noticed without this.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations_v2");
}
