use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry =
    embed_migrations!("unknown", relative_to = "file", dialekt = "sqlite", runtime_verison = "1.0.0");

fn main() {
    let _ = MIGRATIONS.migrations();
}
