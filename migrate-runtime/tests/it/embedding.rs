//! The arguments of `embed_migrations!`, and the places where it stands.

use std::sync::Arc;

use migrate_runtime::{BorrowedConnection, Migrator, Registry, Verdict, Version, embed_migrations};

/// The crate by another path.
mod renamed {
    pub(super) mod inner {
        pub(crate) use migrate_runtime::*;
    }
}

mod elsewhere {
    use super::{Registry, embed_migrations};

    /// Documented, with an attribute, and visible outside.
    #[used]
    pub(super) static VISIBLE: Registry = embed_migrations!("tests/migrations");
}

static FOR_SQLITE: Registry = embed_migrations!("tests/migrations", dialect = "sqlite");
static OF_A_SERVER: Registry = embed_migrations!("tests/migrations", runtime_version = "7.1.0-rc.1");
static OF_A_VARIABLE: Registry = embed_migrations!("tests/migrations", runtime_version = env!("CARGO_PKG_VERSION"),);
static RENAMED: Registry = embed_migrations!("tests/migrations", crate = "crate::embedding::renamed::inner");
static BESIDE: Registry = embed_migrations!("../migrations", relative_to = "file");

#[test]
fn every_argument_gives_the_same_set() {
    static INSIDE: Registry = embed_migrations!("tests/migrations", dialect = "postgres");
    let own = Version::parse(env!("CARGO_PKG_VERSION")).unwrap();
    let of_a_server = Version::parse("7.1.0-rc.1").unwrap();
    for (registry, version) in [
        (&elsewhere::VISIBLE, &own),
        (&FOR_SQLITE, &own),
        (&OF_A_SERVER, &of_a_server),
        (&OF_A_VARIABLE, &own),
        (&RENAMED, &own),
        (&BESIDE, &own),
        (&INSIDE, &own),
    ] {
        assert_eq!(registry.migrations(), elsewhere::VISIBLE.migrations());
        assert_eq!(registry.digest(), elsewhere::VISIBLE.digest());
        assert_eq!(registry.name(), Some("migrate-runtime"));
        assert_eq!(registry.runtime_version().as_ref(), Some(version));
    }
    assert!(!FOR_SQLITE.migrations().is_empty());
    assert_eq!(FOR_SQLITE.directory(), "tests/migrations");
    assert_eq!(BESIDE.directory(), "tests/it/../migrations");
}

/// A reference to a temporary does not compile; this does, and lives as long as it is used.
#[test]
fn a_registry_that_no_static_holds_is_shared() {
    let migrator = {
        let local = Migrator::new(Arc::new(embed_migrations!("tests/migrations")));
        local.clone()
    };
    let mut connection = rusqlite::Connection::open_in_memory().unwrap();
    let found = migrator.check(&mut BorrowedConnection::new(&mut connection)).wait().unwrap();
    assert_eq!(found.verdict, Verdict::NeedsMigration);
}
