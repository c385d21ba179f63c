//! Every migration up, down and up again, on both databases.

mod on_sqlite {
    migrate_runtime::migration_tests!("../../migrations_v2", sqlite);
}

mod on_postgres {
    use testkit::postgres::Server;

    migrate_runtime::migration_tests!("../../migrations_v2", postgres = Server::shared().url());
}
