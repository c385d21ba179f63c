use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!("duplicate_key", relative_to = "file");

fn main() {
    let _ = MIGRATIONS.migrations();
}
