//! What can be compared between a PostgreSQL database and a backup of it.

use std::collections::BTreeMap;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::backend::postgres::{literal, plain_error};
use crate::backup::Survey;
use crate::error::Error;
use crate::options::Tables;

/// The structure, and how many rows each table has if that is wanted. Our own tables are left out.
pub(crate) async fn survey(client: &Client, tables: &Tables, with_rows: bool) -> Result<Survey, Error> {
    let path = rows(client, "SELECT pg_catalog.current_setting('search_path')").await?;
    // With an empty path the server's own words for definitions name everything in full.
    rows(client, "SELECT pg_catalog.set_config('search_path', '', false)").await?;
    let answer = read(client, tables, with_rows).await;
    let path = path.first().and_then(|row| row.first()).cloned().unwrap_or_default();
    let restored =
        rows(client, &format!("SELECT pg_catalog.set_config('search_path', {}, false)", literal(&path))).await;
    // After a failure the transaction refuses the rest: what it says first is why.
    answer.and_then(|survey| restored.map(|_| survey))
}

async fn read(client: &Client, tables: &Tables, with_rows: bool) -> Result<Survey, Error> {
    let first = |answer: Vec<Vec<String>>| answer.into_iter().next().and_then(|row| row.into_iter().next());
    let fingerprint = first(rows(client, &fingerprint(tables)).await?).unwrap_or_default();
    let mut survey = Survey { fingerprint, rows: BTreeMap::new(), foreign_key_violations: 0 };
    if with_rows {
        for row in rows(client, &ordinary_tables(tables)).await? {
            let Some(name) = row.into_iter().next() else { continue };
            let count = first(rows(client, &format!("SELECT pg_catalog.count(*) FROM ONLY {name}")).await?);
            survey.rows.insert(name, count.and_then(|count| count.parse().ok()).unwrap_or_default());
        }
    }
    Ok(survey)
}

/// The values of a query as text.
pub(super) async fn rows(client: &Client, sql: &str) -> Result<Vec<Vec<String>>, Error> {
    let answer = client.simple_query(sql).await;
    let answer = answer.map_err(|error| plain_error("the database could not be read", &error))?;
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|column| row.get(column).unwrap_or_default().to_owned()).collect())
        }
        _ => None,
    };
    Ok(answer.iter().filter_map(row).collect())
}

/// The tables that hold rows of their own.
fn ordinary_tables(tables: &Tables) -> String {
    format!("SELECT title FROM ({}) r WHERE relkind = 'r' ORDER BY title", relations(tables))
}

/// The relations that are neither the system's, nor an extension's, nor ours.
fn relations(tables: &Tables) -> String {
    let ours: Vec<String> = tables.all().iter().map(|name| literal(name)).collect();
    format!(
        "SELECT c.*, pg_catalog.format('%I.%I', n.nspname, c.relname) AS title
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relname NOT IN ({})
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
             WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')",
        ours.join(", ")
    )
}

/// A query for one hash over what a dump brings back word for word: names, types, keys, plain indexes, the bodies of
/// routines. The text of an expression is not: what the server says of a check over `varchar`, or of a view, may have other casts after it
/// went through a dump.
pub(super) fn fingerprint(tables: &Tables) -> String {
    format!(
        "WITH r AS ({}), parts (part) AS (
            SELECT 'relation ' || title || ' ' || relkind::text || relpersistence::text
            FROM r WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
            UNION ALL
            SELECT 'column ' || title || ' ' || a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod) || ' '
                || a.attnotnull::text || a.atthasdef::text || a.attidentity::text || a.attgenerated::text
            FROM r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
            UNION ALL
            SELECT 'constraint ' || title || ' ' || c.conname || ' ' || c.contype::text || c.convalidated::text
                || CASE WHEN c.contype IN ('p', 'u', 'f') THEN ' ' || pg_catalog.pg_get_constraintdef(c.oid) ELSE '' END
            FROM r JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid WHERE c.contype <> 'n'
            UNION ALL
            SELECT 'index ' || x.relname || ' of ' || title || ' ' || i.indisunique::text || i.indisvalid::text
                || CASE WHEN i.indexprs IS NULL AND i.indpred IS NULL THEN ' ' || pg_catalog.pg_get_indexdef(x.oid) ELSE '' END
            FROM r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
            UNION ALL
            SELECT 'trigger ' || t.tgname || ' of ' || title || ' ' || t.tgenabled::text
            FROM r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
            UNION ALL
            SELECT 'enum ' || e.enumtypid::pg_catalog.regtype::text || ' '
                || pg_catalog.string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
            FROM pg_catalog.pg_enum e GROUP BY e.enumtypid
            UNION ALL
            SELECT 'routine ' || n.nspname || '.' || p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ') '
                || p.prokind::text || ' ' || p.prosrc
            FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e')
        )
        SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
            coalesce(pg_catalog.string_agg(part, E'\\n' ORDER BY part COLLATE \"C\"), ''), 'UTF8')), 'hex') FROM parts",
        relations(tables)
    )
}
