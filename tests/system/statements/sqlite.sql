-- Places where a cut at every semicolon, or by a simpler lexer, goes wrong.
CREATE TABLE "semi;colon" (a TEXT DEFAULT ';', [b; c] TEXT, `d;` TEXT, "e""; f" TEXT, "end" INTEGER);
CREATE TABLE log (line TEXT, n INTEGER); -- a comment; with one
/* a comment; /* that does not nest; */ SELECT 1;
INSERT INTO log (line) VALUES (';'), ('it''s; fine'), ('a\'), (x'3b');
CREATE TRIGGER one AFTER INSERT ON "semi;colon" BEGIN INSERT INTO log VALUES (new.a, 1); END;
CREATE TRIGGER several AFTER UPDATE OF a ON "semi;colon" FOR EACH ROW WHEN new.a <> old.a BEGIN
  UPDATE log SET n = CASE WHEN n > 1 THEN CASE n WHEN 2 THEN 3 ELSE 4 END ELSE 5 END WHERE line = new.a;
  DELETE FROM log WHERE line = 'END;'; -- END;
  SELECT RAISE(ABORT, 'no; more') WHERE new.a = /* END; */ 'x';
  SELECT "end" FROM "semi;colon";
END;
CREATE TEMP TRIGGER IF NOT EXISTS main_log AFTER DELETE ON main.log BEGIN SELECT 1; END;
CREATE VIEW v AS SELECT 1 AS a; CREATE TRIGGER on_view INSTEAD OF INSERT ON v BEGIN SELECT 1; END;
CREATE TABLE trigger_like (trigger TEXT, "begin" TEXT); CREATE INDEX i ON trigger_like (trigger);
SELECT CASE WHEN 1 THEN 'a;' END, "a;" FROM (SELECT 1 AS "a;");
EXPLAIN CREATE TRIGGER explained AFTER INSERT ON log BEGIN SELECT 1; SELECT 2; END;
;; ; /* nothing */ ;
WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3) INSERT INTO log SELECT ';', n FROM c;
PRAGMA user_version = 5; PRAGMA user_version;
VALUES (1, ';'), (2, NULL); SELECT 1 -- the last one has no semicolon
