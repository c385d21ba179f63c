use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry =
    embed_migrations!("given_twice", dialect = "sqlite", dialect = "postgres");

fn main() {
    let _ = MIGRATIONS.migrations();
}
