//! What a PostgreSQL database holds, read from the catalogues with the server's own words for definitions.

use crate::backend::postgres::literal;
use crate::database::Postgres;
use crate::error::Error;

/// The structure, an entry for each part, in any order, without the tables whose names begin with `ledger`.
pub(crate) fn structure(database: &Postgres, ledger: &str) -> Result<Vec<String>, Error> {
    read(database, &format!("{}{STRUCTURE}", own_objects(ledger)))
}

/// The rows as `table: values`, in any order, without those of the tables whose names begin with `ledger`.
pub(crate) fn rows(database: &Postgres, ledger: &str) -> Result<Vec<String>, Error> {
    let queries = read(database, &format!("{}{QUERIES}", own_objects(ledger)))?;
    if queries.is_empty() {
        return Ok(Vec::new());
    }
    read(database, &queries.join(" UNION ALL "))
}

/// Names are full in what the server says, whatever the search path is of those who use the database.
fn read(database: &Postgres, query: &str) -> Result<Vec<String>, Error> {
    let message = format!("BEGIN READ ONLY; SET LOCAL search_path = pg_catalog; {query}; COMMIT");
    database.ask("the catalogue could not be read", &message)
}

/// The objects that are neither the system's, nor an extension's, nor ours: `namespaces`, `relations`, `types`,
/// `routines`.
fn own_objects(ledger: &str) -> String {
    let ledger = literal(ledger);
    format!(
        "WITH extension_objects AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
        namespaces AS (
            SELECT oid, nspname FROM pg_namespace
            WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
              AND ('pg_namespace'::regclass, oid) NOT IN (SELECT classid, objid FROM extension_objects)),
        relations AS (
            SELECT c.*, format('%I.%I', n.nspname, c.relname) AS title
            FROM pg_class c JOIN namespaces n ON n.oid = c.relnamespace
            WHERE NOT starts_with(c.relname, {ledger})
              AND ('pg_class'::regclass, c.oid) NOT IN (SELECT classid, objid FROM extension_objects)),
        types AS (
            SELECT t.*, format('%I.%I', n.nspname, t.typname) AS title
            FROM pg_type t JOIN namespaces n ON n.oid = t.typnamespace
            WHERE ('pg_type'::regclass, t.oid) NOT IN (SELECT classid, objid FROM extension_objects)),
        routines AS (
            SELECT p.*, format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS title
            FROM pg_proc p JOIN namespaces n ON n.oid = p.pronamespace
            WHERE ('pg_proc'::regclass, p.oid) NOT IN (SELECT classid, objid FROM extension_objects))
        "
    )
}

/// A row for each part of the structure; the parts of a table begin with its name, so that sorting keeps them together.
const STRUCTURE: &str = "
SELECT format('schema %I', nspname) FROM namespaces
UNION ALL
SELECT format('extension %I %s', extname, extversion) FROM pg_extension
UNION ALL
SELECT format('table %s%s%s%s%s', title,
    CASE relkind WHEN 'v' THEN ', view' WHEN 'm' THEN ', materialized view' WHEN 'f' THEN ', foreign' WHEN 'c' THEN ', type' ELSE '' END,
    CASE relpersistence WHEN 'u' THEN ', unlogged' ELSE '' END,
    CASE WHEN relrowsecurity THEN ', row level security' ELSE '' END
        || CASE WHEN relforcerowsecurity THEN ', forced' ELSE '' END,
    ', partition by ' || pg_get_partkeydef(oid))
FROM relations WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
UNION ALL
SELECT format('table %s child of %s %s', r.title, i.inhparent::regclass, pg_get_expr(r.relpartbound, r.oid))
FROM relations r JOIN pg_inherits i ON i.inhrelid = r.oid WHERE r.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT format('table %s column %I: %s%s%s%s%s', r.title, a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
    CASE a.attidentity WHEN 'a' THEN ' identity always' WHEN 'd' THEN ' identity by default' ELSE '' END,
    CASE WHEN a.attgenerated <> '' THEN ' generated ' ELSE ' default ' END || pg_get_expr(d.adbin, d.adrelid),
    ' collate ' || (SELECT c.collname FROM pg_collation c JOIN pg_type t ON t.oid = a.atttypid
        WHERE c.oid = a.attcollation AND a.attcollation <> t.typcollation))
FROM relations r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
UNION ALL
SELECT format('table %s constraint %I: %s', r.title, c.conname, pg_get_constraintdef(c.oid))
FROM relations r JOIN pg_constraint c ON c.conrelid = r.oid WHERE c.contype <> 'n'
UNION ALL
SELECT format('table %s index: %s%s', r.title, pg_get_indexdef(i.indexrelid),
    CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END)
FROM relations r JOIN pg_index i ON i.indrelid = r.oid WHERE r.relkind IN ('r', 'p', 'm')
UNION ALL
SELECT format('table %s trigger: %s%s', r.title, pg_get_triggerdef(t.oid),
    CASE t.tgenabled WHEN 'O' THEN '' ELSE ' (enabled: ' || t.tgenabled::text || ')' END)
FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
UNION ALL
SELECT format('table %s rule: %s', r.title, pg_get_ruledef(w.oid))
FROM relations r JOIN pg_rewrite w ON w.ev_class = r.oid WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT format('table %s policy %I: %s, command %s, for %s, using %s, check %s', r.title, p.polname,
    CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END, p.polcmd,
    (SELECT string_agg(CASE role WHEN 0 THEN 'public' ELSE pg_get_userbyid(role) END, ', ') FROM unnest(p.polroles) role),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM relations r JOIN pg_policy p ON p.polrelid = r.oid
UNION ALL
SELECT format('table %s query: %s', title, pg_get_viewdef(oid)) FROM relations WHERE relkind IN ('v', 'm')
UNION ALL
SELECT format('sequence %s: %s from %s by %s, %s to %s%s', r.title, format_type(s.seqtypid, NULL), s.seqstart,
    s.seqincrement, s.seqmin, s.seqmax, CASE WHEN s.seqcycle THEN ', cycle' ELSE '' END)
FROM relations r JOIN pg_sequence s ON s.seqrelid = r.oid
UNION ALL
SELECT format('type %s: enum (%s)', t.title,
    (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
FROM types t WHERE t.typtype = 'e'
UNION ALL
SELECT format('type %s: domain over %s%s%s', t.title, format_type(t.typbasetype, t.typtypmod),
    CASE WHEN t.typnotnull THEN ' not null' ELSE '' END, ' default ' || t.typdefault)
FROM types t WHERE t.typtype = 'd'
UNION ALL
SELECT format('type %s constraint %I: %s', t.title, c.conname, pg_get_constraintdef(c.oid))
FROM types t JOIN pg_constraint c ON c.contypid = t.oid WHERE c.contype <> 'n'
UNION ALL
SELECT format('type %s: range of %s', t.title, format_type(r.rngsubtype, NULL))
FROM types t JOIN pg_range r ON r.rngtypid = t.oid
UNION ALL
SELECT format('routine %s: %s', title, pg_get_functiondef(oid)) FROM routines WHERE prokind IN ('f', 'p', 'w')
UNION ALL
SELECT format('routine %s: aggregate by %s, state %s', r.title, a.aggtransfn, format_type(a.aggtranstype, NULL))
FROM routines r JOIN pg_aggregate a ON a.aggfnoid = r.oid";

/// For each ordinary table a query for its rows, with the columns in the order of their names.
const QUERIES: &str = "
SELECT format('SELECT %L || %s FROM ONLY %s', r.title || ': ',
    coalesce(string_agg(format('%L || quote_nullable(%I::text)', a.attname || '=', a.attname), ' || '', '' || '
        ORDER BY a.attname), ''''''), r.title)
FROM relations r
LEFT JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE r.relkind = 'r'
GROUP BY r.title";
