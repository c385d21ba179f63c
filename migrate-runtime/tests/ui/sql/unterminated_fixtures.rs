migrate_runtime::migration_tests!("unterminated_fixtures", sqlite, relative_to = "file");

fn main() {}
