use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!();

fn main() {
    let _ = MIGRATIONS.migrations();
}
