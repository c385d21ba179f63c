DROP TRIGGER users_with_both_names;

ALTER TABLE users DROP COLUMN name;
