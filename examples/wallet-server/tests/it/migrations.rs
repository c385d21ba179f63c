//! Every migration up, down and up again, on both databases.

mod on_sqlite {
    migrate_runtime::migration_tests!("../../migrations_v2", sqlite);
    migrate_runtime::migration_tests!("releases/0.3.0", sqlite, runtime_version = "0.3.0", name = later);
}

mod on_postgres {
    use testkit::postgres::Server;

    migrate_runtime::migration_tests!("../../migrations_v2", postgres = Server::shared().url());
    migrate_runtime::migration_tests!(
        "releases/0.3.0",
        postgres = Server::shared().url(),
        runtime_version = "0.3.0",
        name = later
    );
}
