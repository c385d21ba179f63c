use migrate_runtime::{Registry, embed_migrations};

static MIGRATIONS: Registry =
    embed_migrations!("unset_variable", runtime_version = env!("NO_SUCH_VARIABLE_IS_SET"));

fn main() {
    let _ = MIGRATIONS.migrations();
}
