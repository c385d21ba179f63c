-- Places where a cut at every semicolon, or by a simpler lexer, goes wrong. Each statement runs on PostgreSQL 14 or newer.
CREATE TABLE "semi;colon" (a text DEFAULT ';', "b""; c" text DEFAULT 'it''s; fine', "end" integer, "case" integer);
CREATE TABLE log (line text); -- a comment; with one
/* a comment; /* in a comment; */ ' $$ */ SELECT 1;
INSERT INTO log VALUES (E'\';'), (e'\\'), (';'), ('a'
  'b;'), (U&'\003b'), (B'1'::text), (X'1f'::text), (N';');
INSERT INTO log VALUES ($$;$$), ($a$ ; $$ ; $b$ ; $a$), ($ü$;$ü$), ($$'$$), ($_1$;$_1$);
SELECT a, "b""; c" FROM "semi;colon" WHERE a = 'x\' OR a = ';';
SELECT U&"\0061" FROM (SELECT 1 AS a) AS x; SELECT 1 AS a$b$c, 2 AS b$$; SELECT 3 AS "$$;";
DO $do$ BEGIN PERFORM 1; EXECUTE $x$SELECT ';'$x$; END $do$;
DO LANGUAGE plpgsql 'BEGIN PERFORM '';''; END';

CREATE FUNCTION begin_atomic(a integer) RETURNS integer LANGUAGE sql BEGIN ATOMIC
  SELECT CASE WHEN a > 1 THEN CASE a WHEN 2 THEN 3 ELSE 4 END ELSE 5 END;
  SELECT "end", "case" AS "begin" FROM "semi;colon";
  SELECT a /* END; */ AS "atomic; END"; -- END;
END;
CREATE OR REPLACE FUNCTION begin_atomic(a integer) RETURNS integer LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT a; END;
CREATE PROCEDURE empty_body() BEGIN ATOMIC END;
CREATE PROCEDURE two_inserts(a text) LANGUAGE sql BEGIN ATOMIC
  INSERT INTO log VALUES (a); INSERT INTO log VALUES ($1 || 'END;'); END;
CREATE FUNCTION by_return(a integer) RETURNS integer LANGUAGE sql RETURN CASE WHEN a > 0 THEN a END;
CREATE FUNCTION by_string() RETURNS integer LANGUAGE sql AS 'SELECT 1; SELECT 2';
CREATE FUNCTION by_dollars() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; -- $$
  RETURN NEW;
END
$body$;
CREATE FUNCTION begin(atomic integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';

CREATE RULE several AS ON DELETE TO "semi;colon" DO ALSO (
  INSERT INTO log VALUES ('deleted;');
  UPDATE log SET line = OLD.a WHERE line = ')';
  DELETE FROM log WHERE line = '(';
);
CREATE RULE one AS ON UPDATE TO "semi;colon" DO INSTEAD (INSERT INTO log VALUES ('updated'));
CREATE RULE nothing AS ON INSERT TO "semi;colon" DO INSTEAD NOTHING;
CREATE TRIGGER t BEFORE INSERT OR DELETE ON log FOR EACH ROW EXECUTE FUNCTION by_dollars('a;b');

SELECT (ARRAY[[1, 2], [3, 4]])[1:2][1], '{;}'::text[], (ARRAY['a;', 'b'])[1];
SELECT 1 +-- a comment after an operator;
  2, 3 -/* and another; */- 4, 5 OPERATOR(pg_catalog.*) 6;
SELECT '-- no comment;', '/* no comment;', 2 <- 3;
SELECT "$1;" FROM (VALUES (1)) AS x ("$1;") WHERE false;
;; ; /* nothing */ ;
PREPARE p (text) AS SELECT $1 || ';'; EXECUTE p (';'); DEALLOCATE p;
SELECT 1e5, 1.5e-3, .5, 5., 0.1::numeric(5, 2), 'x'COLLATE"C";
VALUES (1, ';'), (2, NULL); TABLE log; (SELECT 1) UNION (SELECT 2);
EXPLAIN (FORMAT JSON) SELECT ';'; SHOW server_version;
SELECT 'the last one has no semicolon'
