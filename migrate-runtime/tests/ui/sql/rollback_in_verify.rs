use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!("rollback_in_verify", relative_to = "file");

fn main() {
    let _ = MIGRATIONS.migrations();
}
