use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!("group_without_commit", relative_to = "file");

fn main() {
    let _ = MIGRATIONS.migrations();
}
