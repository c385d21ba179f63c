//! `list`: the migrations of the set, without a database.

use migrate_runtime::{Migration, Registry};

use crate::exit::Exit;
use crate::json::{self, Document, Listed};
use crate::output::{Printer, count, table};

pub(super) fn list(registry: &Registry, printer: &Printer) -> Exit {
    let migrations: Vec<Listed> = registry.migrations().iter().map(listed).collect();
    let document = json::List { digest: registry.digest().to_string(), migrations };
    printer.answer(&Document::new(&document), || text(&document.migrations));
    if !document.migrations.is_empty() {
        printer.next("`migrate status`");
    }
    Exit::Done
}

fn listed(migration: &Migration) -> Listed {
    Listed {
        version: migration.version().to_string(),
        name: migration.name().to_owned(),
        description: migration.description().map(str::to_owned),
        dependencies: migration.dependencies().iter().map(ToString::to_string).collect(),
        min_runtime_version: migration.min_runtime_version().map(|version| version.to_string()),
        transaction: migration.transaction(),
        scripts: migration.scripts().iter().map(|script| script.file_name()).collect(),
    }
}

fn text(migrations: &[Listed]) -> String {
    if migrations.is_empty() {
        return "there are no migrations; next: `migrate new`".to_owned();
    }
    let rows = migrations.iter().map(|migration| {
        vec![
            migration.version.clone(),
            migration.name.clone(),
            migration.scripts.join(" "),
            migration.description.clone().unwrap_or_default(),
        ]
    });
    let table = table(&["version", "name", "scripts", "description"], &[], rows);
    format!("{table}\n\n{}", count(migrations.len(), "migration"))
}
