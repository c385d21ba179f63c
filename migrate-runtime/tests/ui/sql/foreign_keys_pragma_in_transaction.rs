use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry =
    embed_migrations!("foreign_keys_pragma_in_transaction", relative_to = "file");

fn main() {
    let _ = MIGRATIONS.migrations();
}
