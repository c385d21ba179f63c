use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!("missing_up_script", relative_to = "file");

fn main() {
    let _ = MIGRATIONS.migrations();
}
