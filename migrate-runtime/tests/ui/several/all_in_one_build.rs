use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry = embed_migrations!("all_in_one_build", relative_to = "file");

fn main() {
    let _ = MIGRATIONS.migrations();
}
