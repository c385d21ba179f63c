//! What a script may leave in the session that would change what later scripts do: settings, the role, temporary
//! objects, listening, prepared statements.

use super::message::{Message, Row};
use super::tables::{TEMPORARY_LEFT, literal};
use crate::backend::mentions;

/// Who a session works as. It comes before the settings, which may need it, and is not reset with them.
const IDENTITY: [&str; 2] = ["session_authorization", "role"];

/// The settings that are always compared where they cannot all be reset.
const ALWAYS: [&str; 23] = [
    "search_path",
    "lock_timeout",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "standard_conforming_strings",
    "backslash_quote",
    "check_function_bodies",
    "client_encoding",
    "client_min_messages",
    "row_security",
    "default_tablespace",
    "default_table_access_method",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "xmloption",
    "session_replication_role",
    "synchronous_commit",
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
    "bytea_output",
    "transform_null_equals",
    "quote_all_identifiers",
];

/// Lets the server end a statement whose client is gone, so that it holds its locks no longer than it must. Servers before
/// version 14 do not have the setting, and only Linux is sure to be able to tell.
pub(super) const NOTICE_A_DEAD_CLIENT: &str =
    "SELECT pg_catalog.set_config('client_connection_check_interval', '5s', false)
     WHERE pg_catalog.current_setting('client_connection_check_interval', true) = '0'
     AND pg_catalog.version() ILIKE '%linux%' AND pg_catalog.current_setting('migrate.session', true) IS NOT NULL";

/// The state of a session when a run began.
#[derive(Debug, Default)]
pub(super) struct Session {
    settings: Vec<(String, String)>,
    /// Whether somebody else is served by it between our transactions.
    pooled: bool,
    /// Whether everything temporary is ours to discard: the connection is our own, or had nothing temporary.
    discard: bool,
    /// Whether the session was begun for us, and nobody else is served by it.
    pub(super) direct: bool,
    /// The process id of its backend.
    pub(super) process: i32,
}

/// The query whose rows [`Session::new`] reads: the settings above, and all others that were set in this session; and
/// whether it holds temporary objects, as a setting without a name.
pub(super) fn query() -> String {
    let always: Vec<String> = IDENTITY.iter().chain(&ALWAYS).map(|name| format!("({})", literal(name))).collect();
    let always = always.join(", ");
    format!(
        "SELECT v.name, pg_catalog.current_setting(v.name, true) FROM (VALUES {always}) v(name)
         WHERE pg_catalog.current_setting(v.name, true) IS NOT NULL
         UNION ALL
         SELECT s.name, s.setting FROM pg_catalog.pg_settings s WHERE s.source = 'session'
         AND s.name NOT IN (SELECT v.name FROM (VALUES {always}) v(name))
         UNION ALL
         SELECT '', pg_catalog.count(*)::text FROM pg_catalog.pg_class
         WHERE relnamespace = pg_catalog.pg_my_temp_schema()"
    )
}

impl Session {
    /// The session as the rows of [`Names::session`](super::tables::Names) and of [`query`] tell.
    pub(super) fn new(session: &[Row], rows: &[Row], borrowed: bool) -> Self {
        let session = session.first();
        let direct = session.and_then(|row| row.get(0)) == Some("t");
        let process = session.and_then(|row| row.get(1)).and_then(|process| process.parse().ok()).unwrap_or_default();
        let pair = |row: &Row| Some((row.get(0)?.to_owned(), row.get(1)?.to_owned()));
        let (temporary, mut settings): (Vec<_>, Vec<_>) =
            rows.iter().filter_map(pair).partition(|(name, _)| name.is_empty());
        let none = temporary.iter().all(|(_, count)| count == "0");
        if direct {
            // All that we set there ourselves is not among these, so resetting is putting back.
            settings.retain(|(name, _)| !ALWAYS.contains(&name.as_str()));
        }
        // Behind a pooler it may be somebody else's.
        Self { settings, pooled: !direct && !borrowed, discard: direct || borrowed && none, direct, process }
    }

    /// Whether a backslash in a plain string is one, as scripts are read. A session of our own is begun so.
    pub(super) fn reads_standard_strings(&self) -> bool {
        !self.settings.iter().any(|(name, value)| name == "standard_conforming_strings" && value == "off")
    }

    /// The role that the run began with.
    pub(super) fn role(&self) -> &str {
        self.settings.iter().find(|(name, _)| name == "role").map_or("none", |(_, role)| role)
    }

    /// Adds what undoes a script's traces to its message; `settings` is what restores those that were captured. Settings and
    /// temporary objects are also undone if a function made them; of the rest, what the script does not speak of is not looked for.
    pub(super) fn restore_after(&self, message: &mut Message<'_>, settings: &str, script: &str) {
        self.reset(message, settings, mentions(script, "set"));
        if self.pooled {
            message.push(&nothing_temporary());
        }
        if self.direct && mentions(script, "listen") {
            message.push("UNLISTEN *");
        }
        if self.direct && mentions(script, "hold") {
            message.push("CLOSE ALL");
        }
        if self.deallocates_after(script) {
            message.push("DEALLOCATE ALL");
        }
    }

    /// Whether all prepared statements are deallocated behind a script.
    pub(super) fn deallocates_after(&self, script: &str) -> bool {
        self.direct && ["prepare", "deallocate"].iter().any(|word| mentions(script, word))
    }

    /// The message that undoes everything, a transaction that is still open included.
    pub(super) fn restore(&self) -> Message<'static> {
        let mut message = Message::of(&["ROLLBACK"]);
        self.reset(&mut message, &self.restore_settings(None), true);
        if self.direct {
            message.push("CLOSE ALL");
            message.push("UNLISTEN *");
            message.push("DEALLOCATE ALL");
        }
        message
    }

    /// Adds what undoes settings and temporary objects. `others` says whether to look for settings that were not captured, where
    /// they cannot all be reset.
    fn reset(&self, message: &mut Message<'_>, settings: &str, others: bool) {
        if self.direct {
            message.push("RESET ALL");
        }
        message.push(settings);
        if !self.direct && others {
            message.push(&self.reset_others());
        }
        if self.discard {
            message.push("DISCARD TEMP");
        }
    }

    /// Puts the captured settings back where they differ; then sets timeouts for the rest of the transaction, if there are any
    /// (for locks, for statements).
    pub(super) fn restore_settings(&self, timeouts: Option<[&str; 2]>) -> String {
        let captured = self.settings.iter().map(|(name, value)| (literal(name), literal(value), false));
        let timeouts = ["'lock_timeout'", "'statement_timeout'"].into_iter().zip(timeouts.into_iter().flatten());
        let timeouts = timeouts.map(|(name, value)| (name.to_owned(), value.to_owned(), true));
        let values: Vec<String> =
            captured.chain(timeouts).map(|(name, value, is_local)| format!("({name}, {value}, {is_local})")).collect();
        if values.is_empty() {
            return "SELECT 1".to_owned();
        }
        format!(
            "SELECT pg_catalog.set_config(v.name, v.value, v.is_local) FROM (VALUES {}) v(name, value, is_local)
             WHERE v.is_local OR pg_catalog.current_setting(v.name, true) IS DISTINCT FROM v.value",
            values.join(", ")
        )
    }

    /// Resets what is set in the session now and was not when the run began.
    fn reset_others(&self) -> String {
        let known: Vec<String> = self.settings.iter().map(|(name, _)| literal(name)).collect();
        let known = if known.is_empty() { "''".to_owned() } else { known.join(", ") };
        format!(
            "SELECT pg_catalog.set_config(s.name, s.reset_val, false) FROM pg_catalog.pg_settings s
             WHERE s.source = 'session' AND s.reset_val IS NOT NULL AND s.context IN ('user', 'superuser')
             AND s.name NOT IN ({known})"
        )
    }
}

/// Raises an error when this transaction has made something temporary, of whatever kind has rows in `pg_class`.
fn nothing_temporary() -> String {
    format!(
        "SELECT CASE WHEN pg_catalog.pg_my_temp_schema() <> 0 AND EXISTS (
             SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = pg_catalog.pg_my_temp_schema()
             AND pg_catalog.age(c.xmin) <=
                 pg_catalog.age((pg_catalog.txid_current() % 4294967296)::text::pg_catalog.xid))
         THEN (E'{TEMPORARY_LEFT}' || pg_catalog.clock_timestamp())::int END"
    )
}
