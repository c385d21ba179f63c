migrate_runtime::migration_tests!("tests_wrong", postgres);

migrate_runtime::migration_tests!("tests_wrong", dialect = "sqlite");

migrate_runtime::migration_tests!("tests_wrong", sqlite, postgres = url::<u8, u8>(), name = both, mame = "x");

fn main() {}
