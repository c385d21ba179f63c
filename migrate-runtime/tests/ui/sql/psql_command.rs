use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!("psql_command", relative_to = "file");

fn main() {
    let _ = MIGRATIONS.migrations();
}
