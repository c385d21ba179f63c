//! The SQL around a dump that is put back: all of it is one transaction, which is compared with the manifest before it
//! commits.

use super::survey::fingerprint;
use crate::backend::postgres::literal;
use crate::backup::Backup;
use crate::options::Tables;

/// What is sent before and after the dump.
#[derive(Debug)]
pub(crate) struct Restore {
    pub(crate) before: String,
    pub(crate) after: String,
}

impl Restore {
    /// `proof` raises an error unless the run holds the lock; `keep` and `continue_` are what becomes of our own tables.
    pub(crate) fn new(backup: &Backup, tables: &Tables, proof: &str, keep: &str, continue_: &str) -> Self {
        Self {
            before: format!(
                "BEGIN;\nSET LOCAL client_min_messages = error;\nSET LOCAL lock_timeout = '10s';\nSET LOCAL statement_timeout = 0;\n{proof};\n{keep}\n{DROP}\n\
                 SET LOCAL lock_timeout = 0;\n"
            ),
            after: format!(
                "\nSELECT pg_catalog.set_config('search_path', '', false);\n{}\n{continue_}\nCOMMIT;\n",
                compare(backup, tables)
            ),
        }
    }
}

/// The sessions of others in the database: those of programs, not of the server itself. Two of them are ours.
pub(crate) fn others(own: i32) -> String {
    format!(
        "FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database()
         AND pid NOT IN (pg_catalog.pg_backend_pid(), {own}) AND backend_type = 'client backend'"
    )
}

/// Drops everything that a dump would create: what lies in schemas with its schema, save for `public`, which a dump takes
/// to be there. What an extension made stays.
const DROP: &str = "DO $migrate$
DECLARE
    item record;
BEGIN
    FOR item IN SELECT pubname AS name FROM pg_catalog.pg_publication LOOP
        EXECUTE pg_catalog.format('DROP PUBLICATION %I', item.name);
    END LOOP;
    FOR item IN SELECT evtname AS name FROM pg_catalog.pg_event_trigger e WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_event_trigger'::regclass AND objid = e.oid AND deptype = 'e')
    LOOP
        EXECUTE pg_catalog.format('DROP EVENT TRIGGER %I', item.name);
    END LOOP;
    FOR item IN SELECT oid FROM pg_catalog.pg_largeobject_metadata LOOP
        PERFORM pg_catalog.lo_unlink(item.oid);
    END LOOP;
    FOR item IN SELECT srvname AS name FROM pg_catalog.pg_foreign_server LOOP
        EXECUTE pg_catalog.format('DROP SERVER %I CASCADE', item.name);
    END LOOP;
    FOR item IN SELECT nspname AS name FROM pg_catalog.pg_namespace n
        WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public') AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_namespace'::regclass AND objid = n.oid AND deptype = 'e')
    LOOP
        EXECUTE pg_catalog.format('DROP SCHEMA %I CASCADE', item.name);
    END LOOP;
    FOR item IN SELECT CASE i.type WHEN 'composite type' THEN 'type' WHEN 'statistics object' THEN 'statistics' ELSE i.type END AS type,
            i.identity
        FROM pg_catalog.pg_depend d CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) i
        WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass
        AND d.refobjid = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
        AND d.deptype = 'n' AND d.classid <> 'pg_catalog.pg_default_acl'::regclass AND d.classid <> 'pg_catalog.pg_extension'::regclass
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')
        ORDER BY i.type <> 'table', i.identity
    LOOP
        EXECUTE 'DROP ' || item.type || ' IF EXISTS ' || item.identity || ' CASCADE';
    END LOOP;
END
$migrate$;";

/// Raises an error unless structure and numbers of rows are those of the manifest.
fn compare(backup: &Backup, tables: &Tables) -> String {
    let counts: Vec<String> =
        backup.rows.iter().map(|(name, count)| format!("({}, {count}::bigint)", literal(name))).collect();
    let counts = if counts.is_empty() { "(NULL::text, 0::bigint)".to_owned() } else { counts.join(", ") };
    format!(
        "DO $migrate$
DECLARE
    item record;
    found bigint;
    structure text;
BEGIN
    {fingerprint} INTO structure;
    IF structure <> {expected} THEN
        RAISE EXCEPTION 'migrate: the structure that was restored is not the one in the manifest';
    END IF;
    -- The names of the manifest are compared only, never executed.
    FOR item IN SELECT v.name, v.count, c.nspname, c.relname FROM (VALUES {counts}) v (name, count) LEFT JOIN (
            SELECT n.nspname, c.relname, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'
        ) c ON c.name = v.name WHERE v.name IS NOT NULL
    LOOP
        IF item.relname IS NULL THEN
            RAISE EXCEPTION 'migrate: the table % of the manifest was not restored', item.name;
        END IF;
        EXECUTE pg_catalog.format('SELECT pg_catalog.count(*) FROM ONLY %I.%I', item.nspname, item.relname) INTO found;
        IF found <> item.count THEN
            RAISE EXCEPTION 'migrate: % rows of % were restored, and the manifest has %', found, item.name, item.count;
        END IF;
    END LOOP;
END
$migrate$;",
        fingerprint = fingerprint(tables),
        expected = literal(&backup.schema_fingerprint),
    )
}
