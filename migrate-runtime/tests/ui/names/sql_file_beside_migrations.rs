use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!("sql_file_beside_migrations", relative_to = "file");

fn main() {
    let _ = MIGRATIONS.migrations();
}
