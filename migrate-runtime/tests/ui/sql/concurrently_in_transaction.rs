use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry =
    embed_migrations!("concurrently_in_transaction", relative_to = "file");

fn main() {
    let _ = MIGRATIONS.migrations();
}
