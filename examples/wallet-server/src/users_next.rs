//! How this version of the server keeps the name of a user: in `users.full_name`.
//!
//! Until the backfill has run, older users have only `users.name`; after the contract step there is no such column any more.
//! So it is read only where it is needed, and never named in a statement.

/// Takes e-mail address and name, and gives the number.
pub(crate) const SQLITE_INSERT: &str =
    "INSERT INTO users (email, full_name) VALUES (?1, ?2) ON CONFLICT (email) DO NOTHING RETURNING id";

/// Takes the number, and gives what [`sqlite_name`] reads.
pub(crate) const SQLITE_SELECT: &str = "SELECT * FROM users WHERE id = ?1";

/// As on SQLite.
pub(crate) const POSTGRES_INSERT: &str =
    "INSERT INTO users (email, full_name) VALUES ($1, $2) ON CONFLICT (email) DO NOTHING RETURNING id";

/// Takes the number, and gives the e-mail address and the name, with each of the wallets. Columns of fixed types only: a
/// statement whose result changes between its preparation and its execution is refused.
pub(crate) const POSTGRES_SELECT: &str = "SELECT u.email,
        coalesce(to_jsonb(u) ->> 'full_name', to_jsonb(u) ->> 'name'), w.currency, w.balance_minor
    FROM users u LEFT JOIN wallets w ON w.user_id = u.id WHERE u.id = $1 ORDER BY w.currency";

/// The name of a user.
pub(crate) fn sqlite_name(row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
    match row.get("full_name")? {
        Some(name) => Ok(name),
        None => row.get("name"),
    }
}
