use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!("twelve_mistakes", relative_to = "file");

fn main() {
    let _ = MIGRATIONS.migrations();
}
