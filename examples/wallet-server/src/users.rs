//! How this version of the server keeps the name of a user: in `users.name`.

/// Takes e-mail address and name, and gives the number.
pub(crate) const SQLITE_INSERT: &str =
    "INSERT INTO users (email, name) VALUES (?1, ?2) ON CONFLICT (email) DO NOTHING RETURNING id";

/// Takes the number, and gives the e-mail address and what [`sqlite_name`] reads.
pub(crate) const SQLITE_SELECT: &str = "SELECT email, name FROM users WHERE id = ?1";

/// As on SQLite.
pub(crate) const POSTGRES_INSERT: &str =
    "INSERT INTO users (email, name) VALUES ($1, $2) ON CONFLICT (email) DO NOTHING RETURNING id";

/// Takes the number, and gives the e-mail address and the name, with each of the wallets.
pub(crate) const POSTGRES_SELECT: &str = "SELECT u.email, u.name, w.currency, w.balance_minor
    FROM users u LEFT JOIN wallets w ON w.user_id = u.id WHERE u.id = $1 ORDER BY w.currency";

/// The name of a user.
pub(crate) fn sqlite_name(row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
    row.get("name")
}
