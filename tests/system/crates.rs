//! The shape of the workspace: arrows between crates point one way, and the promises on features hold.

use std::fs;

use system_tests::root;

/// The lines of a section of a crate's manifest.
fn section(krate: &str, name: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(krate).join("Cargo.toml")).expect("every crate has a manifest");
    let lines = manifest.lines().skip_while(|line| *line != format!("[{name}]")).skip(1);
    lines.take_while(|line| !line.starts_with('[')).map(str::to_owned).collect()
}

/// The crates that a crate depends on.
fn dependencies(krate: &str) -> Vec<String> {
    let name = |line: &String| line.split(['.', ' ', '=']).next().unwrap_or_default().to_owned();
    section(krate, "dependencies").iter().map(name).collect()
}

/// Those of ours.
fn ours(krate: &str) -> Vec<String> {
    dependencies(krate).into_iter().filter(|name| name.starts_with("migrate-")).collect()
}

#[test]
fn arrows_point_down() {
    assert_eq!(section("migrate-build", "dependencies").concat(), "");
    assert_eq!(ours("migrate-core"), [""; 0]);
    assert_eq!(ours("migrate-macros"), ["migrate-core"]);
    assert_eq!(ours("migrate-runtime"), ["migrate-core", "migrate-macros"]);
    let cli = ours("migrate-cli");
    assert!(cli.iter().all(|name| ["migrate-core", "migrate-runtime"].contains(&&**name)), "{cli:?}");
}

#[test]
fn the_core_depends_on_no_driver_runtime_or_syn() {
    let dependencies = dependencies("migrate-core");
    assert!(dependencies.iter().any(|name| name == "squawk-syntax"), "{dependencies:?}");
    for name in ["rusqlite", "postgres", "tokio-postgres", "tokio", "syn", "serde", "serde_json"] {
        assert!(!dependencies.iter().any(|it| it == name), "{name}");
    }
}

/// A weak feature (`rusqlite?/…`) puts the crate into the lock file of everybody who does not want it.
#[test]
fn no_feature_is_weak() {
    for krate in ["migrate-core", "migrate-runtime", "migrate-cli"] {
        let features = section(krate, "features").join("\n");
        assert!(!features.contains("?/"), "{krate}: {features}");
    }
}
