migrate_runtime::migration_tests!("tests_without_database", relative_to = "file");

fn main() {}
