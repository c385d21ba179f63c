//! Has cargo build the server again when a migration is added.

fn main() {
    migrate_build::track("../../migrations_v2");
    migrate_build::track("releases/0.2.0");
}
