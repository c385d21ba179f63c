use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry =
    embed_migrations!("runtime_too_old", relative_to = "file", runtime_version = "1.4.0");

fn main() {
    let _ = MIGRATIONS.migrations();
}
