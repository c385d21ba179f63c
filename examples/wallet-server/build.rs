//! Has cargo build the server again when a migration is added.

fn main() {
    migrate_build::track("../../migrations_v2");
}
