use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!("cyclic_dependency", relative_to = "file");

fn main() {
    let _ = MIGRATIONS.migrations();
}
