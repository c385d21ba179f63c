use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!("unknown_dialect", dialect = "mysql");

fn main() {
    let _ = MIGRATIONS.migrations();
}
