//! `test`: the round trips of `migration_tests!` from the command line.

use std::path::Path;
use std::sync::Arc;

use migrate_core::migration::{Dialect, Role};
use migrate_core::source;
use migrate_runtime::testing::{Failure, Server, TestSet, check_from_empty_to_head, check_migration};
use migrate_runtime::{Migration, Registry, ScratchDatabase};

use super::schema::scratch_url;
use crate::args::TestArgs;
use crate::config;
use crate::configuration::ConnectionOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document, TestedMigration};
use crate::output::{Printer, count};

pub(super) fn test(
    args: &TestArgs,
    directory: &Path,
    connection: &ConnectionOptions,
    printer: &Printer,
) -> Result<Exit, Error> {
    let (server, dialect) = server(directory, connection)?;
    let loaded = source::load(directory, &config::options_to_test(directory, dialect));
    let fixtures = loaded.fixtures().to_vec();
    let (registry, _) = loaded.into_registry().map_err(Error::Directory)?;
    let registry = Arc::new(registry);
    let chosen = chosen(args, &registry)?;
    let set = TestSet::new(Arc::clone(&registry)).fixtures(fixtures);
    let mut migrations = Vec::new();
    for migration in chosen {
        let reversible = migration.script(Role::Down, dialect).is_some();
        let title = format!("{} {}", migration.version(), migration.name());
        let way = if reversible { "up, down, up again" } else { "up; there is no way back" };
        let failure = check_migration(&set, &server, migration.version()).err();
        tell(&title, way, failure.as_ref(), printer);
        migrations.push(TestedMigration {
            version: Some(migration.version().to_string()),
            name: Some(migration.name().to_owned()),
            outcome: if failure.is_none() { "passed" } else { "failed" },
            reversible,
            failure: failure.map(|failure| failure.to_string()),
        });
    }
    let from_empty_to_head = args.versions.is_empty().then(|| {
        let failure = check_from_empty_to_head(&set, &server).err();
        tell("all", "from empty to the highest version, and back", failure.as_ref(), printer);
        TestedMigration {
            version: None,
            name: None,
            outcome: if failure.is_none() { "passed" } else { "failed" },
            reversible: migrations.iter().all(|it| it.reversible),
            failure: failure.map(|failure| failure.to_string()),
        }
    });
    let failed = migrations.iter().chain(&from_empty_to_head).filter(|it| it.failure.is_some()).count();
    let document = json::Tested {
        outcome: if failed == 0 { "passed" } else { "failed" },
        database: dialect.as_str(),
        migrations,
        from_empty_to_head,
    };
    printer.answer(&Document::new(&document), || {
        let tested = count(document.migrations.len(), "migration");
        match failed {
            0 => format!("{tested} passed on {dialect}"),
            _ => format!("{tested} tested on {dialect}, {} failed", count(failed, "round trip")),
        }
    });
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

fn tell(title: &str, way: &str, failure: Option<&Failure>, printer: &Printer) {
    match failure {
        None => printer.line(&format!("passed: {title} ({way})")),
        Some(failure) => {
            printer.line(&format!("failed: {title}"));
            printer.error(failure.to_string().trim_end(), &[], None);
        }
    }
}

/// The server that is named; else the one for SQLite, where the set is for it.
fn server(directory: &Path, connection: &ConnectionOptions) -> Result<(Server, Dialect), Error> {
    let dialect = match &connection.shadow_url {
        Some(url) => ScratchDatabase::dialect_of(url.reveal())?,
        None => match config::database(connection) {
            Ok(database) => config::dialect(&database),
            Err(_) => config::load(directory, true).dialects().first().copied().unwrap_or(Dialect::Sqlite),
        },
    };
    let url = scratch_url(dialect, connection)?;
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => Ok((Server::Sqlite, dialect)),
        #[cfg(feature = "postgres")]
        Dialect::Postgres => Ok((Server::Postgres(url), dialect)),
        #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
        other => Err(Error::configuration(
            format!("this program is built without {other}"),
            format!("build it with the feature for the database of `{url}`"),
        )),
    }
}

fn chosen<'a>(args: &TestArgs, registry: &'a Registry) -> Result<Vec<&'a Migration>, Error> {
    if args.versions.is_empty() {
        return Ok(registry.migrations().iter().collect());
    }
    let find = |version| {
        registry.find(version).ok_or_else(|| {
            Error::usage(format!("there is no migration {version}"), "`migrate list` shows what there is")
        })
    };
    args.versions.iter().copied().map(find).collect()
}
