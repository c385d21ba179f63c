//! How often a run asks its database: round trips on PostgreSQL, statements and commits on SQLite.

use testkit::migrations::Directory;
use testkit::postgres::Server;
use testkit::proxy::Proxy;

use super::child::{Child, Verb};
use super::ground::{Arena, Ground};

/// What one run asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Round trips to PostgreSQL, connecting aside.
    pub round_trips: usize,
    /// Statements on SQLite.
    pub statements: usize,
    /// Commits on SQLite.
    pub commits: usize,
}

/// Migrations in a transaction each, one table each.
#[must_use]
pub fn transactional(count: usize) -> Directory {
    let migrations: Vec<[String; 3]> = (0..count)
        .map(|number| {
            [format!("1.{number}.0"), format!("CREATE TABLE t{number} (id INTEGER);"), format!("DROP TABLE t{number};")]
        })
        .collect();
    let migrations: Vec<_> =
        migrations.iter().map(|[version, up, down]| (&**version, "table", &**up, &**down)).collect();
    Directory::simple(&migrations)
}

/// One migration outside a transaction, of so many statements.
#[must_use]
pub fn outside(statements: usize) -> Directory {
    let script =
        |kind: &str, end: &str| (0..statements).map(|number| format!("{kind} t{number}{end};\n")).collect::<String>();
    let directory =
        Directory::simple(&[("1.0.0", "tables", &script("CREATE TABLE", " (id INTEGER)"), &script("DROP TABLE", ""))]);
    directory
        .write("v1.0.0_tables/metadata.json", "{\"version\": \"1.0.0\", \"name\": \"tables\", \"transaction\": false}");
    directory
}

/// What each of these runs asks, one after the other on a fresh database.
///
/// # Panics
///
/// When one fails.
#[must_use]
pub fn of(directory: &Directory, verbs: &[Verb]) -> Vec<Asked> {
    let (postgres, sqlite) = (Ground::new(Arena::Postgres), Ground::new(Arena::Sqlite));
    let measure = |verb: &Verb| {
        let proxy = Proxy::to(Server::shared());
        let end = Child::running(*verb, directory.path(), &proxy.url_for(postgres.postgres())).end();
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        let mut child = Child::stopping(*verb, directory.path(), &sqlite.url());
        let mut asked = Asked { round_trips: proxy.round_trips(), statements: 0, commits: 0 };
        while let Some(point) = child.next_point() {
            asked.statements += usize::from(point.starts_with("before:"));
            asked.commits += usize::from(point == "after: COMMIT");
            child.go_on();
        }
        asked
    };
    verbs.iter().map(measure).collect()
}
