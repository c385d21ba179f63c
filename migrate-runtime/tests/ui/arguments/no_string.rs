use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!(concat!("a", "b"));

fn main() {
    let _ = MIGRATIONS.migrations();
}
