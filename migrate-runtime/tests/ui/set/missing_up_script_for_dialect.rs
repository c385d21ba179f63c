use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry =
    embed_migrations!("missing_up_script_for_dialect", relative_to = "file", dialect = "postgres");

fn main() {
    let _ = MIGRATIONS.migrations();
}
