use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!("duplicate_version", relative_to = "file");

fn main() {
    let _ = MIGRATIONS.migrations();
}
