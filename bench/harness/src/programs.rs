//! The programs that are measured, and how they are built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::sets::{self, Layout};
use crate::{Bench, progress};

/// A database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    /// Its name in features and results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// A program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// Its folder, and its name in results.
    pub(crate) name: &'static str,
    pub(crate) layout: Layout,
    pub(crate) postgres: bool,
    /// Whether it can take migrations back.
    pub(crate) down: bool,
    /// The package that is compared, for its version.
    pub(crate) package: &'static str,
    /// What embeds a set and counts it, for a program that does nothing else; the folder is relative to its package.
    pub(crate) embed: fn(&str) -> String,
}

pub(crate) const LIMIT: &str = "limit";
pub(crate) const OURS: &str = "ours";

/// All of them.
pub(crate) const PROGRAMS: [Program; 6] = [
    Program {
        name: LIMIT,
        layout: Layout::Plain,
        postgres: true,
        down: true,
        package: "rusqlite",
        embed: |_| "fn count() -> usize { 0 }".to_owned(),
    },
    Program {
        name: OURS,
        layout: Layout::Ours,
        postgres: true,
        down: true,
        package: "migrate-runtime",
        embed: |set| {
            format!(
                "static SET: migrate_runtime::Registry = migrate_runtime::embed_migrations!(\"{set}\");\n\
                 fn count() -> usize {{ SET.migrations().len() }}"
            )
        },
    },
    Program {
        name: "sqlx",
        layout: Layout::Sqlx,
        postgres: true,
        down: true,
        package: "sqlx",
        embed: |set| {
            format!(
                "static SET: sqlx::migrate::Migrator = sqlx::migrate!(\"{set}\");\n\
                 fn count() -> usize {{ std::hint::black_box(&SET).iter().count() }}"
            )
        },
    },
    Program {
        name: "refinery",
        layout: Layout::Refinery,
        postgres: true,
        down: false,
        package: "refinery",
        embed: |set| {
            format!(
                "mod set {{ refinery::embed_migrations!(\"{set}\"); }}\n\
                 fn count() -> usize {{ set::migrations::runner().get_migrations().len() }}"
            )
        },
    },
    Program {
        name: "diesel",
        layout: Layout::Diesel,
        postgres: true,
        down: true,
        package: "diesel",
        embed: |set| {
            format!(
                "const SET: diesel_migrations::EmbeddedMigrations = diesel_migrations::embed_migrations!(\"{set}\");\n\
                 fn count() -> usize {{\n\
                     use diesel::migration::MigrationSource;\n\
                     MigrationSource::<diesel::sqlite::Sqlite>::migrations(&SET).map_or(0, |it| it.len())\n\
                 }}"
            )
        },
    },
    Program {
        name: "rusqlite_migration",
        layout: Layout::RusqliteMigration,
        postgres: false,
        down: true,
        package: "rusqlite_migration",
        embed: |set| {
            format!(
                "static SET: include_dir::Dir<'static> = include_dir::include_dir!(\"$CARGO_MANIFEST_DIR/{set}\");\n\
                 fn count() -> usize {{\n\
                     rusqlite_migration::Migrations::from_directory(&SET).map_or(0, |_| SET.dirs().count())\n\
                 }}"
            )
        },
    },
];

impl Program {
    pub(crate) fn is_peer(&self) -> bool {
        ![LIMIT, OURS].contains(&self.name)
    }

    pub(crate) fn supports(&self, database: Database) -> bool {
        database == Database::Sqlite || self.postgres
    }

    /// Whether it is measured with so many migrations: 10,000 is between us and the limit, since compilers take too long for
    /// what some macros make of it.
    pub(crate) fn holds(&self, size: usize) -> bool {
        size < 10_000 || !self.is_peer()
    }

    /// Where its binary for a database and a set is.
    pub(crate) fn binary(&self, bench: &Bench, database: Database, size: usize) -> PathBuf {
        bench.work.join("bin").join(format!("{}-{}-{size}", self.name, database.name()))
    }

    /// Builds it. Cargo decides whether there is something to do.
    pub(crate) fn build(&self, bench: &Bench, database: Database, size: usize) -> io::Result<()> {
        let set = sets::write(&bench.work, self.layout, size)?;
        progress(&format!("building {} for {} with {size} migrations", self.name, database.name()));
        let mut cargo = bench.cargo(&bench.root.join("bench").join(self.name));
        cargo.args(["build", "--release", "--locked", "--quiet", "--features", database.name()]);
        succeed(cargo.env("BENCH_SET", set))?;
        let built = bench.target.join("release").join(format!("bench-{}", self.name.replace('_', "-")));
        let binary = self.binary(bench, database, size);
        fs::create_dir_all(binary.parent().unwrap_or(Path::new(".")))?;
        fs::copy(built, binary)?;
        Ok(())
    }
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> io::Result<String> {
    let output = testkit::process::run(command);
    if output.code != 0 {
        return Err(io::Error::other(format!("{command:?} failed with {}:\n{}", output.code, output.stderr)));
    }
    Ok(output.stdout)
}
